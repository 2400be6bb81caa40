"""
Pack cubes of spectra as compact text, which cube.js decodes.

Each value is quantised to 16 bits above the minimum of its band. For a raster stored as integers
the step is that of the stored values, without loss, otherwise the range of the band divided by
65534. Numbers are differenced along the bands, split into low and high bytes, deflated, and
encoded in base64.
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
        Numbers of bands, rows and columns.
    offset, step : list of float
        Offset and step of each band: value = offset + step * number.
    data : str
        Packed numbers, base64.
    """

    shape: tuple[int, ...]
    offset: list[float]
    step: list[float]
    data: str


def pack_cube(cube: Cube, stored_step: float = 0.0) -> Packed:
    """
    Return a cube in packed form.

    Parameters
    ----------
    cube : ndarray of shape (bands, rows, columns)
        NaN for no data.
    stored_step : float
        Scale of the integers in which the values are stored; 0 for floats.
    """
    bands = len(cube)
    flat = cube.reshape(bands, -1).astype(np.float64)
    known = np.isfinite(flat)
    low = np.where(known, flat, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, flat, -np.inf).max(axis=1, initial=-np.inf)
    low = np.where(np.isfinite(low), low, 0.0)
    span = np.where(np.isfinite(high), high - low, 0.0)
    step = span / (_NO_DATA - 1)  # 0 where all values are equal
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
    """Return the maximum quantisation error of a packed cube; 0 if packing is lossless."""
    steps = [step for step in packed.step if not (stored_step > 0 and step == stored_step)]
    return max(steps, default=0.0) / 2
