"""Interpretation of the figures of an assessment, and the limits it depends on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from hsfuse.assessment.figures import BandGroup, Consistency, Finding, Quality
from hsfuse.core.text import fixed, percent

__all__ = ["LIMITS", "ImagePair", "Limits", "findings_of"]


class Limits(NamedTuple):
    """
    Limits of a figure whose best value is zero.

    Attributes
    ----------
    good, fair : float
        Upper limits of a good and of a fair figure; a figure above both is poor.
    reason : str
        Justification of the limits.
    """

    good: float
    fair: float
    reason: str

    def quality(self, value: float) -> Quality:
        """Return the quality of a figure."""
        if math.isnan(value):
            return "unknown"
        return "good" if value <= self.good else "fair" if value <= self.fair else "poor"


#: Limits of each figure. Differences from an input are relative to its root mean square.
LIMITS = {
    "noise_share": Limits(
        1.5, 3.0, "standard deviations of the HS noise: 1 is the noise of the HS image itself"
    ),
    "relative": Limits(
        0.01,
        0.05,
        "5 % is the absolute radiometric accuracy that EnMAP and PRISMA specify; a fifth of it "
        "changes no conclusion",
    ),
    "distortion": Limits(
        0.05,
        0.15,
        "share of QNR and HQNR below what the noise of the HS image allows: on simulated pairs the "
        "reference falls short by at most 3 %, the interpolated HS image by 8 to 26 % where noise "
        "is not its larger error",
    ),
}


class ImagePair(NamedTuple):
    """
    What is known of the two images apart from the fused raster.

    Attributes
    ----------
    stated : bool
        Whether the spectral response is stated; False where it is estimated from the pair.
    curved : bool
        Whether MS bands follow the HS image along a curve (tone curve).
    correlation : float
        Smallest correlation of an MS band, on the HS grid, with the HS image seen through the SRF.
    """

    stated: bool = False
    curved: bool = False
    correlation: float = math.nan


def findings_of(
    figures: Mapping[str, float],
    hs: tuple[BandGroup, BandGroup | None],
    ms: Consistency,
    images: ImagePair = ImagePair(),  # noqa: B008 - it is immutable
) -> tuple[Finding, ...]:
    """
    Return the interpretation of HS consistency, MS consistency, HQNR and QNR, in this order.

    Parameters
    ----------
    figures : mapping
        Values of qnr, hqnr, qnr_limit, hqnr_limit, d_lambda, d_lambda_k and d_s.
    hs : tuple of BandGroup
        Consistency with the HS image in usable and in noisy bands, None without noisy ones.
    ms : Consistency
        Consistency with the MS image.
    images : ImagePair
        The two images.
    """
    spectra, detail = _hs_finding(*hs), _ms_finding(ms, images)
    hybrid = _index_finding(figures, "HQNR", "d_lambda_k")
    return (
        spectra,
        _with(detail, _disagreement(detail.quality, hybrid.quality)),
        _with(hybrid, _index_disagreement(spectra.quality, detail.quality, hybrid.quality)),
        _index_finding(figures, "QNR", "d_lambda"),
    )


def _with(finding: Finding, more: str) -> Finding:
    return Finding(finding.quality, f"{finding.text}. {more}") if more else finding


def _disagreement(values: Quality, structure: Quality) -> str:
    """Return why the MS consistency can be poor and HQNR good."""
    if (values, structure) != ("poor", "good"):
        return ""
    return "HQNR is good nevertheless: it compares contrast, not values"


def _index_disagreement(spectra: Quality, detail: Quality, index: Quality) -> str:
    """Return why HQNR can be poor where the consistency with both images is not."""
    if index != "poor" or "poor" in (spectra, detail) or "unknown" in (spectra, detail):
        return ""
    return (
        "Both consistencies are better, because they compare means over HS pixels and the MS "
        "bands alone, and HQNR the contrast of each fused band at both scales"
    )


def _hs_finding(usable: BandGroup, noisy: BandGroup | None) -> Finding:
    by_noise = LIMITS["noise_share"].quality(usable.noise_share)
    by_size = LIMITS["relative"].quality(usable.relative)
    # The noise share is meaningless for noise-free data, the relative difference for noisy data.
    order: tuple[Quality, ...] = ("good", "fair", "poor", "unknown")
    quality = min(by_noise, by_size, key=order.index)
    difference = f"differs from the HS image by {_with_noise(usable, ' of that image')}"
    if noisy is not None:
        difference += (
            f", in {usable.bands} bands; in the {noisy.bands} much noisier ones, which do not "
            f"count here, by {_with_noise(noisy)}"
        )
    meaning = {
        "good": "the spectra of the HS image are kept",
        "fair": "the spectra differ from the HS image by more than its noise",
        "poor": "the spectra differ from the HS image",
        "unknown": "no figure",
    }
    return Finding(quality, f"{meaning[quality]}: degraded by the PSF, the output {difference}")


def _with_noise(group: BandGroup, whose: str = "") -> str:
    text = percent(group.relative)
    if math.isnan(group.noise_share):
        return text
    return f"{text}, {fixed(group.noise_share, 1)} times the noise{whose}"


def _ms_finding(ms: Consistency, images: ImagePair) -> Finding:
    quality = LIMITS["relative"].quality(ms.relative)
    worst = max(range(len(ms.band_relative)), key=lambda band: ms.band_relative[band])
    meaning = {
        "good": "the values of the MS image, and so its detail, are kept",
        "fair": "the values of the MS image are nearly kept",
        "poor": "the values of the MS image are not kept",
        "unknown": "no figure",
    }
    text = (
        f"{meaning[quality]}: seen through the SRF, the output differs from the MS image by "
        f"{percent(ms.relative)}, most in {ms.band_label[worst]} by "
        f"{percent(ms.band_relative[worst])}"
    )
    return Finding(quality, f"{text}{_ms_causes(images) if quality == 'poor' else ''}")


def _ms_causes(images: ImagePair) -> str:
    """Return possible causes of a poor MS consistency, as far as is known, and advice."""
    if images.curved:
        advice = "; the MS image has a tone curve: fuse the linear image if there is one"
    elif images.stated:
        advice = (
            "; most often by changes between the dates, shadow or viewing angle: mask what "
            "changed, and compare the processing levels"
        )
    else:
        advice = (
            "; the spectral response is estimated: name the sensor by `--rgb-sensor`, and mask "
            "what changed between the dates"
        )
    if math.isnan(images.correlation):
        return advice
    return f"; before any fusion, both images correlate by {images.correlation:.3f}{advice}"


_INDEXES = {
    "HQNR": "hybrid quality with no reference: contrast of each band at both scales; 1 is best",
    "QNR": "quality with no reference: likeness of the bands to each other; 1 is best",
}


def _index_finding(figures: Mapping[str, float], index: str, spectral: str) -> Finding:
    value = figures[index.lower()]
    if math.isnan(value):
        return Finding("unknown", f"{index}: no window of 8 x 8 HS pixels holds enough data")
    limit = figures[f"{index.lower()}_limit"]
    quality = LIMITS["distortion"].quality(1 - value / limit if limit > 0 else math.nan)
    larger = "spatial" if figures["d_s"] >= figures[spectral] else "spectral"
    cause = "" if quality == "good" else f", mostly by {larger} distortion"
    return Finding(
        quality,
        f"{index} ({_INDEXES[index]}) {value:.3f}, where the noise of the HS image "
        f"allows at most {limit:.3f}{cause}: "
        f"spectral distortion {figures[spectral]:.3f}, spatial distortion {figures['d_s']:.3f}",
    )
