"""
Fill that nobody declared: a number or a spectrum that stands where a sensor saw nothing.

Measurements differ from pixel to pixel and lie in one range. Fill is exactly the same in many
pixels that touch each other, and lies beyond that range or ends abruptly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label

__all__ = ["Fill", "find_fills"]

Cube = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Of what distinguishes fill from measurements."""

    # Fills of one image: no-data, and saturation or background beside it.
    most_fills: int = 4
    # More bands than these are a spectrum, which no two pixels share by chance.
    colour_bands: int = 16
    # Values, or touching pixels, that are no chance; touching pixels of the few bands of a colour
    # image, where a roof or a shadow holds some that are the same.
    fewest: int = 4
    fewest_of_colours: int = 64
    # Distance of a number from all else, in the range of all else.
    distance: float = 0.5
    # Different values of all else: a mask or a class map has no range.
    fewest_values: int = 16
    # Values among which these are counted: enough for that, and quickly sorted.
    counted_values: int = 100_000
    # Share of different spectra among the others, where pixels are measured.
    distinct: float = 0.9
    # Distance of the pixels just beside a fill from it, in the usual one: shade and glare fade.
    abrupt: float = 0.5


_SETTINGS = _Settings()


@dataclass(frozen=True)
class Fill:
    """
    What stands where there is no data.

    Attributes
    ----------
    spectrum : tuple of float
        The number in each band; NaN in bands that hold nothing else either.
    alone : bool
        Whether the number means no data in one band alone, not only in all of them.
    share : float
        Of the pixels that were looked at, or of the values where it stands alone.
    """

    spectrum: tuple[float, ...]
    alone: bool
    share: float

    def within(self, cube: Cube) -> Mask:
        """Return where a cube (bands, rows, columns) holds it, of the shape of the cube."""
        spectrum = np.array(self.spectrum, dtype=np.float32)[:, None, None]
        same = cube == spectrum
        if self.alone:
            return np.asarray(same)
        whole = (same | np.isnan(spectrum)).all(axis=0)
        return np.broadcast_to(whole, cube.shape)

    @property
    def number(self) -> float | None:
        """The number, if it is the same in all bands."""
        known = {value for value in self.spectrum if not np.isnan(value)}
        return known.pop() if len(known) == 1 else None


def find_fills(patches: Sequence[Cube]) -> list[Fill]:
    """
    Return the fills of an image that windows of it show.

    Parameters
    ----------
    patches : sequence of ndarray of shape (bands, rows, columns)
        NaN where no data is known.

    Returns
    -------
    list of Fill
        None where all of the image is one number, as then there is nothing to tell it by.
    """
    patches = [patch.copy() for patch in patches]
    fills: list[Fill] = []
    while len(fills) < _SETTINGS.most_fills:
        found = _extreme_number(patches) or _repeated_spectrum(patches)
        if found is None:
            break
        fills.append(found)
        for patch in patches:
            patch[found.within(patch)] = np.nan
    return fills


def _extreme_number(patches: Sequence[Cube]) -> Fill | None:
    """Return a number that many values hold far beyond all others."""
    bands = len(patches[0])
    for sign in (1, -1):
        ends = [float((sign * patch[np.isfinite(patch)]).min(initial=np.inf)) for patch in patches]
        number = np.float32(sign * min(ends))
        count = sum(int(np.count_nonzero(patch == number)) for patch in patches)
        if (
            count < _SETTINGS.fewest
            or number == 0
            or (bands <= _SETTINGS.colour_bands and number > 0)
        ):
            continue
        rest = np.concatenate([p[np.isfinite(p) & (p != number)] for p in patches])
        if not rest.size:
            continue
        low, high = float(rest.min()), float(rest.max())
        gap = low - number if sign > 0 else number - high
        if (
            gap > _SETTINGS.distance * (high - low) > 0
            and np.unique(rest[: _SETTINGS.counted_values]).size >= _SETTINGS.fewest_values
        ):
            return Fill((float(number),) * bands, True, count / (count + rest.size))
    return None


def _repeated_spectrum(patches: Sequence[Cube]) -> Fill | None:
    """Return a spectrum that many touching pixels share and no measurement is like."""
    bands = len(patches[0])
    used = np.any([np.isfinite(patch).any(axis=(1, 2)) for patch in patches], axis=0)
    known = [np.isfinite(patch[used]).all(axis=0) for patch in patches]
    spectra = np.concatenate(
        [patch[used][:, seen] for patch, seen in zip(patches, known, strict=True)], axis=1
    )
    if not used.any() or spectra.shape[1] < 2 * _SETTINGS.fewest:
        return None
    codes = _codes(spectra)
    _, first, counts = np.unique(codes, return_index=True, return_counts=True)
    for place in np.argsort(-counts, kind="stable")[: _SETTINGS.most_fills]:
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


def _codes(spectra: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return a number for each spectrum (bands, pixels), the same for the same spectrum alone."""
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
    distinct = np.unique(_codes(others)).size >= _SETTINGS.distinct * others.shape[1]
    return distinct and (constant or at_end)


def _largest(masks: Sequence[Mask]) -> int:
    """Return the pixels of the largest connected part."""
    return max(
        (int(np.bincount(label(mask)[0].ravel())[1:].max(initial=0)) for mask in masks), default=0
    )


def _is_abrupt(
    spectrum: NDArray[np.float32],
    others: NDArray[np.float32],
    masks: Sequence[Mask],
    patches: Sequence[Cube],
) -> bool:
    """Return whether pixels beside it are hardly more like it than any: shade and glare fade."""
    beside = np.concatenate(
        [
            patch[:, binary_dilation(mask) & ~mask & np.isfinite(patch).all(axis=0)]
            for patch, mask in zip(patches, masks, strict=True)
        ],
        axis=1,
    )
    if not beside.size:
        return False
    near, usual = (
        float(np.median(np.abs(values - spectrum[:, None]).mean(axis=0)))
        for values in (beside, others)
    )
    return near >= _SETTINGS.abrupt * usual
