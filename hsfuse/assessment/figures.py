"""The figures of an assessment, and what they mean."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hsfuse.assessment.sums import Sums
from hsfuse.core.distortion import Distortion
from hsfuse.core.tally import Mean, Moments
from hsfuse.core.text import html_table

__all__ = [
    "Assessment",
    "Consistency",
    "Finding",
    "Quality",
    "band_noise_share",
    "consistency",
    "indices",
]

Quality = Literal["good", "fair", "poor", "unknown"]


@dataclass(frozen=True, slots=True)
class Consistency:
    """
    How a fused cube, degraded by a sensor, differs from what that sensor has seen.

    Attributes
    ----------
    rmse : float
        Root mean squared difference over all values, in ``units``.
    relative : float
        That divided by the root mean square of the input.
    sam : float
        Spectral angle in degrees, mean over pixels.
    band_rmse, band_relative : tuple of float
        The first two for each band.
    band_name : tuple of str
        Of these bands.
    pixels : int
        That were compared.
    units : str
        Of the input; empty where it states none.
    """

    rmse: float
    relative: float
    sam: float
    band_rmse: tuple[float, ...] = field(repr=False)
    band_relative: tuple[float, ...] = field(repr=False)
    band_name: tuple[str, ...] = field(repr=False)
    pixels: int
    units: str


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What a figure means.

    Attributes
    ----------
    quality : str
        good, fair, poor, or unknown where there is no figure.
    text : str
        One sentence.
    """

    quality: Quality
    text: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """
    Quality of a fused raster without a truth.

    Attributes
    ----------
    qnr, hqnr : float
        (1 - d_lambda) (1 - d_s), and (1 - d_lambda_k) (1 - d_s); 1 is best. NaN where no window
        holds enough data, as in scenes smaller than one.
    qnr_limit, hqnr_limit : float
        Both indices of a fused cube without any error: the noise of the HS image lowers them.
    d_lambda, d_lambda_k, d_s : float
        Spectral distortion of QNR and of HQNR, and spatial distortion; 0 is best
        (:mod:`hsfuse.core.distortion`).
    band_d_lambda, band_d_s : tuple of float
        The first and the last for each band of ``hs.band_name``.
    windows : int
        From which they were computed.
    hs, ms : Consistency
        Of D Z with the HS image, and of R Z with gain and offset with the MS image (the
        consistency of Wald, Ranchin and Mangolini 1997).
    noise_share : float
        Root mean square over bands of the difference from the HS image, in standard deviations of
        its noise.
    observed : str
        Where co-registration, PSF and response come from: the record of a run, or estimated.
    findings : tuple of Finding
        Of HS and MS consistency, QNR and HQNR.
    """

    qnr: float
    hqnr: float
    qnr_limit: float
    hqnr_limit: float
    d_lambda: float
    d_lambda_k: float
    d_s: float
    band_d_lambda: tuple[float, ...] = field(repr=False)
    band_d_s: tuple[float, ...] = field(repr=False)
    windows: int
    hs: Consistency
    ms: Consistency
    noise_share: float
    observed: str
    findings: tuple[Finding, ...] = ()

    def _repr_html_(self) -> str:
        """Return the findings as a notebook shows them."""
        return html_table(
            f"quality without a truth; PSF and response: {self.observed}",
            [(finding.quality, finding.text) for finding in self.findings],
        )


def consistency(moments: Moments, angle: Mean, names: tuple[str, ...], units: str) -> Consistency:
    """Return the figures that follow from sums."""
    error, square = moments.error, moments.truth_square
    return Consistency(
        rmse=moments.rmse(),
        relative=_root(error.sum(), square.sum()),
        sam=angle.value(),
        band_rmse=tuple(_root(value, moments.pixels) for value in error),
        band_relative=tuple(_root(*each) for each in zip(error, square, strict=True)),
        band_name=names,
        pixels=moments.pixels,
        units=units,
    )


def indices(distortion: Distortion) -> dict[str, float]:
    """Return qnr, hqnr, d_lambda, d_lambda_k and d_s."""
    spectral, spatial = (float(v.mean()) for v in (distortion.spectral(), distortion.spatial()))
    khan = distortion.khan()
    return {
        "qnr": (1 - spectral) * (1 - spatial),
        "hqnr": (1 - khan) * (1 - spatial),
        "d_lambda": spectral,
        "d_lambda_k": khan,
        "d_s": spatial,
    }


def band_noise_share(sums: Sums, noise: NDArray[np.float64]) -> float:
    """Return the root mean square over bands of the HS differences in standard deviations."""
    noisy = noise > 0
    if not noisy.any() or not sums.hs.pixels:
        return float("nan")
    power = sums.hs.error[noisy] / sums.hs.pixels
    return float(np.sqrt(power.sum() / (noise[noisy] ** 2).sum()))


def _root(part: float, whole: float) -> float:
    return math.sqrt(part / whole) if whole > 0 else float("nan")
