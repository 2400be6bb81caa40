"""
Detection of undeclared fill: a number or a spectrum in pixels without a measurement.

Measurements differ between pixels and are in one range. Fill is exactly equal in many adjacent
pixels, and is outside that range or has an abrupt edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label

__all__ = ["Fill", "MeasuredRange", "find_fills", "find_unexpected", "range_of", "without_fills"]

Cube = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Criteria that distinguish fill from measurements."""

    # Largest number of fills of one image: no data, and saturation or background.
    maximum_fills: int = 4
    # Number of bands above which two pixels are not equal by chance.
    colour_bands: int = 16
    # Smallest number of equal values, or of equal adjacent pixels; and of adjacent pixels of colour
    # images, in which a roof or a shadow has some equal pixels.
    fewest: int = 4
    fewest_of_colours: int = 64
    # Distance of a number from all other values, relative to their range.
    distance: float = 0.5
    # Smallest number of distinct other values: masks and class maps have fewer.
    fewest_values: int = 16
    # Number of values among which these are counted, to limit sorting.
    counted_values: int = 100_000
    # Smallest share of distinct spectra among the other pixels of a window.
    distinct: float = 0.9
    # Distance of the pixels adjacent to a fill from it, relative to the usual distance: the edges
    # of shadows and glints are gradual.
    abrupt: float = 0.5


_SETTINGS = _Settings()
# Pixels are adjacent at an edge or a corner, so that a slanted line is one region.
_TOUCHING = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class Fill:
    """
    An undeclared fill.

    Attributes
    ----------
    spectrum : tuple of float
        Value in each band; NaN in bands that have no other value.
    alone : bool
        Whether the value is fill also in single bands, not only in all bands.
    share : float
        Share of the sampled pixels, or of the values for fill in single bands.
    """

    spectrum: tuple[float, ...]
    alone: bool
    share: float

    def within(self, cube: Cube) -> Mask:
        """Return the mask of a cube (bands, rows, columns) where it has this fill, same shape."""
        spectrum = np.array(self.spectrum, dtype=np.float32)[:, None, None]
        same = cube == spectrum
        if self.alone:
            return np.asarray(same)
        whole = (same | np.isnan(spectrum)).all(axis=0)
        return np.broadcast_to(whole, cube.shape)

    def masked(self, cube: Cube) -> Cube:
        """Return a cube (bands, rows, columns) with NaN at this fill."""
        return np.where(self.within(cube), np.float32(np.nan), cube)

    @property
    def number(self) -> float | None:
        """The value, if it is the same in all bands."""
        values = {value for value in self.spectrum if not np.isnan(value)}
        return values.pop() if len(values) == 1 else None


@dataclass(frozen=True, eq=False)
class MeasuredRange:
    """
    The range of the measured values of an image.

    Attributes
    ----------
    low, high : ndarray of shape (bands,)
        Smallest and largest value; NaN for bands without data.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @property
    def lowest(self) -> float:
        """Limit below which no value is a measurement."""
        low, high = np.fmin.reduce(self.low), np.fmax.reduce(self.high)
        return float(low - _SETTINGS.distance * (high - low))

    @property
    def highest(self) -> float:
        """Limit above which no value is a measurement."""
        low, high = np.fmin.reduce(self.low), np.fmax.reduce(self.high)
        return float(high + _SETTINGS.distance * (high - low))

    def beyond(self, cube: Cube) -> Mask:
        """
        Return the mask (rows, columns) of pixels of a cube (bands, rows, columns) that may be fill.

        In these pixels a value is far outside the measured range, or all bands are outside at the
        same end, or all bands are equal. The mask includes all fills that :func:`find_fills`
        detects in an image with this range, and may include measured pixels.
        """
        used = np.flatnonzero(np.isfinite(self.low))
        if not used.size:
            return np.zeros(cube.shape[1:], dtype=np.bool_)
        far = np.fmin.reduce(cube, axis=0) < self.lowest
        far |= np.fmax.reduce(cube, axis=0) > self.highest
        far |= _in_all(used, lambda band: cube[band] <= self.low[band])
        far |= _in_all(used, lambda band: cube[band] >= self.high[band])
        if len(cube) > _SETTINGS.colour_bands:
            far |= _in_all(used, lambda band: cube[band] == cube[used[0]])
        return np.asarray(far)

    def distance(self, spectra: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the largest distance from the range (pixels,) of each spectrum (bands, pixels)."""
        low, high = (np.where(np.isnan(end), 0, end)[:, None] for end in (self.low, self.high))
        outside = np.fmax(low - spectra, spectra - high)
        return np.asarray(np.fmax.reduce(outside, axis=0), dtype=np.float64)


