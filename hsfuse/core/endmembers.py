"""Endmembers of a scene: its purest pixels, or the vertices of the smallest enclosing simplex."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["minimum_volume_simplex", "vertex_components"]


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
        Random seed of the directions.

    Returns
    -------
    ndarray of shape (bands, count)
        Columns of ``spectra``.
    """
    draw = np.random.default_rng(seed)
    count = min(count, *spectra.shape)
    vectors = np.linalg.eigh(spectra @ spectra.T)[1][:, ::-1][:, :count]
    projected = vectors.T @ spectra
    # Perspective projection, which removes differences in brightness.
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


def minimum_volume_simplex(
    spectra: NDArray[np.float64],
    count: int,
    *,
    penalty: float = 0.006,
    rounds: int = 80,
    seed: int = 0,
) -> NDArray[np.float64]:
    """
    Return the vertices of the smallest simplex that encloses most of the spectra, by SISAL.

    Bioucas-Dias 2009, "A variable splitting augmented Lagrangian approach to linear spectral
    unmixing", WHISPERS, doi:10.1109/WHISPERS.2009.5289072: with Q the inverse of the corners and
    Y the spectra in the affine set of the leading components, minimise
    ``-log |det Q| + penalty * sum(max(-Q Y, 0))`` over Q with ``1'Q Y = 1'``. The vertices
    need not be pixels, and spectra outside the simplex are penalised by their distance.

    Parameters
    ----------
    spectra : ndarray of shape (bands, pixels)
        Finite values of any unit.
    count : int
        Number of vertices; limited to the number of bands and of pixels.
    penalty : float
        Weight of the distances outside the simplex, summed over all pixels.
    rounds : int
        Number of quadratic approximations of the determinant.
    seed : int
        Random seed of the initial endmembers (:func:`vertex_components`).

    Returns
    -------
    ndarray of shape (bands, count)
        Values may be negative.
    """
    mean = spectra.mean(axis=1, keepdims=True)
    power, vectors = np.linalg.eigh(np.cov(spectra, bias=True))
    count = min(count, *spectra.shape, 1 + int((power > 1e-12 * power[-1]).sum()))
    # Whitened and lifted: the last coordinate is constant, so that abundances sum to one.
    basis = vectors[:, ::-1][:, : count - 1] * np.sqrt(power[::-1][: count - 1])
    whitened = np.linalg.pinv(basis) @ (spectra - mean)
    lifted = np.vstack([whitened, np.ones(spectra.shape[1])]) / np.sqrt(count)
    corners = vertex_components(lifted, count, seed=seed)
    # Start from the purest pixels, enlarged to enclose every spectrum.
    corners = corners + count * (corners - corners.mean(axis=1, keepdims=True))
    inverse = _smallest_simplex(lifted, np.linalg.inv(corners), penalty, rounds)
    return np.asarray(mean + basis @ (np.linalg.inv(inverse) * np.sqrt(count))[:-1])


def _smallest_simplex(
    lifted: NDArray[np.float64], start: NDArray[np.float64], penalty: float, rounds: int
) -> NDArray[np.float64]:
    """Return Q; every round is an augmented Lagrangian step of the quadratic approximation."""
    count, pixels = lifted.shape
    weight, curvature, steps = count * 1000 / pixels, 1e-6, 3
    normal = np.linalg.inv(curvature * np.eye(count) + weight * lifted @ lifted.T)
    total = np.linalg.inv(lifted @ lifted.T) @ lifted.sum(axis=1)  # 1'Q, so that 1'Q Y = 1'

    def objective(matrix: NDArray[np.float64]) -> float:
        outside = np.minimum(matrix @ lifted, 0).sum()
        return float(-np.linalg.slogdet(matrix)[1] - penalty * outside)

    inverse = start
    split, dual = start @ lifted, np.zeros((count, pixels))
    for index in range(rounds):
        before = inverse
        linear = curvature * before + np.linalg.inv(before).T  # minus the gradient of -log |det|
        for _ in range(steps if index < rounds - 1 else 99):
            right = linear + weight * (split + dual) @ lifted.T
            multiplier = (np.linalg.solve(normal, total) - right.sum(axis=0)) / count
            inverse = (right + multiplier) @ normal
            abundances = inverse @ lifted
            split = _hinge_step(abundances - dual, penalty / weight)
            dual = dual - (abundances - split)
        value = objective(before)
        for _ in range(60):  # halve the step until the objective does not increase
            if objective(inverse) <= value:
                break
            inverse = (inverse + before) / 2
    return inverse


def _hinge_step(values: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Return the proximal point of ``step * max(-v, 0)``."""
    return np.asarray(np.maximum(values, 0) + np.minimum(values + step, 0))
