"""Local fits of `guided`: stored with the models of `kriging`, and blended over a window."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Span
from hsfuse.core.local_models import LocalModelAxis, LocalModelGrid
from hsfuse.methods import Window
from hsfuse.methods.guided.regression import LocalFit
from hsfuse.methods.kriging.cells import CellPart, blended_cells, cell_parts

__all__ = ["blend_fits", "pack_fit"]


def pack_fit(fit: LocalFit) -> NDArray[np.float32]:
    """
    Return a local fit as one array, the coefficients before the correction.

    Returns
    -------
    ndarray of shape (components, (2 + MS bands) * HS pixels)
    """
    fields = torch.cat([fit.coefficients, fit.correction[None]]).transpose(0, 1)
    return fields.flatten(1).cpu().numpy()


def blend_fits(
    grid: LocalModelGrid,
    window: Window,
    packed: Mapping[tuple[int, int], NDArray[np.float32]],
    *,
    bands: int,
    device: str,
) -> LocalFit:
    """
    Return the local fit over a window, blended between the units.

    Parameters
    ----------
    grid : LocalModelGrid
        Grid of the units.
    window : Window
        Window of the pair.
    packed : mapping of tuple of int to ndarray
        Results of :func:`pack_fit` for the units that touch the window; there is at least one.
    bands : int
        Number of MS bands.
    device : str
        Device of the result.
    """
    components, fields = len(next(iter(packed.values()))), 2 + bands
    total = np.zeros((components, fields, *window.geometry.coarse_shape), np.float32)
    rows, columns = (
        _coarse_parts(units, start, length)
        for units, start, length in zip(
            (grid.y, grid.x), window.start, window.geometry.coarse_shape, strict=True
        )
    )
    for unit, area, weight in blended_cells(rows, columns):
        if unit not in packed:  # it contributes only to HS pixels beyond the MS pixels
            continue
        coarse = grid.coarse(*unit)
        values = packed[unit].reshape(components, fields, *map(len, coarse))
        down, across = (
            span.shifted(start).within(outer)
            for span, start, outer in zip(area, window.start, coarse, strict=True)
        )
        total[..., area[0].slice, area[1].slice] += weight * values[..., down, across]
    tensor = torch.from_numpy(total).to(device).transpose(0, 1)
    return LocalFit(tensor[:-1], tensor[-1])


def _coarse_parts(units: LocalModelAxis, start: int, length: int) -> list[CellPart]:
    """Return the contributions of the units to the HS pixels of a window, along one axis."""
    # Weights are defined at fine pixels: here these are the HS pixels themselves.
    return list(cell_parts(units, Axis(length, length, 1.0), start, Span(0, length)))
