"""The error model: monotonic, free of units, and what its quantities count."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.psf import PSF
from hsfuse.core.subspace import Subspace
from hsfuse.methods.ms_ssfnet.uncertainty import (
    ErrorMaps,
    ErrorModel,
    local_contrast,
    local_rms,
    noise_gain,
    reference_noise,
    variance_outside_subspace,
)
from hsfuse.observe import Degrade
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

MODEL = ErrorModel(prior=0.02, reference_noise=0.01, brightness=1.0, ratio=4.0)


def maps_of(scale: float = 1.0, size: int = 40) -> ErrorMaps:
    """Return maps of random pixels; those in HS units have a unit of ``scale``."""
    draw = np.random.default_rng(0)
    spread, unmixed, brightness = (
        scale * np.exp(draw.normal(centre, 1.0, (size, size))).astype(np.float32)
        for centre in (-4, -4, -1)
    )
    contrast = np.exp(draw.normal(-1, 0.8, (size, size)))
    return ErrorMaps(spread, unmixed, contrast, brightness)


@given(st.sampled_from([1e-3, 0.25, 7.0, 1e4]))
def test_units_do_not_matter(unit: float) -> None:
    """Values in other units have errors in those units."""
    other = ErrorModel(unit * 0.02, unit * 0.01, unit * 1.0, 4.0)
    expected = unit * MODEL.predict(maps_of())
    assert np.allclose(other.predict(maps_of(unit)), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["spread", "unmixed", "contrast"])
def test_more_disagreement_is_never_less_error(name: str) -> None:
    """Nor is more contrast; and nothing is certain."""
    maps = maps_of()
    low, high = (
        MODEL.predict(replace(maps, **{name: factor * getattr(maps, name)})) for factor in (1, 3)
    )
    assert (high > low).all()
    none = replace(maps, **{name: 0 * getattr(maps, name)})
    assert (MODEL.predict(none) > 0.05 * np.median(low)).all()


def test_a_scene_whose_spectra_are_noisy_has_larger_errors() -> None:
    """The reference noise raises the level, not the order of the pixels, and not without limit."""
    none, some, most, more = (
        replace(MODEL, reference_noise=noise).predict(maps_of())
        for noise in (0.0, 0.02, 0.02 * MODEL.settings.most_noise, 10.0)
    )
    assert (some > 1.2 * none).all()
    assert np.allclose(some / none, (some / none).mean(), rtol=1e-4)
    assert np.array_equal(most, more)


def test_noise_beyond_the_calibration_is_noted() -> None:
    """The line says by how much, and nothing of it where the noise is small."""
    noted = replace(MODEL, reference_noise=0.06).sentence()
    assert "may be too small for this one" in noted
    assert "3.0 times" in noted
    assert "too small" not in MODEL.sentence()


def survey_of(ground: float, sensor: float, bands: slice) -> Survey:
    """Return a pair whose ground, and whose HS sensor, has noise of a deviation in some bands."""
    draw = np.random.default_rng(0)
    axis = Axis(96, 24, 4.0)
    geometry, psf = Geometry(axis, axis), PSF((1.0, 1.0))
    rows, columns = np.mgrid[:96, :96]
    light = 1 + 0.3 * np.sin(rows / 9) * np.cos(columns / 11)
    cube = np.ones((12, 1, 1)) * light
    cube[bands] += ground * draw.normal(size=cube[bands].shape)
    coarse = Degrade.between(geometry, psf, dtype=torch.float64).forward(torch.from_numpy(cube))
    hs = coarse.numpy() + sensor * draw.normal(size=coarse.shape)
    response = np.kron(np.eye(2), np.full(6, 1 / 6))
    fine = np.tensordot(response, cube, axes=1)
    patch = Patch(hs.astype(np.float32), fine.astype(np.float32), geometry, (0, 0))
    good = np.ones(12, bool)
    return Survey((patch,), psf, good, np.linspace(450, 900, 12), response)


def test_noise_of_the_ground_in_some_bands_is_found() -> None:
    """In its own size at full resolution, whatever noise the HS sensor has in all bands."""
    expected = 0.2 * np.sqrt(3 / 12)
    found = reference_noise(survey_of(0.2, 0.005, slice(3)))
    assert found == pytest.approx(expected, rel=0.3)
    assert reference_noise(survey_of(0.0, 0.005, slice(3))) < 0.1 * expected


def test_noise_of_the_ground_is_limited_by_that_of_the_ms_image() -> None:
    """Bands that are noisy in the HS sensor alone are not noise of the ground."""
    clean = survey_of(0.0, 0.005, slice(3))
    (patch,) = clean.patches
    noise = np.zeros(patch.coarse.shape, np.float32)
    noise[:3] = 0.05 * np.random.default_rng(1).normal(size=noise[:3].shape)
    noisy = replace(clean, patches=(replace(patch, coarse=patch.coarse + noise),))
    assert reference_noise(noisy) < 0.01


def test_noise_gain_is_what_degradation_leaves_of_white_noise() -> None:
    """For a Gaussian, other widths along y and x included."""
    axis = Axis(256, 64, 4.0)
    geometry, psf = Geometry(axis, axis), PSF((1.5, 0.8))
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 256, 256)))
    seen = Degrade.between(geometry, psf, dtype=torch.float64).forward(noise)
    assert noise_gain(geometry, psf) == pytest.approx(float(seen.std()), rel=0.1)


def test_a_ratio_beyond_the_calibration_is_noted() -> None:
    """One line states it, and what the calibration holds for."""
    assert "calibrated at ratios of 2 to 16, not at 24" in replace(MODEL, ratio=24.0).sentence()
    assert "not at" not in MODEL.sentence()
    assert "1.645" in MODEL.sentence()


def test_a_local_mean_square_counts_neighbours() -> None:
    """A single pixel spreads over its window, and a constant stays."""
    values = np.zeros((20, 20))
    values[10, 10] = 5.0
    found = local_rms(values, 2)
    assert np.allclose(found[8:13, 8:13], 1.0)
    assert np.count_nonzero(found > 1e-6) == 25
    assert np.allclose(local_rms(np.full((20, 20), 3.0), 2), 3.0)


def test_contrast_counts_known_pixels_alone() -> None:
    """An edge has contrast, a flat field none, and what lies behind no data changes nothing."""
    fine = np.zeros((2, 20, 20))
    fine[:, :, 10:] = 1.0
    known = np.ones((20, 20), bool)
    found = local_contrast(fine, known)
    assert found[10, 10] == pytest.approx(np.sqrt(0.24))
    assert found[:, :7].max() < 1e-6
    known[:, 10:] = False
    assert local_contrast(fine, known)[:, :10].max() < 1e-6
    assert np.isfinite(local_contrast(fine, known)).all()


def test_variance_outside_subspace_leaves_noise_out() -> None:
    """What lies outside the basis counts, but for the noise's share of it."""
    draw = np.random.default_rng(0)
    bands, noise = 10, np.full(10, 0.1)
    basis = np.diag(np.linspace(0.5, 2, bands))[:2]
    loading = np.diag(1 / np.linspace(0.5, 2, bands))[:2]
    space = Subspace(np.ones(bands, bool), np.zeros(bands), basis, loading)
    spectra = np.zeros((bands, 5000))
    spectra[:2] = draw.normal(size=(2, 5000))
    loud = spectra + draw.normal(size=spectra.shape) * 0.1
    assert variance_outside_subspace(spectra, space, np.zeros(bands)) < 1e-12
    assert variance_outside_subspace(loud, space, noise) < 1e-3
    spectra[5] = draw.normal(size=5000)
    assert variance_outside_subspace(spectra, space, np.zeros(bands)) == pytest.approx(0.1, rel=0.1)
