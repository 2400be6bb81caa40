"""The purest spectra of a scene: vertex component analysis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["vertex_components"]


def vertex_components(
    spectra: NDArray[np.float64], count: int, *, seed: int = 0
) -> NDArray[np.float64]:
    """
    Return the spectra at the corners of the cloud that a scene's pixels form.

    Nascimento and Bioucas-Dias 2005, doi:10.1109/TGRS.2005.844293: project onto the leading
    subspace, then again and again take the pixel that lies farthest along a random
    direction orthogonal to the corners found so far.

    Parameters
    ----------
    spectra : ndarray of shape (bands, pixels)
    count : int
        How many; at most the number of bands and of pixels.
    seed : int
        Of the directions.

    Returns
    -------
    ndarray of shape (bands, count)
        Pixels of the scene, as they are.
    """
    draw = np.random.default_rng(seed)
    count = min(count, *spectra.shape)
    vectors = np.linalg.eigh(spectra @ spectra.T)[1][:, ::-1][:, :count]
    projected = vectors.T @ spectra
    # Perspective projection: brightness does not make a corner.
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
