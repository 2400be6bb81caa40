"""Curves of the spectral response of the MS bands, as quicklook and page draw them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.colours import band_hues
from hsfuse.io.input.labels import raster_band_labels
from hsfuse.pair.geometry import Pair
from hsfuse.pair.radiometry import Radiometry
from hsfuse.sensor.response import response_levels

__all__ = ["Curve", "SpectralAxis", "ms_centres", "spectral_axis", "srf_curves"]

# Responses below this share of their maximum are not drawn.
_LEAST = 0.003
_MOST_BANDS = 12


class SpectralAxis(NamedTuple):
    """
    Positions of the HS bands along the spectral axis.

    Attributes
    ----------
    place : ndarray of shape (bands,)
        Wavelengths in nanometres, or band numbers from 1 where one is unknown.
    nanometres : bool
        Whether these are wavelengths.
    """

    place: NDArray[np.float64]
    nanometres: bool


class Curve(NamedTuple):
    """
    A curve to draw.

    Attributes
    ----------
    name : str
        Label of the MS band.
    weights : bool
        Whether it has the weights of the HS bands that the fusion uses, beside an estimated
        response; they are no response.
    hue : int
        Hue of the MS band in degrees.
    place, share : ndarray of shape (points,)
        Positions on the spectral axis, increasing, and shares of the maximum.
    """

    name: str
    weights: bool
    hue: int
    place: NDArray[np.float64]
    share: NDArray[np.float64]


def spectral_axis(pair: Pair) -> SpectralAxis:
    """Return the spectral axis of a pair."""
    wavelength = pair.hs["wavelength"].values.astype(np.float64)
    if np.isfinite(wavelength).all():
        return SpectralAxis(wavelength, nanometres=True)
    return SpectralAxis(np.arange(1.0, len(wavelength) + 1), nanometres=False)


def ms_centres(pair: Pair, radiometry: Radiometry) -> NDArray[np.float64]:
    """Return the positions of the MS bands on that axis: stated, estimated, or means of the SRF."""
    axis, estimate = spectral_axis(pair), radiometry.estimate
    if estimate is not None and estimate.nanometres == axis.nanometres:
        return estimate.centre
    response = radiometry.response
    means = (response @ axis.place) / np.maximum(response.sum(axis=1), 1e-12)
    if not axis.nanometres:
        return means
    stated = pair.rgb["wavelength"].values.astype(np.float64)
    return np.where(np.isfinite(stated), stated, means)


def srf_curves(pair: Pair, radiometry: Radiometry) -> list[Curve]:
    """
    Return the curves of the first MS bands in spectral order: responses, then weights as used.

    They are drawn at the good HS bands, from the one before to the one after those that respond. R
    includes the spectral width of each HS band, which is less where detectors overlap; the
    response does not.

    Parameters
    ----------
    pair : Pair
        The pair.
    radiometry : Radiometry
        Its R, and the estimate of the response where none is stated.
    """
    axis, estimate, good = spectral_axis(pair), radiometry.estimate, radiometry.good
    bands = np.flatnonzero(good)[np.argsort(axis.place[good], kind="stable")]
    names = raster_band_labels(pair.rgb)
    centres = ms_centres(pair, radiometry)
    hues = band_hues(names, centres if axis.nanometres else np.full(len(names), np.nan))
    place, used = axis.place[bands], radiometry.response[:, bands]
    responses = used if estimate is None else estimate.response[:, bands]
    kinds = [(False, response_levels(responses, place))]
    if estimate is not None:
        kinds.append((True, used / np.maximum(used.max(axis=1, keepdims=True), 1e-300)))
    return [
        Curve(names[band], weights, hues[band], place[part], shares[band, part])
        for weights, shares in kinds
        for band in np.argsort(centres, kind="stable")[:_MOST_BANDS]
        for part in _drawn(shares[band])
    ]


def _drawn(share: NDArray[np.float64]) -> list[slice]:
    """Return the part of a curve that is drawn; nothing where there is no response."""
    responsive = np.flatnonzero(share > _LEAST)
    return [slice(max(responsive[0] - 1, 0), responsive[-1] + 2)] if responsive.size else []
