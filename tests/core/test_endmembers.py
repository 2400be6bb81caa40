"""Endmembers by vertex component analysis."""

import numpy as np
import pytest

from hsfuse.core.endmembers import vertex_components


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pure_pixels_are_found(seed: int) -> None:
    """Among mixtures, the pixels that hold one material alone are found."""
    draw = np.random.default_rng(seed)
    pure = draw.random((20, 4)) + 0.1
    mixed = pure @ draw.dirichlet(np.full(4, 2.0), size=300).T
    spectra = np.concatenate([mixed, pure], axis=1) * draw.uniform(0.6, 1.4, size=304)
    found = vertex_components(spectra, 4)
    cosine = (found / np.linalg.norm(found, axis=0)).T @ (pure / np.linalg.norm(pure, axis=0))
    assert np.sort(cosine.max(axis=0)) == pytest.approx(1, abs=1e-6)


def test_no_more_corners_than_pixels() -> None:
    """The number is limited by that of pixels and bands."""
    assert vertex_components(np.random.default_rng(0).random((9, 3)), 7).shape == (9, 3)
