"""`hsfuse assess`: quality of a fused raster without a reference."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from hsfuse.core.text import percent

from .options import (
    FileOrUrl,
    align_option,
    input_options,
    json_option,
    overwrite_option,
    verbose_option,
)

if TYPE_CHECKING:
    from hsfuse.assessment import Assessment, Consistency
    from hsfuse.io.files.url import AnyPath

__all__ = ["assess"]

_TABLE = {
    "HQNR": ("hqnr", "1 is best; (1 - D_lambda_K) (1 - D_s)"),
    "QNR": ("qnr", "1 is best; (1 - D_lambda) (1 - D_s)"),
    "D_lambda_K": ("d_lambda_k", "spectral distortion of HQNR; 0 is best"),
    "D_lambda": ("d_lambda", "spectral distortion of QNR; 0 is best"),
    "D_s": ("d_s", "spatial distortion; 0 is best"),
}


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
    from hsfuse.io.write import check_output, write_raster

    if maps is not None:  # before what takes time
        masks = [choices[name] for name in ("hs_mask", "rgb_mask") if choices[name] is not None]
        check_output(maps, overwrite=overwrite, inputs=[fused, scene, rgb, *masks])
    observed = observed_for(fused, scene, rgb, choices | ({} if align else {"align": False}))
    assessment, maps_of_quality = assess_fused(fused, observed)
    if maps is not None:
        write_raster(maps_of_quality, maps, overwrite=overwrite)
    lines = _lines(assessment, bands)
    if maps is not None:
        lines.append(f"{'maps':<12}{maps}")
    click.echo(_as_json(assessment) if as_json else "\n".join(lines))


def _as_json(assessment: Assessment) -> str:
    from dataclasses import asdict

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(plain(asdict(assessment)), indent=2)


def _lines(assessment: Assessment, bands: bool) -> list[str]:
    lines = [f"{finding.quality:<9}{finding.text}" for finding in assessment.findings]
    lines.append("")
    for label, (name, meaning) in _TABLE.items():
        value = getattr(assessment, name)
        lines.append(f"{label:<12}{'-' if math.isnan(value) else f'{value:.4f}':<10}{meaning}")
    for image, consistency in (("HS", assessment.hs), ("MS", assessment.ms)):
        unit = consistency.units and f" {consistency.units}"
        lines.append(
            f"{image + ' RMSE':<12}{consistency.rmse:.5g}{unit}, "
            f"{percent(consistency.relative)} of the root mean square of the image; "
            f"SAM {consistency.sam:.3f}°; {len(consistency.band_name)} bands, "
            f"{consistency.pixels} pixels"
        )
    lines.append(
        f"{'maximum':<12}HQNR {assessment.hqnr_limit:.4f}, QNR {assessment.qnr_limit:.4f}: what "
        "the noise of the HS image allows at best"
    )
    lines.append(
        f"{'windows':<12}HQNR, QNR and the distortions are means over {assessment.windows} "
        "windows of 8 x 8 HS pixels"
    )
    lines.append(f"{'PSF, SRF':<12}{assessment.observed}")
    return lines + (_band_lines(assessment) if bands else [])


def _band_lines(assessment: Assessment) -> list[str]:
    lines = ["", f"{'HS band':<26}{'RMSE':<12}{'relative':<10}{'D_lambda':<10}D_s"]
    distortions = zip(assessment.band_d_lambda, assessment.band_d_s, strict=True)
    for line, (spectral, spatial) in zip(_rmse_lines(assessment.hs), distortions, strict=True):
        lines.append(f"{line}{spectral:<10.4f}{spatial:.4f}")
    return [*lines, "", f"{'MS band':<26}{'RMSE':<12}relative", *_rmse_lines(assessment.ms)]


def _rmse_lines(consistency: Consistency) -> list[str]:
    bands = consistency.band_label, consistency.band_rmse, consistency.band_relative
    figures = zip(*bands, strict=True)
    return [f"{name:<26}{rmse:<12.5g}{percent(relative):<10}" for name, rmse, relative in figures]
