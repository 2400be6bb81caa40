"""`hsfuse report`: a fused raster as one HTML file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .options import (
    FileOrUrl,
    align_option,
    input_options,
    json_option,
    overwrite_option,
    quiet_option,
    verbose_option,
)
from .progress import Stages

if TYPE_CHECKING:
    from hsfuse.io.files.url import AnyPath

__all__ = ["report"]


@click.command(no_args_is_help=True, short_help="Write the report (HTML) of a fused raster.")
@click.argument("fused", type=FileOrUrl())
@click.argument("scene", type=FileOrUrl(), required=False)
@click.argument("rgb", type=FileOrUrl(), metavar="[MS]", required=False)
@click.option(
    "-o",
    "--out",
    type=FileOrUrl(),
    metavar="FILE",
    help="The file to write, .html.  [default: FUSED.html]",
)
@input_options
@align_option
@overwrite_option
@json_option
@quiet_option
@verbose_option
def report(
    fused: AnyPath,
    scene: AnyPath | None,
    rgb: AnyPath | None,
    *,
    out: AnyPath | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    align: bool,
    **choices: Any,
) -> None:
    """
    Write the report of the raster FUSED: one HTML file for a browser, without a network.

    Images of the same ground with a swipe, spectra at the pixel that is clicked, maps, quality in
    words, sensors and the run. For an output of `hsfuse run` the two images are those of the JSON
    record beside it; for a raster of another program name the HS image SCENE and the MS image.

    \b
    Examples:
      hsfuse report scene_fused.tif
      hsfuse report other.tif scene.tif rgb.tif -o other.html \\
          --hs-sensor enmap --rgb-sensor sentinel-2a
    """  # noqa: D301 - click reads the mark
    if scene is not None and rgb is None:
        raise click.UsageError("expected both SCENE and MS, or neither.")
    with Stages("report", hidden=quiet or as_json) as stage:
        stage("loading libraries", 0.0)
        from hsfuse.report.files import write_html_report

        stage("images, spectra and quality", 0.2)
        options = choices | ({} if align else {"align": False})
        path = write_html_report(fused, scene, rgb, out, overwrite=overwrite, **options)
    if as_json:
        click.echo(json.dumps({"report": str(path)}, indent=2))
    elif not quiet:
        click.echo(f"report          {path}")
