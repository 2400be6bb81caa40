"""`hsfuse train`: weights from high-resolution cubes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .help import GroupedCommand
from .interrupt import stop
from .options import (
    FromLibrary,
    device_option,
    json_option,
    overwrite_option,
    quiet_option,
    verbose_option,
)
from .progress import Progress

if TYPE_CHECKING:
    from hsfuse.learning.recipe import Recipe
    from hsfuse.nets.weights import Card

__all__ = ["train"]

# Options that set a field of the recipe, whose defaults are in the library.
_FIELDS = (
    "steps", "batch", "patch", "scenes", "rate", "seed", "ratio", "fwhm", "snr", "clean",
)  # fmt: skip


def _recipes() -> Iterable[str]:
    from hsfuse.learning.recipe import RECIPES

    return RECIPES


def _networks() -> Iterable[str]:
    from hsfuse.nets.table import NETWORKS

    return NETWORKS


class _OfNetwork(click.Option):
    """An option whose default depends on the network; only the help imports the library for it."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the help with the default of every network that has the option."""
        from hsfuse.nets.table import NETWORKS

        record = super().get_help_record(ctx)
        if record is None or self.name is None:
            return record
        values = {name: getattr(spec, self.name) for name, spec in NETWORKS.items()}
        known = {name: value for name, value in values.items() if value is not None}
        groups = {
            value: ", ".join(name for name, other in known.items() if other == value)
            for value in known.values()
        }
        defaults = "; ".join(f"{names} {value}" for value, names in groups.items())
        option, text = record
        return option, f"{text.split('  [')[0]}  [default: {defaults}]"


class _OfRecipe(click.Option):
    """An option whose default depends on the recipe; only the help imports the library for it."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the help with every recipe's default."""
        from hsfuse.learning.train import RECIPES, SCALES

        record = super().get_help_record(ctx)
        if record is None or self.name is None:
            return record
        values = {
            name: _plain(
                SCALES[recipe.predicts] if self.name == "scales" else getattr(recipe, self.name)
            )
            for name, recipe in RECIPES.items()
        }
        usual = next(iter(values.values()))
        other = [f"{name} {value}" for name, value in values.items() if value != usual]
        default = "; ".join([f"default: {usual}", *other])
        option, text = record
        # Click has added the accepted range, if any, in brackets.
        return option, f"{text[:-1]}; {default}]" if text.endswith("]") else f"{text}  [{default}]"


def _plain(value: float | tuple[float, ...]) -> str:
    return " ".join(f"{number:g}" for number in (value if isinstance(value, tuple) else (value,)))


_count = click.IntRange(min=1)


def _range(option: str, text: str) -> Callable[[Any], Any]:
    return click.option(
        option, type=float, nargs=2, metavar="LOW HIGH", cls=_OfRecipe, help=f"{text}; a range."
    )


