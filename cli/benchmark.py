"""`hsfuse benchmark`: compare methods on cubes or on a real pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .help import GroupedCommand
from .interrupt import stop
from .options import (
    FileOrUrl,
    FromLibrary,
    KeyValue,
    device_option,
    json_option,
    quiet_option,
    verbose_option,
)
from .progress import Progress, Stages

__all__ = ["benchmark"]


def _methods() -> list[str]:
    from hsfuse.methods import list_methods

    return list(list_methods())


class _Methods(FromLibrary):
    """Names of methods, separated by commas."""

    name = "methods"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the names."""
        if not isinstance(value, str):
            return value
        return tuple(super(_Methods, self).convert(name, param, ctx) for name in value.split(","))


class _Peak(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    """A number, or the word ``max``."""

    name = "number|max"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        """Return the number, or ``max``."""
        if value == "max":
            return "max"
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor max.", param, ctx)


def _by_method(
    _context: click.Context, _parameter: click.Parameter, pairs: tuple[tuple[str, str], ...]
) -> dict[str, list[str]]:
    weights: dict[str, list[str]] = {}
    for name, file in pairs:
        weights.setdefault(name, []).append(file)
    return weights


@click.command(cls=GroupedCommand, no_args_is_help=True, short_help="Compare fusion methods.")
@click.argument("cubes", nargs=-1, type=FileOrUrl())
@click.option(
    "--pair",
    nargs=2,
    type=FileOrUrl(),
    metavar="SCENE MS",
    help="HS and MS image of a real pair instead of CUBES: fused at reduced resolution, where the "
    "HS image is the reference, and at full resolution.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of tables and pictures.",
)
@click.option(
    "--protocol",
    type=click.Choice(["paper"]),
    help="paper: CUBES is the folder of Harvard, ICVL or NUS; sizes of the split (by --seed), "
    "Nikon D700 and factor 16 are those of the publication of ms-ssfnet.",
)
@click.option(
    "--methods",
    type=_Methods(_methods),
    default=(),
    metavar="NAME,NAME",
    help="Methods to compare.  [default: all that need no weights file or have one]",
)
@click.option(
    "--weights",
    type=KeyValue(),
    multiple=True,
    callback=_by_method,
    metavar="NAME=FILE",
    help="Weights of a method; may be repeated. The first that was not trained on the scene and "
    "fits the pair is used.  [default: those that come with hsfuse]",
)
@click.option(
    "--ratio",
    "ratios",
    type=float,
    multiple=True,
    metavar="NUMBER",
    help="Cube pixels per HS pixel; may be repeated.  [default: 4, or that of the pair]",
)
@click.option(
    "--rgb-sensor",
    "rgb_sensors",
    multiple=True,
    metavar="NAME[:BAND,BAND]|FILE",
    help="MS sensor that is simulated; may be repeated. Of a real pair that of its MS image.  "
    "[default: nikon-d700, or what the file of the pair says]",
)
@click.option(
    "--hs-sensor",
    metavar="NAME|FILE",
    help="Sensor of the cubes or of the HS image: wavelengths that a file lacks, and the PSF.",
)
@click.option(
    "--psf",
    type=click.Choice(["gaussian", "average"]),
    default="gaussian",
    show_default=True,
    help="PSF of the simulated HS sensor; average is the mean over each HS pixel.",
)
@click.option(
    "--fwhm",
    type=float,
    metavar="NUMBER",
    help="FWHM of the Gaussian PSF in HS pixels.  [default: that of --hs-sensor, or 1]",
)
@click.option("--hs-snr", type=float, metavar="DB", help="Noise of the HS image.  [default: none]")
@click.option("--ms-snr", type=float, metavar="DB", help="Noise of the MS image.  [default: none]")
@click.option(
    "--peak",
    type=_Peak(),
    metavar="NUMBER|max",
    help="Largest possible value, for RMSE from 0 to 255, PSNR and SSIM; max: the largest of each "
    "cube.  [default: the full scale of the data set, or the 99.9th percentile of each cube]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of noise and split.")
@device_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Tiles that a method fuses in parallel.  [default: one per core]",
)
@click.option(
    "--overwrite", is_flag=True, help="Run again what is finished with the same inputs and options."
)
@click.option(
    "--pictures/--no-pictures",
    default=True,
    show_default=True,
    help="Draw one band with its error and the spectral angles of all methods, for each pair.",
)
@click.option("--dry-run", is_flag=True, help="List all runs and write nothing.")
@json_option
@quiet_option
@verbose_option
def benchmark(
    cubes: tuple[Path, ...],
    *,
    pair: tuple[Path, Path] | None,
    protocol: str | None,
    out: Path,
    overwrite: bool,
    pictures: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **choices: Any,
) -> None:
    """
    Compare fusion methods on pairs simulated from CUBES, or on a real pair.

    Every cube is observed by every sensor at every ratio and fused by every method in a process
    of its own, as `hsfuse run` does. DIR/benchmark.csv has a line for each run, DIR/benchmark.md
    the means and standard deviations over the scenes.

    The same command again goes on: what is finished with the same inputs and options is kept. The
    exit status is 1 if any run failed.

    \b
    Examples:
      hsfuse benchmark cave/*.tif --ratio 16 --peak 4095 -o results
      hsfuse benchmark scenes/*.tif --rgb-sensor sentinel-2a:B2,B3,B4,B8 \\
        --hs-snr 30 --ms-snr 40 --methods bicubic,guided,cnmf -o results
      hsfuse benchmark --pair scene.tif ms.tif -o results
      hsfuse benchmark CZ_hsdb --protocol paper -o results
    """  # noqa: D301 - click reads the mark
    if bool(cubes) == (pair is not None):
        raise click.UsageError("expected either CUBES or --pair.")
    with Stages("benchmark", hidden=quiet) as stage:
        stage("loading libraries", 0.0)
        from hsfuse.benchmarking.run import (
            execute_benchmark,
            plan_benchmark,
            prepare_benchmark,
        )
        from hsfuse.benchmarking.settings import BenchmarkSettings
        from hsfuse.benchmarking.text import (
            describe_benchmark,
            summarise_benchmark,
            summarise_plan,
        )

        stage("inputs", 0.5)
        settings = BenchmarkSettings(**choices)
        plan = prepare_benchmark(cubes, out, settings, pair=pair, protocol=protocol)
    if dry_run:
        outcome = plan_benchmark(plan, overwrite=overwrite)
    else:
        if not (quiet or as_json):
            click.echo(describe_benchmark(plan) + "\n")
        with _progress(len(plan.runs), hidden=quiet) as progress:
            try:
                outcome = execute_benchmark(
                    plan, overwrite=overwrite, pictures=pictures, progress=progress
                )
            except KeyboardInterrupt:
                stop()
    if as_json:
        from hsfuse.report.record import as_json as to_text

        click.echo(to_text(outcome.as_dict()))
    elif not quiet:
        click.echo(summarise_plan(outcome) if dry_run else summarise_benchmark(outcome))
    if outcome.failed:
        raise click.exceptions.Exit(1)


def _progress(runs: int, *, hidden: bool) -> Progress:
    return Progress(runs, item="run", unit="runs", closing="tables", each=True, hidden=hidden)
