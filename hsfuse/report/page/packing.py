"""
Cubes of spectra as compact text, and as cube.js reads it.

A value is a number of steps above the smallest value of its band: 16 bits, where the steps of a
raster of integers are its own, so that nothing is lost, and otherwise 65534 to the range of
the band. From each number the same pixel's number in the band before is subtracted; low and high
bytes are separated, deflated, and written in base64.
"""

from __future__ import annotations

import base64
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Packed", "largest_error", "pack_cube"]

Cube = NDArray[np.float32]

_NO_DATA = 65535
_LEVEL = 6


class Packed(NamedTuple):
    """
    A packed cube.

    Attributes
    ----------
    shape : tuple of int
        Bands, rows and columns.
    offset, step : list of float
        Of each band: a value is offset + step * number.
    data : str
        Base64.
    """

    shape: tuple[int, ...]
    offset: list[float]
    step: list[float]
    data: str


def pack_cube(cube: Cube, stored_step: float = 0.0) -> Packed:
    """
    Return a packed cube.

    Parameters
    ----------
    cube : ndarray of shape (bands, rows, columns)
        NaN for no data.
    stored_step : float
        Of the integers of which the values were stored; 0 for none.
    """
    bands = len(cube)
    flat = cube.reshape(bands, -1).astype(np.float64)
    known = np.isfinite(flat)
    low = np.where(known, flat, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, flat, -np.inf).max(axis=1, initial=-np.inf)
    low = np.where(np.isfinite(low), low, 0.0)
    span = np.where(np.isfinite(high), high - low, 0.0)
    step = span / (_NO_DATA - 1)  # 0 where all values are the same
    if stored_step > 0:
        step = np.where(span / stored_step < _NO_DATA - 1, stored_step, step)
    numbers = np.full(flat.shape, _NO_DATA, np.uint16)
    above = np.where(known, flat, 0) - low[:, None]
    counted = np.round(above / np.where(step > 0, step, 1)[:, None])
    numbers[known] = counted[known].astype(np.uint16)
    differences = np.diff(numbers, axis=0, prepend=np.zeros_like(numbers[:1]))
    shuffled = differences.astype("<u2").view(np.uint8).reshape(-1, 2).T
    content = zlib.compress(np.ascontiguousarray(shuffled).tobytes(), _LEVEL)
    text = base64.b64encode(content).decode("ascii")
    return Packed(cube.shape, low.tolist(), step.tolist(), text)


def largest_error(packed: Packed, stored_step: float = 0.0) -> float:
    """Return by how much a value of a packed cube may differ from the raster's; 0 for none."""
    steps = [step for step in packed.step if not (stored_step > 0 and step == stored_step)]
    return max(steps, default=0.0) / 2
