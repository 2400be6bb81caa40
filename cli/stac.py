"""The options of `hsfuse run` that concern STAC items."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

if TYPE_CHECKING:
    from hsfuse.io.files.url import AnyPath
    from hsfuse.io.stac import Times

__all__ = ["Inputs", "find_inputs", "find_times", "stac_options", "stac_words"]

Command = TypeVar("Command", bound=Callable[..., Any])


def stac_options(command: Command) -> Command:
    """Add the options to a command."""
    for option in (
        click.option(
            "--datetime",
            "when",
            metavar="TIME[/TIME]",
            help="When the images were taken, such as 2020-06-01T10:30:00Z or 2020-06-01, or from "
            "and to, for --stac-item.  [default: of the STAC items that are given]",
        ),
        click.option(
            "--stac-item",
            is_flag=True,
            help="Write a STAC item (OUT.stac.json) beside the output.",
        ),
        click.option(
            "--assets",
            nargs=2,
            metavar="SCENE MS",
            help="Keys of the assets, where STAC items are given.  [default: by key or role]",
        ),
    ):
        command = option(command)
    return command


class Inputs(NamedTuple):
    """The two images, the files given for them, and their acquisition time, None if unknown."""

    scene: AnyPath
    rgb: AnyPath
    given: tuple[AnyPath, AnyPath]
    times: Times | None


def find_inputs(scene: AnyPath, rgb: AnyPath, assets: tuple[str, str] | None) -> Inputs:
    """Return the given images, or for STAC items the assets they name."""
    from hsfuse.io.stac import StacAsset, find_asset, is_item, joined_times

    keys: tuple[str | None, str | None] = assets or (None, None)
    if assets and not (is_item(scene) or is_item(rgb)):
        raise click.UsageError("--assets is for STAC items; expected a .json file as SCENE or MS.")
    hs = find_asset(scene, "HS", keys[0]) if is_item(scene) else StacAsset(scene, None)
    ms = find_asset(rgb, "MS", keys[1]) if is_item(rgb) else StacAsset(rgb, None)
    return Inputs(hs.path, ms.path, (scene, rgb), joined_times(hs.times, ms.times))


def find_times(when: str | None, inputs: Inputs) -> Times:
    """Return the acquisition time; raise before fusing if it is needed but unknown."""
    from hsfuse.report.stac import parse_times

    if when is not None:
        try:
            return parse_times(when)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--datetime") from error
    if inputs.times is None:
        raise click.UsageError(
            "--stac-item: the inputs do not state when they were taken, which a STAC item has to; "
            "expected --datetime, such as 2020-06-01T10:30:00Z."
        )
    return inputs.times


def stac_words(times: Times) -> tuple[str, ...]:
    """Return the options that repeat the STAC item of a run."""
    from hsfuse.report.stac import utc_text

    start, end = (utc_text(time) for time in times)
    return "--stac-item", "--datetime", start if start == end else f"{start}/{end}"
