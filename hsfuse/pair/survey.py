"""
A sample of the pair of bounded size, from which everything scene-wide is learned.

A scene may be larger than memory; its mean, subspace, regressions and radiometry
do not need every pixel. The survey reads a few windows spread evenly over the
scene, or the whole of a small one, always the same for the same pair. The windows of the MS
image are smaller than those of the HS image where an HS pixel spans many MS pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.noise import (
    band_noise,
    lag_one_autocorrelation,
    neighbour_weights,
    pixel_noise,
)
from hsfuse.core.psf import PSF
from hsfuse.observe import Degrade
from hsfuse.pair.checks import check_survey
from hsfuse.pair.patch import Patch
from hsfuse.pair.pixels import PixelCache

if TYPE_CHECKING:
    from hsfuse.pair.geometry import Pair
    from hsfuse.pair.radiometry import Radiometry

__all__ = ["FINE_VALUES", "Survey", "brightness", "survey_pair"]

# Values of the MS image in all windows, halos included: with four bands 1620 pixels along each
# axis, which at ratio 8 are three windows of 64 HS pixels. They take 42 MB.
FINE_VALUES = 4 * 1620**2


@dataclass(frozen=True, slots=True)
class _Settings:
    """Of the surveyed windows, and of what is estimated of bands and noise."""

    # Windows along each axis and HS pixels a side of a window. Nine windows of 64 hold 37 thousand
    # spectra: they fix a mean and a covariance of some hundred bands to a fraction of the noise,
    # in 60 MB at 400 bands. A scene up to twice a window's side is read whole.
    windows: int = 3
    side: int = 64
    # Least HS pixels a side of a window of the MS image, however many MS pixels they are: a
    # reduced-resolution test needs twelve.
    least_side: int = 16
    # Spectra from which bands and noise are estimated: all of nine windows.
    most_spectra: int = 40_000
    # Noise over a band's standard deviation above which it is bad. On twelve real scenes every
    # band of a water-vapour window lies above, and of some 2500 others eight that look like noise.
    most_noise: float = 0.7
    # Lag-one autocorrelation of a noise-free residual of a band; and the least share of a
    # residual's power that counts as noise.
    signal_autocorrelation: float = 0.5
    least_white: float = 0.01
    # Share of an HS pixel's PSF that has to lie on MS pixels with data: less than half of what it
    # shows is known below.
    least_psf: float = 0.5
    # Quantile of the HS values that is the scene's brightness: above it are glints.
    bright: float = 0.999


_SETTINGS = _Settings()


@dataclass(frozen=True)
class Survey:
    """
    The surveyed windows of a pair and what is known of its two sensors.

    Attributes
    ----------
    patches : tuple of Patch
        The windows.
    psf : PSF
        Of the HS sensor, in HS pixels.
    marked : ndarray of shape (bands,), bool
        False for bands that the file or the sensor calls bad.
    wavelength : ndarray of shape (bands,)
        Centres of the HS bands in nanometres, NaN where unknown.
    response : ndarray of shape (MS bands, bands) or None
        R from two sensor definitions; None where it has to be estimated.
    scene : tuple of int or None
        Rows and columns of the whole HS image; None where the one patch is all of it.
    denoised : ndarray of shape (bands,), bool, or None
        Noisy bands whose values in the patches follow by regression on the good ones; they are
        marked bad (:mod:`hsfuse.methods.denoising`). None where there are none.
    windows : tuple of ndarray of shape (bands, rows, columns)
        The HS image in the windows from which bands, subspace and noise are learned; empty where
        they are those of the patches.
    """

    patches: tuple[Patch, ...]
    psf: PSF
    marked: NDArray[np.bool_]
    wavelength: NDArray[np.float64]
    response: NDArray[np.float64] | None = None
    scene: tuple[int, int] | None = None
    denoised: NDArray[np.bool_] | None = None
    windows: tuple[NDArray[np.float32], ...] = ()

    @property
    def images(self) -> tuple[NDArray[np.float32], ...]:
        """The HS image in all windows, those without MS pixels included."""
        return self.windows or tuple(patch.coarse for patch in self.patches)

    @property
    def coarse_shape(self) -> tuple[int, int]:
        """Rows and columns of the whole HS image."""
        return self.scene or self.patches[0].geometry.coarse_shape

    @property
    def ratio(self) -> tuple[float, float]:
        """Fine pixels per HS pixel along y and x."""
        geometry = self.patches[0].geometry
        return geometry.y.ratio, geometry.x.ratio

    @cached_property
    def good(self) -> NDArray[np.bool_]:
        """
        Bands that carry a spectrum, shape (bands,): marked good, with data, and not noise.

        Whatever a file says, a band without data anywhere in the survey is bad, and so is one
        that its neighbours explain less than its own noise does.
        """
        usable = self._usable
        known = self._spectra(usable)[usable].astype(np.float64)
        clear = usable.copy()
        clear[usable] = band_noise(known) <= _SETTINGS.most_noise * known.std(axis=1)
        return clear if clear.sum() > 1 else usable

    @cached_property
    def _usable(self) -> NDArray[np.bool_]:
        """Bands that are marked good and hold data."""
        data = np.zeros(self.marked.size, dtype=bool)
        for image in self.images:
            data |= np.isfinite(image).any(axis=(1, 2))
        both = self.marked & data
        return both if both.any() else data

    def valid(self, patch: Patch) -> NDArray[np.bool_]:
        """Return where every good HS band of a patch has data, shape (rows, columns)."""
        return np.asarray(np.isfinite(patch.coarse[self.good]).all(axis=0))

    @cached_property
    def spectra(self) -> NDArray[np.float32]:
        """The surveyed spectra with data in all good bands, shape (bands, pixels)."""
        return self._spectra(self.good)

    def _spectra(self, bands: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the spectra with data in some bands; of very many, every second or so."""
        known = [np.isfinite(image[bands]).all(axis=0) for image in self.images]
        every = -(-sum(int(where.sum()) for where in known) // _SETTINGS.most_spectra)
        return np.concatenate(
            [
                image[:, where][:, :: max(every, 1)]
                for image, where in zip(self.images, known, strict=True)
            ],
            axis=1,
        )

    @cached_property
    def noise(self) -> NDArray[np.float64]:
        """
        Standard deviation of each HS band's noise, zero for bands not good, shape (bands,).

        Of what a band's neighbours do not explain, the part that is unlike from pixel to pixel.
        """
        good = self.good
        within = self.spectra[good].astype(np.float64)
        own = np.eye(len(within)) - neighbour_weights(within)
        mean = within.mean(axis=1)[:, None, None]
        rest = (np.tensordot(own, image[good] - mean, axes=1) for image in self.images)
        white = np.clip(
            1 - lag_one_autocorrelation(rest) / _SETTINGS.signal_autocorrelation,
            _SETTINGS.least_white,
            1,
        )
        noise = np.zeros(good.size)
        noise[good] = band_noise(within) * np.sqrt(white)
        return noise

    @cached_property
    def brightness(self) -> float:
        """The scene's unit for networks: its brightest thousandth of HS values starts here."""
        return brightness(self.spectra[self.good])

    @cached_property
    def fine_noise(self) -> NDArray[np.float64]:
        """Standard deviation of the noise of each MS band's pixels, shape (MS bands,)."""
        power = [np.square(pixel_noise(patch.fine)) for patch in self.patches]
        deviation: NDArray[np.float64] = np.sqrt(np.mean(power, axis=0))
        return deviation

    def degraded(self, patch: Patch) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """
        Return the MS bands as the HS sensor would see them, and where that holds.

        Returns
        -------
        tuple of ndarray
            D(Y) of shape (MS bands, rows, columns), and a mask of shape (rows, columns):
            true where every good HS band has data and the PSF lies mostly on fine data.
        """
        index = next((i for i, known in enumerate(self.patches) if known is patch), None)
        if index is None:
            seen, covered = _degrade(patch, self.psf)
        else:
            if index not in self._seen:
                self._seen[index] = _degrade(patch, self.psf)
            seen, covered = self._seen[index]
        return seen, covered & self.valid(patch)

    @cached_property
    def _seen(self) -> dict[int, tuple[NDArray[np.float64], NDArray[np.bool_]]]:
        """D(Y) of the patches that were asked for, and where the PSF lies mostly on fine data."""
        return {}

    def sample(self, most: int, pixels: int) -> list[Patch]:
        """
        Return some of the patches with MS data, spread over the survey, each cut to its middle.

        Parameters
        ----------
        most : int
            Patches at most.
        pixels : int
            MS pixels of all of them together, about.
        """
        known = [p for p in self.patches if np.isfinite(p.fine).all(axis=0).any()]
        places = np.linspace(0, len(known) - 1, min(most, len(known))).round().astype(int)
        some = [known[place] for place in places]
        return [patch.middle(self.psf, pixels / len(some)) for patch in some]

    @cached_property
    def radiometry(self) -> Radiometry:
        """Response, gain and offset between the two sensors."""
        from hsfuse.pair.radiometry import measure_radiometry  # which takes a survey

        return measure_radiometry(self)

    def with_response(self) -> Survey:
        """
        Return the survey with the response of its radiometry.

        What was measured stays: noise, D(Y) and radiometry depend on the patches.
        """
        found = replace(self, response=self.radiometry.response)
        own = {each.name for each in fields(self)}
        found.__dict__.update({k: v for k, v in self.__dict__.items() if k not in own})
        return found


def _degrade(patch: Patch, psf: PSF) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return D(Y) of a patch, and where more than half of the PSF lies on fine data."""
    operator = Degrade.between(patch.geometry, psf, dtype=torch.float64)
    fine = torch.from_numpy(patch.fine.astype(np.float64))
    seen, share = operator.forward_masked(fine, torch.isfinite(fine).all(dim=0))
    return seen.numpy(), share.numpy() > _SETTINGS.least_psf


def brightness(spectra: NDArray[np.float32]) -> float:
    """Return the value above which the brightest thousandth of finite values lies."""
    return max(float(np.quantile(spectra[np.isfinite(spectra)], _SETTINGS.bright)), 1e-12)


def survey_pair(
    pair: Pair,
    windows: int = _SETTINGS.windows,
    *,
    halo: float = 0.0,
    fine_values: int = FINE_VALUES,
    cache: PixelCache | None = None,
) -> Survey:
    """
    Return the survey of a pair: the only pixels that are read before the run.

    Parameters
    ----------
    pair : Pair
    windows : int
        How many along each axis of a scene that is larger than these together.
    halo : float
        HS pixels about a window from which fine pixels are taken, at least the PSF's reach.
    fine_values : int
        Values of the MS image in all windows, about.
    cache : PixelCache, optional
        What was read of the two rasters before, to which this adds.

    Raises
    ------
    PairError
        If no pixel holds data in both rasters, or values are too large for float32.
    """
    cache = cache or PixelCache()
    reach = max(pair.psf.reach[0], halo), max(pair.psf.reach[1], halo)
    along_axis = math.sqrt(fine_values / max(pair.rgb.sizes["band"], 4))
    axes = pair.geometry.y, pair.geometry.x
    rows, columns = (
        _spread(axis.coarse, _SETTINGS.side, _count(axis, around, windows, along_axis))
        for axis, around in zip(axes, reach, strict=True)
    )
    images = tuple(cache.read("hs", pair.hs, down, across) for down in rows for across in columns)
    fine_rows, fine_columns = (
        _spread(axis.coarse, _fine_side(axis, around, along_axis), len(spans))
        for axis, around, spans in zip(axes, reach, (rows, columns), strict=True)
    )
    patches = tuple(
        _read_patch(pair, down, across, reach, cache)
        for down in fine_rows
        for across in fine_columns
    )
    survey = Survey(
        patches,
        pair.psf,
        np.asarray(pair.hs["good"].values, dtype=bool),
        np.asarray(pair.hs["wavelength"].values, dtype=np.float64),
        pair.response,
        pair.geometry.coarse_shape,
        windows=() if (rows, columns) == (fine_rows, fine_columns) else images,
    )
    check_survey(pair, survey)
    return survey


def _spread(length: int, side: int, count: int) -> list[Span]:
    """Return spans spread evenly over an axis; the whole axis where two would fill it."""
    if length <= 2 * side:
        return [Span(0, length)]
    count = max(count, _SETTINGS.windows)
    starts = np.linspace(0, length - side, count).round().astype(int)
    return [Span(int(start), int(start) + side) for start in starts]


def _fine_side(axis: Axis, reach: float, along_axis: float) -> int:
    """Return the HS pixels a side of a window of the MS image, of ``along_axis`` MS pixels."""
    side = int(along_axis / (_SETTINGS.windows * axis.ratio) - 2 * reach)
    return min(max(side, _SETTINGS.least_side), _SETTINGS.side)


def _count(axis: Axis, reach: float, windows: int, along_axis: float) -> int:
    """Return the number of windows along an axis, of which ``along_axis`` MS pixels allow some."""
    window = (_fine_side(axis, reach, along_axis) + 2 * reach) * axis.ratio
    return min(windows, axis.coarse // _SETTINGS.side, int(along_axis / window))


def _read_patch(
    pair: Pair, rows: Span, columns: Span, reach: tuple[float, float], cache: PixelCache
) -> Patch:
    geometry = pair.fine_geometry
    fine_rows = geometry.y.fine_span(rows, reach[0])
    fine_columns = geometry.x.fine_span(columns, reach[1])
    return Patch(
        cache.read("hs", pair.hs, rows, columns),
        cache.read("fine", pair.fine, fine_rows, fine_columns),
        Geometry(geometry.y.cut(fine_rows, rows), geometry.x.cut(fine_columns, columns)),
        (rows.start, columns.start),
    )