def _in_all(bands: NDArray[np.intp], mask: Callable[[int], Mask]) -> Mask:
    """Return the conjunction of the masks of all bands."""
    conjunction = mask(int(bands[0]))
    for band in bands[1:]:
        if not conjunction.any():
            break
        conjunction = conjunction & mask(int(band))
    return conjunction


def without_fills(cube: Cube, fills: Iterable[Fill]) -> Cube:
    """Return a cube (bands, rows, columns) with NaN at the fills."""
    for fill in fills:
        cube = fill.masked(cube)
    return cube


def range_of(patches: Sequence[Cube]) -> MeasuredRange:
    """Return the range of the finite values of windows (bands, rows, columns)."""
    patches = [_finite(patch) for patch in patches]
    low = np.fmin.reduce([np.fmin.reduce(patch, axis=(1, 2)) for patch in patches])
    high = np.fmax.reduce([np.fmax.reduce(patch, axis=(1, 2)) for patch in patches])
    return MeasuredRange(low, high)


def _finite(patch: Cube) -> Cube:
    """Return a window with infinite values replaced by NaN."""
    infinite = np.isinf(patch)
    return np.where(infinite, np.float32(np.nan), patch) if infinite.any() else patch


def find_fills(patches: Sequence[Cube]) -> list[Fill]:
    """
    Detect the fills of an image in windows of it.

    Parameters
    ----------
    patches : sequence of ndarray of shape (bands, rows, columns)
        Windows, NaN for known no data.

    Returns
    -------
    list of Fill
        Empty where the whole image is constant.
    """
    patches = [_finite(patch) for patch in patches]
    fills: list[Fill] = []
    while len(fills) < _SETTINGS.maximum_fills:
        fill = _extreme_number(patches) or _repeated_spectrum(patches)
        if fill is None:
            break
        fills.append(fill)
        patches = [fill.masked(patch) for patch in patches]
    return fills


def find_unexpected(cube: Cube, measured: MeasuredRange) -> list[float | None]:
    """
    Return the values of fills in a part of an image that were not detected in a sample.

    Parameters
    ----------
    cube : ndarray of shape (bands, rows, columns)
        The part, NaN for known no data.
    measured : MeasuredRange
        Range of the sample without its fills.

    Returns
    -------
    list of float or None
        The value of each fill; None for a spectrum that differs between bands. Where values far
        below the sample are not equal, as after resampling, the lowest.
    """
    candidates = measured.beyond(cube)
    if np.count_nonzero(candidates) < _SETTINGS.fewest:
        return []
    spectra = cube[:, np.isfinite(cube).any(axis=0)]
    whole = bool((spectra == spectra[:, :1]).all()) and spectra.shape[1] == cube[0].size
    if whole:  # there are no other values for a comparison
        spectrum = set(spectra[:, 0].tolist())
        return [spectrum.pop() if len(spectrum) == 1 else None]
    fills = [
        fill for fill in find_fills([cube]) if (fill.within(cube).any(axis=0) & candidates).any()
    ]
    remaining = without_fills(cube, fills)
    below = remaining[remaining < measured.lowest]
    numbers = [fill.number for fill in fills]
    return [*numbers, float(below.min())] if below.size >= _SETTINGS.fewest else numbers


def _extreme_number(patches: Sequence[Cube]) -> Fill | None:
    """Return the fill of a number that many values have, far outside the range of the others."""
    bands = len(patches[0])
    for sign in (1, -1):
        end = np.fmin if sign > 0 else np.fmax
        number = end.reduce([end.reduce(patch, axis=None) for patch in patches])
        if np.isnan(number) or number == 0 or (bands <= _SETTINGS.colour_bands and number > 0):
            continue
        count = sum(int(np.count_nonzero(patch == number)) for patch in patches)
        if count < _SETTINGS.fewest:
            continue
        others = [patch[np.isfinite(patch) & (patch != number)] for patch in patches]
        size = sum(values.size for values in others)
        if not size:
            continue
        low = min(float(values.min(initial=np.inf)) for values in others)
        high = max(float(values.max(initial=-np.inf)) for values in others)
        gap = low - number if sign > 0 else number - high
        if gap > _SETTINGS.distance * (high - low) > 0:
            counted = np.concatenate(others)[: _SETTINGS.counted_values]
            if np.unique(counted).size >= _SETTINGS.fewest_values:
                return Fill((float(number),) * bands, True, count / (count + size))
    return None


