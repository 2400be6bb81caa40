"""Text of an assessment, for the terminal and for `print`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hsfuse.core.text import percent

if TYPE_CHECKING:
    from hsfuse.assessment.figures import Assessment, Consistency

__all__ = ["describe_assessment", "describe_origin"]

_TABLE = {
    "HQNR": ("hqnr", "1 is best; (1 - D_lambda_K) (1 - D_s)"),
    "QNR": ("qnr", "1 is best; (1 - D_lambda) (1 - D_s)"),
    "D_lambda_K": ("d_lambda_k", "spectral distortion of HQNR; 0 is best"),
    "D_lambda": ("d_lambda", "spectral distortion of QNR; 0 is best"),
    "D_s": ("d_s", "spatial distortion; 0 is best"),
}


def describe_assessment(assessment: Assessment, *, bands: bool = False) -> str:
    """
    Return the findings and figures of an assessment, a line each.

    Parameters
    ----------
    assessment : Assessment
        From :func:`hsfuse.assess`.
    bands : bool
        Whether to list the figures of every band.
    """
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
    lines.append(f"{'PSF, SRF':<12}{describe_origin(assessment)}")
    return "\n".join([*lines, *(_band_lines(assessment) if bands else [])])


def describe_origin(assessment: Assessment) -> str:
    """Return where PSF and response are from: the record of a run, or an estimate."""
    origin = assessment.observed
    return f"from the record {origin}" if origin.endswith(".json") else origin


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
