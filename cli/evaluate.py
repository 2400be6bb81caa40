"""`hsfuse evaluate`: metrics of an estimate against the reference."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import click

from .options import FileOrUrl, json_option, verbose_option

if TYPE_CHECKING:
    from hsfuse.io.files.url import AnyPath

__all__ = ["evaluate"]

# figure -> (label, unit, description)
_IN_UNITS = ("rmse",)
_FIGURES = {
    "rmse": ("RMSE", "", "root mean squared error; 0 is best"),
    "rmse_8bit": ("RMSE 8-bit", "", "the same with the peak at 255"),
    "psnr": ("PSNR", "dB", "peak signal-to-noise ratio, mean over bands; more is better"),
    "sam": ("SAM", "°", "spectral angle, mean over pixels; 0 is best"),
    "ssim": ("SSIM", "", "structural similarity, mean over bands; 1 is best"),
    "ergas": ("ERGAS", "%", "relative error over all bands; 0 is best"),
    "uiqi": ("UIQI", "", "universal quality index; 1 is best"),
    "cc": ("CC", "", "correlation, mean over bands; 1 is best"),
}


@click.command(no_args_is_help=True, short_help="Compare a fused raster with the reference.")
@click.argument("truth", metavar="REFERENCE", type=FileOrUrl())
@click.argument("estimate", type=FileOrUrl())
@click.option(
    "--ratio",
    type=float,
    metavar="NUMBER",
    help="MS pixels per HS pixel of the pair that was fused; ERGAS needs it.",
)
@click.option(
    "--peak",
    type=float,
    metavar="NUMBER",
    help="Largest possible value, for PSNR and SSIM.  [default: the largest of REFERENCE]",
)
@json_option
@verbose_option
def evaluate(
    truth: AnyPath, estimate: AnyPath, *, ratio: float | None, peak: float | None, as_json: bool
) -> None:
    """
    Compare the raster ESTIMATE with the raster REFERENCE, of any size.

    \b
    Examples:
      hsfuse evaluate truth.tif fused.tif --ratio 3
      hsfuse evaluate truth.tif fused.zarr --peak 1 --json
    """  # noqa: D301 - click reads the mark
    from dataclasses import asdict

    from hsfuse.evaluation import evaluate as compare

    score = compare(truth, estimate, ratio=ratio, peak=peak)
    figures = asdict(score)
    if as_json:
        plain = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in figures.items()
        }
        click.echo(json.dumps(plain, indent=2))
        return
    units = figures["units"]
    rows = {}
    for key, (label, unit, meaning) in _FIGURES.items():
        value, own = figures[key], units if key in _IN_UNITS else unit
        number = "-" if math.isnan(value) else f"{value:.5g}{own and ' ' + own}"
        unstated = "" if units or key not in _IN_UNITS else "; the files state no units"
        rows[label] = number, meaning + unstated
    width = max(14, *(len(number) + 2 for number, _ in rows.values()))
    for label, (number, meaning) in rows.items():
        click.echo(f"{label:<12}{number:<{width}}{meaning}")
    click.echo(
        f"{'compared':<12}{score.describe_bands()}, {score.pixels} pixels, "
        f"peak {score.peak:.5g}{units and ' ' + units}"
    )