def _repeated_spectrum(patches: Sequence[Cube]) -> Fill | None:
    """Return the fill of a spectrum that many adjacent pixels share."""
    bands = len(patches[0])
    used = np.any([np.isfinite(patch).any(axis=(1, 2)) for patch in patches], axis=0)
    if not used.any() or not any(_repeats(patch, np.flatnonzero(used)) for patch in patches):
        return None
    valid = [np.isfinite(patch[used]).all(axis=0) for patch in patches]
    spectra = np.concatenate(
        [patch[used][:, mask] for patch, mask in zip(patches, valid, strict=True)], axis=1
    )
    if spectra.shape[1] < 2 * _SETTINGS.fewest:
        return None
    codes = _codes(spectra)
    _, first, counts = np.unique(codes, return_index=True, return_counts=True)
    for place in np.argsort(-counts, kind="stable")[: _SETTINGS.maximum_fills]:
        if counts[place] < _SETTINGS.fewest:
            break
        spectrum = spectra[:, first[place]]
        others = spectra[:, codes != codes[first[place]]]
        masks = [(patch[used] == spectrum[:, None, None]).all(axis=0) for patch in patches]
        if others.size and _is_fill(spectrum, others, masks, [p[used] for p in patches]):
            whole = np.full(bands, np.nan)
            whole[used] = spectrum
            share = float(counts[place] / spectra.shape[1])
            return Fill(tuple(whole.tolist()), False, share)
    return None


def _repeats(patch: Cube, bands: NDArray[np.intp]) -> bool:
    """Return whether any pixel equals the next pixel to the right or below in all bands."""
    horizontal = _in_all(bands, lambda band: patch[band, :, 1:] == patch[band, :, :-1])
    return bool(
        horizontal.any() or _in_all(bands, lambda band: patch[band, 1:] == patch[band, :-1]).any()
    )


def _codes(spectra: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return a hash (pixels,) of each spectrum (bands, pixels)."""
    draw = np.random.default_rng(0)
    codes = np.zeros(spectra.shape[1], dtype=np.uint64)
    for band in spectra:
        factor = draw.integers(1, 2**63, dtype=np.uint64) | np.uint64(1)
        codes += (band + np.float32(0)).view(np.uint32).astype(np.uint64) * factor  # no -0
        codes ^= codes >> np.uint64(29)
    return codes


def _is_fill(
    spectrum: NDArray[np.float32],
    others: NDArray[np.float32],
    masks: Sequence[Mask],
    patches: Sequence[Cube],
) -> bool:
    constant = bool((spectrum == spectrum[0]).all())
    low, high = others.min(axis=1), others.max(axis=1)
    beyond = bool((spectrum < low).all() or (spectrum > high).all())
    at_end = bool((spectrum <= low).all() or (spectrum >= high).all())
    colours = len(spectrum) <= _SETTINGS.colour_bands
    if np.unique(others[0]).size < _SETTINGS.fewest_values or _largest(masks) < (
        _SETTINGS.fewest_of_colours if colours else _SETTINGS.fewest
    ):
        return False
    if colours:
        return (beyond or (constant and at_end)) and _is_abrupt(spectrum, others, masks, patches)
    if not (constant or at_end):
        return False
    # Counted in each window separately, since windows may overlap.
    codes = [
        _codes(patch[:, ~mask & np.isfinite(patch).all(axis=0)])
        for patch, mask in zip(patches, masks, strict=True)
    ]
    distinct = sum(np.unique(code).size for code in codes)
    return distinct >= _SETTINGS.distinct * others.shape[1]


def _largest(masks: Sequence[Mask]) -> int:
    """Return the number of pixels of the largest connected region."""
    return max(
        (int(np.bincount(label(mask, _TOUCHING)[0].ravel())[1:].max(initial=0)) for mask in masks),
        default=0,
    )


def _is_abrupt(
    spectrum: NDArray[np.float32],
    others: NDArray[np.float32],
    masks: Sequence[Mask],
    patches: Sequence[Cube],
) -> bool:
    """Return whether adjacent pixels are hardly more similar to it than others: an abrupt edge."""
    adjacent = np.concatenate(
        [
            patch[:, binary_dilation(mask) & ~mask & np.isfinite(patch).all(axis=0)]
            for patch, mask in zip(patches, masks, strict=True)
        ],
        axis=1,
    )
    if not adjacent.size:
        return False
    near, usual = (
        float(np.median(np.abs(values - spectrum[:, None]).mean(axis=0)))
        for values in (adjacent, others)
    )
    return near >= _SETTINGS.abrupt * usual
