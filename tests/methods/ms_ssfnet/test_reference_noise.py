"""Reference noise, its propagation through D, and variance outside the subspace."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.psf import PSF
from hsfuse.core.subspace import Subspace
from hsfuse.methods.ms_ssfnet.error_model import ErrorModelSettings
from hsfuse.methods.ms_ssfnet.reference_noise import (
    ms_noise,
    noise_gain,
    reference_noise,
    variance_outside_subspace,
)
from hsfuse.observe import Degrade
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

TOLERANCE = ErrorModelSettings().noise_tolerance


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
    """At its size at full resolution, apart from noise of the HS sensor in all bands."""
    expected = 0.2 * np.sqrt(3 / 12)
    found = reference_noise(survey_of(0.2, 0.005, slice(3)), TOLERANCE)
    assert found == pytest.approx(expected, rel=0.3)
    assert reference_noise(survey_of(0.0, 0.005, slice(3)), TOLERANCE) < 0.1 * expected


def test_noise_of_the_ground_is_limited_by_that_of_the_ms_image() -> None:
    """Bands that are noisy in the HS sensor alone are not noise of the ground."""
    clean = survey_of(0.0, 0.005, slice(3))
    (patch,) = clean.patches
    noise = np.zeros(patch.coarse.shape, np.float32)
    noise[:3] = 0.05 * np.random.default_rng(1).normal(size=noise[:3].shape)
    noisy = replace(clean, patches=(replace(patch, coarse=patch.coarse + noise),))
    assert reference_noise(noisy, TOLERANCE) < 0.01


def test_noise_gain_is_what_degradation_leaves_of_white_noise() -> None:
    """For a Gaussian, other widths along y and x included."""
    axis = Axis(256, 64, 4.0)
    geometry, psf = Geometry(axis, axis), PSF((1.5, 0.8))
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 256, 256)))
    seen = Degrade.between(geometry, psf, dtype=torch.float64).forward(noise)
    assert noise_gain(geometry, psf) == pytest.approx(float(seen.std()), rel=0.1)


def test_variance_outside_subspace_leaves_noise_out() -> None:
    """Variance outside the subspace counts, minus that of the noise."""
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


def test_ms_noise_is_the_error_of_the_spectra_it_causes() -> None:
    """In HS units, whatever the unit of the MS image, and larger for bands that see little."""
    noise, response = np.array([0.01, 0.02]), np.array([[1.0, 0.2], [0.3, -0.5]])
    prior, power = np.array([0.5, 0.1]), np.array([4.0, 1.0])
    limit = ErrorModelSettings().maximum_ms_noise
    found = ms_noise(noise, response, prior, power, limit)
    assert ms_noise(7 * noise, 7 * response, prior, power, limit) == pytest.approx(found)
    assert ms_noise(noise, response, prior, 9 * power, limit) == pytest.approx(3 * found)
    assert ms_noise(noise, 0.5 * response, prior, power, limit) == pytest.approx(2 * found)
    assert ms_noise(2 * noise, response, prior, power, limit) == pytest.approx(2 * found)
    # One band that sees one component alone: the error is that of the component.
    one = ms_noise(noise[:1], np.array([[1.0, 0.0]]), np.array([0.5, 0.0]), power, limit)
    assert one == pytest.approx(0.01 * 2.0)


def test_an_ms_band_that_sees_nothing_does_not_determine_the_ms_noise() -> None:
    """Nor does one of noise alone: its share is at most the limit times the prior."""
    prior, power = np.array([0.5, 0.1]), np.array([4.0, 1.0])
    size = np.sqrt(prior**2 @ power)
    blind = np.array([[1.0, 0.2], [0.0, 0.0]])
    found = ms_noise(np.array([1e-9, 0.02]), blind, prior, power, 2.0)
    assert found == pytest.approx(2 * size / np.sqrt(2))
    assert ms_noise(np.array([1e9, 1e9]), blind, prior, power, 2.0) == pytest.approx(2 * size)
    assert ms_noise(np.zeros(2), blind, prior, power, 2.0) == 0
