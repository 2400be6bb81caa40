"""The figures of an assessment and their interpretation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsfuse.assessment.text import describe_assessment, describe_origin
from hsfuse.core.distortion import Distortion
from hsfuse.core.tally import Mean, Moments
from hsfuse.core.text import html_table
from hsfuse.errors import as_arguments

__all__ = [
    "Assessment",
    "BandGroup",
    "Consistency",
    "Finding",
    "Quality",
    "consistency",
    "indices",
    "usable_bands",
]

# Largest noise of a usable band, relative to its contrast; and to the median band where that is
# more, since all bands of an image may be noisy.
_USABLE_NOISE = 0.1
_TIMES_MEDIAN = 3.0

Quality = Literal["good", "fair", "poor", "unknown"]


@dataclass(frozen=True, slots=True)
class Consistency:
    """
    Difference between a fused cube degraded to a sensor and the image of that sensor.

    Attributes
    ----------
    rmse : float
        Root mean squared difference over all values, in ``units``.
    relative : float
        ``rmse`` divided by the root mean square of the image.
    sam : float
        Mean spectral angle over the pixels, in degrees.
    band_rmse, band_relative : tuple of float
        ``rmse`` and ``relative`` of each band.
    band_name : tuple of str
        Names of these bands.
    band_label : tuple of str
        Their numbers in the image, with name and wavelength, for messages.
    pixels : int
        Number of pixels compared.
    units : str
        Units of the image; empty if unknown.
    """

    rmse: float
    relative: float
    sam: float
    band_rmse: tuple[float, ...] = field(repr=False)
    band_relative: tuple[float, ...] = field(repr=False)
    band_name: tuple[str, ...] = field(repr=False)
    band_label: tuple[str, ...] = field(repr=False)
    pixels: int
    units: str


class BandNames(NamedTuple):
    """Names of the compared bands, and their labels in messages."""

    names: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Interpretation of a figure.

    Attributes
    ----------
    quality : str
        "good", "fair", "poor", or "unknown" if the figure could not be computed.
    text : str
        One sentence for the reader.
    """

    quality: Quality
    text: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """
    Quality of a fused raster without a reference.

    Attributes
    ----------
    qnr, hqnr : float
        (1 - d_lambda) (1 - d_s), and (1 - d_lambda_k) (1 - d_s); 1 is best. NaN if no window
        contains enough data, for example in scenes smaller than a window.
    qnr_limit, hqnr_limit : float
        Values of both indices for a fused cube without error: below 1, because noise of the HS
        image lowers them.
    d_lambda, d_lambda_k, d_s : float
        Spectral distortion of QNR, spectral distortion of HQNR, and spatial distortion; 0 is best
        (:mod:`hsfuse.core.distortion`).
    band_d_lambda, band_d_s : tuple of float
        ``d_lambda`` and ``d_s`` of each band of ``hs.band_name``.
    windows : int
        Number of windows from which the distortions were computed.
    hs, ms : Consistency
        Consistency of D Z with the HS image, and of R Z, with gain and offset, with the MS image
        (the consistency property of Wald, Ranchin and Mangolini 1997).
    usable, noisy : BandGroup
        Difference from the HS image in the bands on which its interpretation depends, and in those
        that are much noisier (:func:`usable_bands`), None where there are none.
    observed : str
        Source of co-registration, PSF and spectral response: the record of a run, or estimation.
    findings : tuple of Finding
        Interpretation of HS consistency, MS consistency, HQNR and QNR.
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
    usable: BandGroup
    noisy: BandGroup | None
    observed: str
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        """Return the findings and figures, as the command prints them."""
        return as_arguments(describe_assessment(self))

    def _repr_html_(self) -> str:
        """Return the findings as HTML for notebooks."""
        return html_table(
            f"quality without a reference; PSF and response {describe_origin(self)}",
            [(finding.quality, as_arguments(finding.text)) for finding in self.findings],
        )


def consistency(moments: Moments, angle: Mean, bands: BandNames, units: str) -> Consistency:
    """Return the consistency figures computed from accumulated moments."""
    error, square = moments.error, moments.truth_square
    return Consistency(
        rmse=moments.rmse(),
        relative=_root(error.sum(), square.sum()),
        sam=angle.value(),
        band_rmse=tuple(_root(value, moments.pixels) for value in error),
        band_relative=tuple(_root(*sums) for sums in zip(error, square, strict=True)),
        band_name=bands.names,
        band_label=bands.labels,
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


@dataclass(frozen=True, slots=True)
class BandGroup:
    """
    Difference from the HS image in some of its bands.

    Attributes
    ----------
    bands : int
        Number of bands.
    relative : float
        Root mean square of the difference, relative to that of the image.
    noise_share : float
        Root mean square of the difference, in standard deviations of the noise; NaN without noise.
    """

    bands: int
    relative: float
    noise_share: float

    @classmethod
    def of(
        cls, moments: Moments, noise: NDArray[np.float64], chosen: NDArray[np.bool_]
    ) -> BandGroup:
        """Return the figures of the chosen bands."""
        power = (noise[chosen] ** 2).sum() * moments.pixels
        error = moments.error[chosen]
        return cls(
            int(chosen.sum()),
            _root(error.sum(), moments.truth_square[chosen].sum()),
            _root(error[noise[chosen] > 0].sum(), power),
        )


def usable_bands(moments: Moments, noise: NDArray[np.float64]) -> NDArray[np.bool_]:
    """
    Return the mask of bands that are not much noisier than the others, relative to their contrast.

    Sums over bands are otherwise those of a few noisy bands, as in water vapour absorption: their
    difference from the HS image is their noise, so that it hides that of the other bands.

    Parameters
    ----------
    moments : Moments
        Moments of the HS image and of its estimate.
    noise : ndarray of shape (bands,)
        Standard deviation of the noise of the HS image.
    """
    pixels = max(moments.pixels, 1)
    variance = moments.truth_square / pixels - (moments.truth / pixels) ** 2
    contrast = np.sqrt(np.maximum(variance, 0))
    share = np.divide(noise, contrast, out=np.full(len(noise), np.inf), where=contrast > 0)
    usable = share <= max(_USABLE_NOISE, _TIMES_MEDIAN * float(np.median(share)))
    return usable if usable.any() else np.ones(len(noise), dtype=bool)


def _root(part: float, whole: float) -> float:
    return math.sqrt(part / whole) if whole > 0 else float("nan")