@click.command(
    cls=GroupedCommand, no_args_is_help=True, short_help="Train a network on simulated pairs."
)
@click.argument(
    "cubes", nargs=-1, required=True, metavar="CUBE...", type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="WEIGHTS.safetensors",
    help="Weights to write; beside them .json, their card, and .training, checkpoint and log.",
)
@click.option(
    "--network",
    type=FromLibrary(_networks),
    default="ms-ssfnet",
    show_default=True,
    help="The network, which is the method that takes the weights.",
)
@click.option(
    "--recipe",
    "name",
    type=FromLibrary(_recipes),
    help="component: any sensors and ratio, for ms-ssfnet; paper: one sensor pair and ratio, as "
    "published.  [default: component; paper for other networks]",
)
@click.option("--steps", type=_count, cls=_OfRecipe, help="Optimiser steps.")
@click.option("--batch", type=_count, cls=_OfRecipe, help="Patches per step.")
@click.option(
    "--patch",
    type=_count,
    cls=_OfRecipe,
    help="Side of a patch in HS pixels; 2^SCALES as many cube pixels each.",
)
@click.option(
    "--scenes",
    type=_count,
    cls=_OfRecipe,
    help="Simulated scenes in memory at a time.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    cls=_OfRecipe,
    help="Initial learning rate.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    cls=_OfRecipe,
    help="Random seed; the same seed gives the same weights.",
)
@click.option("--width", type=_count, cls=_OfNetwork, help="Channels of a layer.")
@click.option(
    "--levels",
    type=_count,
    cls=_OfNetwork,
    help="Outputs of the network in the loss, at most SCALES.",
)
@click.option("--depth", type=_count, cls=_OfNetwork, help="Residual blocks, or layers.")
@click.option(
    "--scales",
    type=_count,
    metavar="N",
    cls=_OfRecipe,
    help="Doublings of the resolution in the network; the paper's ratio is 2^N.",
)
@_range("--ratio", "Cube pixels per HS pixel, for the component recipe")
@_range("--fwhm", "FWHM of the Gaussian PSF in HS pixels")
@_range("--snr", "Signal-to-noise ratio of the HS image in decibels")
@click.option(
    "--clean",
    type=click.FloatRange(0, 1),
    cls=_OfRecipe,
    help="Fraction of the simulated scenes without noise.",
)
@click.option(
    "--rgb-sensor",
    "rgb_sensors",
    multiple=True,
    metavar="NAME[:BAND,BAND]",
    help="MS sensor, or `made` for a random one per scene; may be repeated, the paper recipe takes "
    "one.  [default: made]",
)
@click.option(
    "--hs-sensor",
    metavar="NAME|FILE",
    help="Sensor of the cubes: gives the wavelengths where they have none.",
)
@click.option(
    "--validation",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="CUBE",
    help="Cube that is scored at every checkpoint and not trained on; may be repeated.",
)
@click.option(
    "--start-from",
    type=click.Path(path_type=Path),
    metavar="WEIGHTS",
    help="Initial weights, of the same network.  [default: random]",
)
@click.option(
    "--terms",
    metavar="TEXT",
    help="Licence of the weights, for their card.  [default: that of the cubes]",
)
@device_option
@overwrite_option
@json_option
@quiet_option
@verbose_option
def train(
    cubes: tuple[Path, ...],
    out: Path,
    *,
    name: str | None,
    network: str,
    terms: str | None,
    as_json: bool,
    quiet: bool,
    **choices: Any,
) -> None:
    """
    Train a network on pairs simulated from each high-resolution CUBE.

    Cubes may be larger than memory. `hsfuse run --weights` takes the result. Run the same command
    again to resume an interrupted training from its last checkpoint.

    \b
    Examples:
      hsfuse train cubes/*.tif -o mine.safetensors --validation held-out.tif
      hsfuse train flights/*.bsq -o s2.safetensors \\
          --rgb-sensor sentinel-2a:B2,B3,B4,B8 --ratio 3 6 --terms "CC BY 4.0"
      hsfuse train cave/*.tif -o r16.safetensors --recipe paper --scales 4 \\
          --rgb-sensor nikon-d700 --hs-sensor cave-31
      hsfuse train cave/*.tif -o cnn.safetensors --network ssf-cnn \\
          --rgb-sensor nikon-d700
    """  # noqa: D301 - click reads the mark
    from hsfuse.learning.recipe import default_recipe
    from hsfuse.learning.train import train as run_training

    recipe = _recipe(
        name or default_recipe(network), {field: choices.pop(field) for field in _FIELDS}
    )
    try:
        with Progress(
            recipe.steps, item="step", unit="steps", closing="writing the weights", hidden=quiet
        ) as progress:
            progress.show_preparation("simulating the first scenes")
            card = run_training(
                cubes,
                out,
                recipe=recipe,
                network=network,
                about={"terms": terms} if terms else None,
                progress=lambda done, total, loss: progress(done, total, f"loss {loss:.4g}"),
                **choices,
            )
    except KeyboardInterrupt:
        stop()
    facts = _facts(card)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    elif not quiet:
        click.echo(_summary(facts))


def _recipe(name: str, given: dict[str, Any]) -> Recipe:
    """Return the recipe with the given options applied."""
    from dataclasses import replace

    from hsfuse.learning.recipe import RECIPES

    changes = {field: value for field, value in given.items() if value is not None}
    recipe = replace(RECIPES[name], **changes)
    if recipe.predicts == "cube" and "ratio" in changes:
        raise click.UsageError(
            f"--ratio is a range; the recipe {name} has one ratio, which --scales gives"
        )
    if recipe.clean == 1 and "snr" in changes:
        raise click.UsageError("--snr needs scenes with noise; expected --clean less than 1")
    return recipe


def _facts(card: Card) -> dict[str, object]:
    """Return the paths of the files and the final figures, in JSON types."""
    from hsfuse.learning.checkpoint import PLOT, TABLE, last_row, last_warning
    from hsfuse.learning.train import training_folder

    folder = training_folder(card.path)
    return {
        "weights": card.path,
        "card": str(Path(card.path).with_suffix(".json")),
        "log": str(folder / TABLE),
        "plot": str(folder / PLOT),
        **last_row(folder),
        **({"warning": warning} if (warning := last_warning(folder)) else {}),
    }


def _summary(facts: dict[str, object]) -> str:
    lines = [f"{name:<12}{facts[name]}" for name in ("weights", "card", "log", "plot")]
    if "loss" in facts:
        lines.append(f"{'loss':<12}{facts['loss']:.4g} at step {facts['step']:.0f}")
    if "validation" in facts:
        start = f", {facts['start']:.4g} without the network" if "start" in facts else ""
        lines.append(f"{'validation':<12}{facts['validation']:.4g}{start}")
    if "warning" in facts:
        lines.append(f"{'warning':<12}{facts['warning']}")
    return "\n".join(lines)
