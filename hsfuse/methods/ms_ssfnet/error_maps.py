"""Quantities of a pixel from which the error model predicts its standard error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from hsfuse.core.grid import Span
from hsfuse.methods import Window
from hsfuse.methods.guided.regression import GuidedFuser

__all__ = ["ErrorMaps", "core_contrast", "local_contrast", "local_rms"]


@dataclass(frozen=True, slots=True)
class ErrorMaps:
    """
    Quantities on which the error of a pixel depends, each of shape (rows, columns).

    Attributes
    ----------
    spread : ndarray
        Spread of the estimates about the fused components: root mean square over the good bands, in
        HS units.
    cnmf_difference : ndarray
        Root mean square difference of `cnmf` from the initial estimate, over the good bands and
        over the pixel and its neighbours, in HS units.
    contrast : ndarray
        From :func:`local_contrast`.
    brightness : ndarray
        Root mean square of the fused pixel over the good bands, in HS units.
    """

    spread: NDArray[np.float32]
    cnmf_difference: NDArray[np.float32]
    contrast: NDArray[np.float64]
    brightness: NDArray[np.float32]


def local_rms(values: NDArray[np.floating], radius: int) -> NDArray[np.float32]:
    """
    Return the root mean square over a square around each pixel, (rows, columns).

    Parameters
    ----------
    values : ndarray of shape (rows, columns)
        Values; beyond the edges they are replicated.
    radius : int
        Pixels on either side.
    """
    squares = np.square(values, dtype=np.float64)
    mean = uniform_filter(squares, 2 * radius + 1, mode="nearest")
    return np.sqrt(np.maximum(mean, 0)).astype(np.float32)


def local_contrast(
    fine: NDArray[np.floating], valid: NDArray[np.bool_], radius: int
) -> NDArray[np.float64]:
    """
    Return the standard deviation of the MS image over a square around each pixel, (rows, columns).

    Parameters
    ----------
    fine : ndarray of shape (MS bands, rows, columns)
        Standardised MS bands, whose variances are averaged.
    valid : ndarray of shape (rows, columns), bool
        Pixels with data; others have no weight.
    radius : int
        Pixels on either side.
    """
    size = 2 * radius + 1
    share = uniform_filter(valid.astype(np.float64), size, mode="nearest")
    total = np.zeros(valid.shape)
    for band in fine:
        values = np.where(valid, band, 0.0).astype(np.float64)
        mean, square = (
            uniform_filter(moment, size, mode="nearest") / np.maximum(share, 1e-9)
            for moment in (values, values**2)
        )
        total += np.maximum(square - mean**2, 0.0)
    return np.sqrt(total / len(fine))


def core_contrast(window: Window, guided: GuidedFuser, radius: int) -> NDArray[np.float64]:
    """
    Return the local contrast over the core of a window, shape (core rows, core columns).

    Parameters
    ----------
    window : Window
        Window of the pair.
    guided : GuidedFuser
        Fuser that standardises the MS bands.
    radius : int
        As in :func:`local_contrast`.
    """
    rows, columns = (
        Span(max(core.start - radius, 0), min(core.stop + radius, axis.fine))
        for axis, core in zip((window.geometry.y, window.geometry.x), window.core, strict=True)
    )
    fine, valid = guided.standardised(window.fine[:, rows.slice, columns.slice])
    contrast = local_contrast(fine.cpu().numpy(), valid.cpu().numpy(), radius)
    return contrast[window.core[0].within(rows), window.core[1].within(columns)]
