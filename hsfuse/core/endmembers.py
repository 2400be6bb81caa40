"""Endmembers of a scene by vertex component analysis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["vertex_components"]


def vertex_components(
    spectra: NDArray[np.float64], count: int, *, seed: int = 0
) -> NDArray[np.float64]:
    """
    Return the endmembers of a scene: its purest pixels.

    Nascimento and Bioucas-Dias 2005, doi:10.1109/TGRS.2005.844293: project onto the leading
    subspace, then repeatedly take the pixel with the largest projection on a random direction
    orthogonal to the endmembers found so far.

    Parameters
    ----------
    spectra : ndarray of shape (bands, pixels)
        Finite values of any unit.
    count : int
        Number of endmembers; limited to the number of bands and of pixels.
    seed : int
        Of the random directions.

    Returns
    -------
    ndarray of shape (bands, count)
        Columns of ``spectra``.
    """
    draw = np.random.default_rng(seed)
    count = min(count, *spectra.shape)
    vectors = np.linalg.eigh(spectra @ spectra.T)[1][:, ::-1][:, :count]
    projected = vectors.T @ spectra
    # Perspective projection, so that brightness alone makes no endmember.
    mean = projected.mean(axis=1)
    scale = mean @ projected
    projected = projected / np.where(np.abs(scale) > 1e-12, scale, np.inf)
    corners = np.zeros((count, count))
    corners[-1, 0] = 1.0
    chosen: list[int] = []
    for index in range(count):
        direction = draw.normal(size=count)
        direction -= corners @ np.linalg.lstsq(corners, direction, rcond=None)[0]
        along = np.abs(direction @ projected)
        along[chosen] = -1.0
        chosen.append(int(np.argmax(along)))
        corners[:, index] = projected[:, chosen[-1]]
    return spectra[:, chosen].copy()
