"""What the survey tells of the two sensors, and that the survey stays small."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.psf import PSF
from hsfuse.core.resample import degrade_matrix
from hsfuse.pair.patch import Patch
from hsfuse.pair.radiometry import measure_radiometry
from hsfuse.pair.response_estimate import predictor_weights
from hsfuse.pair.survey import Survey
from hsfuse.sensor.catalogue import ResponseCurves, response_matrix, sensor_from_bands


def survey(gain: float = 1.0, offset: float = 0.0, hole: bool = False) -> Survey:
    """Return a surveyed pair of 20 bands whose MS bands are means of ten, seen at ratio 4."""
    draw = np.random.default_rng(0)
    spectra = gaussian_filter1d(draw.random((5, 20)), 1.0, axis=1)
    cover = draw.dirichlet(np.full(5, 0.4), size=(120, 120))
    cube = (cover @ spectra).transpose(2, 0, 1)
    axis = Axis(120, 30, 4.0)
    blur = degrade_matrix(axis, 1.0)
    coarse = (blur @ cube @ blur.T).astype(np.float32)
    coarse += 0.001 * draw.normal(size=coarse.shape).astype(np.float32)
    fine = np.stack([cube[:10].mean(axis=0), cube[10:].mean(axis=0)]) * gain + offset
    if hole:
        coarse[:, 4, 5] = np.nan
        coarse[3] = np.nan
        fine[:, 50:60, 20:30] = np.nan
    patch = Patch(coarse, fine.astype(np.float32), Geometry(axis, axis), (0, 0))
    return Survey((patch,), PSF((1.0, 1.0)), np.ones(20, bool), np.linspace(400, 800, 20))


def test_gain_and_offset_come_back() -> None:
    """D(Y) = gain R X + offset, whether or not pixels lack data."""
    known = np.kron(np.eye(2), np.full(10, 0.1))
    for hole in (False, True):
        made = survey(gain=250.0, offset=30.0, hole=hole)
        weights = known * made.good / (known * made.good).sum(axis=1, keepdims=True)
        found = measure_radiometry(replace(made, response=weights))
        assert found.gain == pytest.approx(250, rel=0.04)
        assert found.offset == pytest.approx(30, abs=5)
        assert (found.correlation > 0.98).all()


def test_the_estimated_response_explains_the_fine_bands() -> None:
    """Non-negative, rows sum to one, and the right half of the spectrum for each band."""
    found = measure_radiometry(survey())
    assert (found.response >= 0).all()
    assert found.response.sum(axis=1) == pytest.approx(1)
    assert found.response[0, :10].sum() > 0.8
    assert found.response[1, 10:].sum() > 0.8


def test_a_band_without_data_is_not_good() -> None:
    """It is left out, said, and has no part in the response."""
    found = measure_radiometry(survey(hole=True))
    assert not found.good[3]
    assert found.good.sum() == 19
    assert not found.response[:, 3].any()
    assert any("1 of 20" in note for note in found.notes)


def test_a_band_of_noise_is_not_good() -> None:
    """Its neighbours explain it less than its own noise does."""
    made = survey()
    coarse = made.patches[0].coarse.copy()
    coarse[7] = np.random.default_rng(1).random(coarse.shape[1:]) * 9
    noisy = Survey(
        (replace(made.patches[0], coarse=coarse),),
        made.psf,
        made.marked,
        made.wavelength,
    )
    assert np.flatnonzero(~noisy.good).tolist() == [7]


def test_images_of_two_places_are_noticed() -> None:
    """Hardly any correlation is a note, not silence."""
    made = survey()
    other = np.random.default_rng(5).random(made.patches[0].fine.shape).astype(np.float32)
    strange = Survey(
        (replace(made.patches[0], fine=other),),
        made.psf,
        made.marked,
        made.wavelength,
        response=np.full((2, 20), 0.05),
    )
    notes = measure_radiometry(strange).notes
    assert any(note.startswith("MS band 1") and "same place" in note for note in notes)


def test_the_predictor_of_flat_images_is_flat() -> None:
    """Nothing can be told from a scene without contrast, and nothing breaks."""
    response = predictor_weights(np.full((6, 50), 0.2), np.full((2, 50), 0.2))
    assert response == pytest.approx(1 / 6)


def test_a_cloud_changes_neither_gain_nor_response() -> None:
    """A tenth of the scene that only the MS image saw bright is told apart from the rest."""
    made = survey(gain=250.0, offset=30.0)
    clouded = made.patches[0].fine.copy()
    clouded[:, 10:50, 10:50] = 900.0
    cloudy = replace(made, patches=(replace(made.patches[0], fine=clouded),))
    known = np.kron(np.eye(2), np.full(10, 0.1))
    found = measure_radiometry(replace(cloudy, response=known))
    assert found.gain == pytest.approx(250, rel=0.04)
    clear, found = measure_radiometry(made), measure_radiometry(cloudy)
    spectra = made.spectra.astype(float)
    seen = [f.gain[:, None] * (f.response @ spectra) + f.offset[:, None] for f in (clear, found)]
    assert np.sqrt(np.mean((seen[1] - seen[0]) ** 2)) < 0.03 * seen[0].std()


def test_a_response_that_does_not_fit_is_doubted() -> None:
    """It is used, as the user named it, and the note says what the pair tells."""
    made = survey()
    swapped = np.kron(np.eye(2), np.full(10, 0.1))[::-1]
    found = measure_radiometry(replace(made, response=swapped))
    assert (found.response == swapped).all()
    assert sum("the stated one is used" in note for note in found.notes) == 2
    fitting = measure_radiometry(replace(made, response=swapped[::-1]))
    assert not any("the stated one is used" in note for note in fitting.notes)


def test_bands_beyond_the_fine_ones_are_flagged() -> None:
    """By their wavelengths, with the share of their variance that the MS bands explain."""
    made = survey()
    near = np.kron(np.eye(2), np.full(10, 0.1)) * (np.arange(20) < 14)
    near /= near.sum(axis=1, keepdims=True)
    found = measure_radiometry(replace(made, response=near))
    assert found.covered[:14].all()
    assert not found.covered[17:].any()
    assert (found.explained > 0).all()
    assert (found.explained <= 1).all()
    assert any("outside the spectral coverage" in note for note in found.notes)
    whole = measure_radiometry(replace(made, response=np.kron(np.eye(2), np.full(10, 0.1))))
    assert whole.covered.all()


def test_gaussian_and_measured_responses_cover_the_same_bands() -> None:
    """Those where a band responds with half its peak: within its FWHM, whatever its tails are."""
    made = survey()
    wavelength = np.arange(400.0, 900.0, 5.0)
    patch = made.patches[0]
    coarse = np.repeat(patch.coarse, 5, axis=0)
    wide = replace(made, patches=(replace(patch, coarse=coarse),), marked=np.ones(100, bool))
    wide = replace(wide, wavelength=wavelength)
    centre, width = np.array([500.0, 750.0]), np.array([60.0, 100.0])
    gaussian = sensor_from_bands(centre, width)
    samples = np.arange(400.0, 900.0)
    box = (np.abs(samples - centre[:, None]) <= width[:, None] / 2).astype(float)
    measured = replace(gaussian, curves=ResponseCurves(samples, box))
    inside = (np.abs(wavelength - centre[:, None]) < width[:, None] / 2 - 5).any(axis=0)
    outside = (np.abs(wavelength - centre[:, None]) > width[:, None] / 2 + 5).all(axis=0)
    for sensor in (gaussian, measured):
        matrix = response_matrix(sensor, wavelength, np.full(100, 5.0)).matrix
        covered = measure_radiometry(replace(wide, response=matrix)).covered
        assert covered[inside].all()
        assert not covered[outside].any()


def test_irregular_sampling_leaves_the_coverage_alone() -> None:
    """A band that stands for a wider part of the spectrum has more weight, not more response."""
    made = survey()
    wavelength = np.r_[np.arange(400.0, 500.0, 10.0), np.arange(500.0, 800.0, 30.0)]
    sensor = sensor_from_bands([550.0], [300.0])
    matrix = response_matrix(sensor, wavelength).matrix
    alone = replace(made.patches[0], fine=made.patches[0].fine[:1])
    wide = replace(made, patches=(alone,), wavelength=wavelength, response=matrix)
    found = measure_radiometry(wide).covered
    assert found.tolist() == (np.abs(wavelength - 550.0) <= 150.0).tolist()


def test_an_estimated_response_flags_no_band() -> None:
    """It fits the scene and does not tell where in the spectrum an MS band sees."""
    made = survey()
    alone = replace(made.patches[0], fine=made.patches[0].fine[:1])
    half = replace(made, patches=(alone,))
    assert measure_radiometry(half).covered.all()
    known = replace(half, response=np.repeat([[0.1, 0.0]], 10, axis=1))
    assert not measure_radiometry(known).covered.all()


def test_what_the_fine_bands_explain_is_a_share_of_variance() -> None:
    """All of a band that is a mixture of them, nothing of one that is noise."""
    made = survey()
    patch = made.patches[0]
    axis = patch.geometry.y
    blur = degrade_matrix(axis, 1.0)
    coarse = patch.coarse.copy()
    coarse[4] = (blur @ patch.fine.astype(float) @ blur.T).mean(axis=0)
    coarse[9] = np.random.default_rng(2).normal(size=coarse.shape[1:])
    made = replace(made, patches=(replace(patch, coarse=coarse),))
    known = np.kron(np.eye(2), np.full(10, 0.1)) * made.good
    found = measure_radiometry(replace(made, response=known / known.sum(axis=1, keepdims=True)))
    assert found.explained[4] == pytest.approx(1, abs=1e-3)
    assert not made.good[9]
    assert np.isnan(found.explained[9])
