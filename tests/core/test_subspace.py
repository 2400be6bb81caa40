"""The scene's own subspace."""

import numpy as np

from hsfuse.core.subspace import Subspace


def test_spectra_within_the_subspace_come_back() -> None:
    """Project and expand is the identity on a scene of that rank."""
    draw = np.random.default_rng(0)
    cube = np.tensordot(draw.normal(size=(20, 3)), draw.random((3, 9, 8)), 1).astype(np.float32)
    space = Subspace.fit(cube.reshape(20, -1), np.ones(20, bool), 3)
    components, valid = space.project(cube)
    assert valid.all()
    assert np.allclose(space.expand(components), cube, atol=1e-4)


def test_bad_bands_follow_the_good_ones() -> None:
    """A band left out of the components is carried by regression; one without data is NaN."""
    draw = np.random.default_rng(0)
    cube = np.tensordot(draw.normal(size=(20, 3)), draw.random((3, 9, 8)), 1).astype(np.float32)
    cube[7] = np.nan
    good = np.ones(20, bool)
    good[[7, 11]] = False
    space = Subspace.fit(cube.reshape(20, -1), good, 3)
    components, _ = space.project(cube)
    back = space.expand(components)
    assert np.isnan(back[7]).all()
    assert np.allclose(back[11], cube[11], atol=1e-4)
