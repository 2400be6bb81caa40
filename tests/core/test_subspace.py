"""The scene's own subspace."""

import numpy as np

from hsfuse.core.noise import band_noise
from hsfuse.core.subspace import Subspace


def fitted(spectra: np.ndarray, components: int, good: np.ndarray | None = None) -> Subspace:
    """Return the subspace with the noise estimated from the spectra themselves."""
    good = np.ones(len(spectra), bool) if good is None else good
    noise = np.zeros(len(spectra))
    noise[good] = band_noise(spectra[good].astype(np.float64))
    return Subspace.fit(spectra.astype(np.float32), good, components, noise)


def test_spectra_within_the_subspace_come_back() -> None:
    """Project and expand is the identity on a scene of that rank."""
    draw = np.random.default_rng(0)
    cube = np.tensordot(draw.normal(size=(20, 3)), draw.random((3, 9, 8)), 1).astype(np.float32)
    space = fitted(cube.reshape(20, -1), 3)
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
    space = fitted(cube.reshape(20, -1), 3, good)
    components, _ = space.project(cube)
    back = space.expand(components)
    assert np.isnan(back[7]).all()
    assert np.allclose(back[11], cube[11], atol=1e-4)


def test_components_are_apart_and_the_loading_undoes_the_basis() -> None:
    """Whatever bands are measured in: scores are uncorrelated, what is expanded projects back."""
    draw = np.random.default_rng(0)
    spectra = np.tensordot(draw.normal(size=(30, 6)), draw.normal(size=(6, 800)), 1)
    spectra += draw.normal(size=spectra.shape) * np.linspace(0.01, 1, 30)[:, None]
    space = fitted(spectra, 5)
    assert np.allclose(space.basis @ space.loading.T, np.eye(5), atol=1e-9)
    scores = space.basis @ (spectra - spectra.mean(axis=1, keepdims=True))
    correlation = np.corrcoef(scores)
    assert np.abs(correlation - np.eye(5)).max() < 1e-3
    assert (np.diff(scores.std(axis=1)) < 0).all()


def test_a_noisy_band_counts_less() -> None:
    """The component that six bands share is found beside a band of much more noise."""
    draw = np.random.default_rng(0)
    shared = draw.normal(size=4000)
    spectra = draw.normal(size=(12, 4000)) * 0.05
    spectra[:6] += shared
    spectra[11] = 3 * draw.normal(size=4000)
    space = fitted(spectra, 1)
    found = (space.basis @ spectra)[0]
    assert abs(np.corrcoef(found, shared)[0, 1]) > 0.99


def test_power_is_what_a_unit_of_a_component_adds() -> None:
    """The sum over the good bands of squares, of a cube that is one unit of one component."""
    draw = np.random.default_rng(0)
    spectra = draw.normal(size=(9, 500)) * np.linspace(0.1, 2, 9)[:, None]
    space = fitted(spectra, 4)
    units = np.eye(4, dtype=np.float32)[:, :, None]
    cube = space.expand(units) - space.mean[:, None, None].astype(np.float32)
    assert np.allclose(np.square(cube).sum(axis=(0, 2)), space.power, rtol=1e-4)


def test_a_bad_band_changes_no_component() -> None:
    """Whatever it holds: mean, basis and loading of the good ones are those without it."""
    draw = np.random.default_rng(0)
    spectra = np.tensordot(draw.normal(size=(20, 3)), draw.normal(size=(3, 500)), 1)
    spectra += 0.1 * draw.normal(size=spectra.shape)
    good = np.arange(20) != 7
    spectra[7] = 100 * draw.normal(size=500)
    space, without = fitted(spectra, 3, good), fitted(spectra[good], 3)
    assert np.array_equal(space.basis, without.basis)
    assert np.array_equal(space.loading[:, good], without.loading)
    assert np.array_equal(space.mean[good], without.mean)
