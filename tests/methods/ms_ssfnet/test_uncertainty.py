"""The error model: what was planted is found, and more disagreement is never less error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.core.subspace import Subspace
from hsfuse.methods.ms_ssfnet.uncertainty import (
    ErrorModel,
    fit_error_model,
    local_contrast,
    variance_outside_subspace,
)

DEFAULT = ErrorModel.default(4.0)


def planted(
    count: int, slope: float = 0.6, contrast: float = 0.3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return disagreement, contrast and errors that follow a known model, log-normal about it."""
    draw = np.random.default_rng(0)
    spread = np.exp(draw.normal(-4, 1, count))
    texture = np.exp(draw.normal(-1, 0.8, count))
    centre = 0.25 * spread**slope * (texture + 0.02) ** contrast
    return spread, texture, centre * np.exp(draw.normal(0, 0.4, count))


def test_a_planted_model_is_found() -> None:
    """With many pixels and no change of ratio, the slopes are the planted ones, or nearly."""
    spread, texture, error = planted(20_000)
    found = fit_error_model(spread, texture, error, default=DEFAULT)
    weight = found.weight
    assert weight > 0.75
    assert found.slope == pytest.approx(weight * 0.6 + (1 - weight) * 1.0, abs=0.03)
    assert found.contrast == pytest.approx(weight * 0.3, abs=0.03)


def test_the_pixels_of_the_fit_are_covered() -> None:
    """Most errors lie below one predicted standard error, nearly all below two."""
    spread, texture, error = planted(20_000)
    predicted = fit_error_model(spread, texture, error, default=DEFAULT).predict(spread, texture)
    assert 0.5 < (error < predicted).mean() < 0.9
    assert (error < 2 * predicted).mean() > 0.9


@given(st.floats(0.1, 10), st.integers(0, 5))
def test_units_do_not_matter(unit: float, seed: int) -> None:
    """Values predicted in other units have errors in those units."""
    spread, texture, error = (values[seed * 100 :][:2000] for values in planted(3000))
    predicted = fit_error_model(spread, texture, error, default=DEFAULT).predict(spread, texture)
    other = fit_error_model(unit * spread, texture, unit * error, default=DEFAULT)
    assert np.allclose(other.predict(unit * spread, texture), unit * predicted, rtol=1e-4)


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.7])
def test_more_disagreement_is_never_less_error(slope: float) -> None:
    """Also where the pixels show the opposite."""
    spread, texture, error = planted(5000, slope=slope)
    predicted = fit_error_model(spread, texture, error, default=DEFAULT).predict(
        np.geomspace(1e-6, 1, 50), np.full(50, 0.2)
    )
    assert (np.diff(predicted) >= 0).all()
    assert (predicted > 0).all()


def test_few_or_unlike_pixels_leave_the_default() -> None:
    """Few pixels, a far smaller ratio, or no known error at all."""
    spread, texture, error = planted(4000)
    much = fit_error_model(spread, texture, error, default=DEFAULT)
    few = fit_error_model(spread[:20], texture[:20], error[:20], default=DEFAULT)
    unlike = fit_error_model(spread, texture, error, default=DEFAULT, ratio_change=8.0)
    assert max(few.weight, unlike.weight) < 0.1 < much.weight
    assert few.slope == pytest.approx(DEFAULT.slope, abs=0.1)
    assert fit_error_model(spread, texture, np.full(4000, np.nan), default=DEFAULT) == DEFAULT


def test_the_sentence_states_the_weight_of_the_calibration() -> None:
    """A calibrated model gives its weight; the default says that it is not calibrated."""
    assert "weight of 40 %" in ErrorModel(0.0, weight=0.4).sentence()
    assert "not calibrated" in DEFAULT.sentence()


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
