"""`hsfuse assess`: quality of a fused raster without a reference."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from .options import (
    FileOrUrl,
    align_option,
    input_options,
    json_option,
    overwrite_option,
    verbose_option,
)

if TYPE_CHECKING:
    from hsfuse.assessment import Assessment
    from hsfuse.io.files.url import AnyPath

__all__ = ["assess"]


@click.command(no_args_is_help=True, short_help="Assess a fused raster without a reference.")
@click.argument("fused", type=FileOrUrl())
@click.argument("scene", type=FileOrUrl())
@click.argument("rgb", type=FileOrUrl(), metavar="MS")
@click.option(
    "--maps",
    type=FileOrUrl(),
    metavar="FILE",
    help="Write maps of the differences and distortions on the pixels of the HS image, .tif or "
    ".zarr.",
)
@click.option("--bands", is_flag=True, help="Show every band.")
@input_options
@align_option
@overwrite_option
@json_option
@verbose_option
def assess(
    fused: AnyPath,
    scene: AnyPath,
    rgb: AnyPath,
    *,
    maps: AnyPath | None,
    bands: bool,
    overwrite: bool,
    as_json: bool,
    align: bool,
    **choices: Any,
) -> None:
    """
    Assess the raster FUSED, of the HS image SCENE and the MS image, without a reference.

    Consistency with both images, QNR and HQNR, of rasters of any size. An output of `hsfuse run` is
    assessed with the co-registration, PSF and response of the run, from the JSON record beside it;
    otherwise, or with a sensor or --no-align, they are estimated from the pair.

    \b
    Examples:
      hsfuse assess scene_fused.tif scene.tif rgb.tif
      hsfuse assess other.tif scene.tif rgb.tif --maps quality.tif \\
          --hs-sensor enmap --rgb-sensor sentinel-2a
    """  # noqa: D301 - click reads the mark
    from hsfuse.assessment.comparison import assess_fused, observed_for
    from hsfuse.assessment.text import describe_assessment
    from hsfuse.io.write import check_output, write_raster

    if maps is not None:  # before what takes time
        masks = [choices[name] for name in ("hs_mask", "rgb_mask") if choices[name] is not None]
        check_output(maps, overwrite=overwrite, inputs=[fused, scene, rgb, *masks])
    observed = observed_for(fused, scene, rgb, choices | ({} if align else {"align": False}))
    assessment, maps_of_quality = assess_fused(fused, observed)
    if maps is not None:
        write_raster(maps_of_quality, maps, overwrite=overwrite)
    if as_json:
        click.echo(_as_json(assessment))
        return
    click.echo(describe_assessment(assessment, bands=bands))
    if maps is not None:
        click.echo(f"{'maps':<12}{maps}")


def _as_json(assessment: Assessment) -> str:
    from dataclasses import asdict

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(plain(asdict(assessment)), indent=2)
