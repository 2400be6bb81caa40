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
    if as_json:
        plain = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(score).items()
        }
        click.echo(json.dumps(plain, indent=2))
    else:
        click.echo(str(score))
