"""`hsfuse info` and `hsfuse methods`: metadata of a file, the table of methods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from .options import FileOrUrl, json_option, verbose_option

if TYPE_CHECKING:
    from hsfuse.io.files.url import AnyPath

__all__ = ["info", "methods"]


@click.command(no_args_is_help=True, short_help="Show what hsfuse reads from a file.")
@click.argument("file", type=FileOrUrl())
@click.option(
    "--sensor",
    metavar="NAME|FILE",
    help="Sensor of FILE; provides wavelengths that the file lacks.",
)
@json_option
@verbose_option
def info(file: AnyPath, *, sensor: str | None, as_json: bool) -> None:
    """
    Show what hsfuse reads from FILE: size, bands, wavelengths, grid. No pixel is read.

    \b
    Examples:
      hsfuse info scene.tif
      hsfuse info scene.hdr --sensor enmap --json
      hsfuse info PRS_L2D_STD_20201107101404_20201107101408_0001.he5
    """  # noqa: D301 - click reads the mark
    from hsfuse.io.read import open_raster
    from hsfuse.report.record import raster_as_dict
    from hsfuse.report.text import describe_raster

    raster = open_raster(file, sensor=sensor)
    click.echo(json.dumps(raster_as_dict(raster), indent=2) if as_json else describe_raster(raster))


@click.command()
@json_option
def methods(*, as_json: bool) -> None:
    """List the fusion methods."""
    from hsfuse.methods import list_methods

    table = list_methods()
    if as_json:
        click.echo(json.dumps(table, indent=2))
        return
    from hsfuse.fusion.settings import Settings

    default = Settings().method
    formatter = click.HelpFormatter()
    formatter.write_dl(
        [(f"{name} (default)" if name == default else name, text) for name, text in table.items()]
    )
    click.echo(formatter.getvalue(), nl=False)
