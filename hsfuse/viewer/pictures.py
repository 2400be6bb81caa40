"""Encode tiles and colour maps as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hsfuse.core.picture import stretched

__all__ = ["COLOUR_MAPS", "colour_bar", "composite", "mapped"]

Cube = NDArray[np.float32]

#: Colour maps of single bands, all perceptually uniform; the first is the default.
COLOUR_MAPS = ("viridis", "cividis", "magma", "gray")


def composite(cube: Cube, low: Sequence[float], high: Sequence[float]) -> bytes:
    """
    Return three bands as a red, green and blue PNG; transparent where one has no data.

    Parameters
    ----------
    cube : ndarray of shape (3, rows, columns)
    low, high : sequence of float
        Values of each band shown with intensity 0 and 1.
    """
    limits = np.array(low, np.float32), np.array(high, np.float32)
    colours = np.rint(stretched(cube, limits) * 255).astype(np.uint8)
    return _png(np.dstack([colours, _opacity(cube)]))


def mapped(plane: NDArray[np.float32], low: float, high: float, colours: str) -> bytes:
    """
    Return one band as a PNG in a colour map; transparent where it has no data.

    Parameters
    ----------
    plane : ndarray of shape (rows, columns)
    low, high : float
        Values of the first and the last colour.
    colours : str
        One of :data:`COLOUR_MAPS`.
    """
    share = np.clip((plane - low) / (high - low), 0, 1)
    picture = matplotlib.colormaps[colours](np.nan_to_num(share), bytes=True)
    picture[..., 3] = _opacity(plane[None])
    return _png(picture)


def colour_bar(colours: str) -> bytes:
    """Return the colours of a colour map as a PNG of one row."""
    return mapped(np.linspace(0, 1, 256, dtype=np.float32)[None], 0.0, 1.0, colours)


def _opacity(cube: Cube) -> NDArray[np.uint8]:
    return np.where(np.isfinite(cube).all(axis=0), 255, 0).astype(np.uint8)


def _png(picture: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    # Low compression is fast, and tiles are not sent over a network.
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
