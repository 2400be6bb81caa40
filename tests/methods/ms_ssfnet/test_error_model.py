"""Error model: independent of units, monotonic, limited to its calibration."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.methods.ms_ssfnet.error_maps import ErrorMaps
from hsfuse.methods.ms_ssfnet.error_model import ErrorModel

MODEL = ErrorModel(prior=0.02, reference_noise=0.01, brightness=1.0, ratio=4.0)


def maps_of(scale: float = 1.0, size: int = 40) -> ErrorMaps:
    """Return maps of random pixels; those in HS units have a unit of ``scale``."""
    draw = np.random.default_rng(0)
    spread, cnmf_difference, brightness = (
        scale * np.exp(draw.normal(centre, 1.0, (size, size))).astype(np.float32)
        for centre in (-4, -4, -1)
    )
    contrast = np.exp(draw.normal(-1, 0.8, (size, size)))
    return ErrorMaps(spread, cnmf_difference, contrast, brightness)


@given(st.sampled_from([1e-3, 0.25, 7.0, 1e4]))
def test_units_do_not_matter(unit: float) -> None:
    """Values in another unit have standard errors in that unit."""
    other = ErrorModel(unit * 0.02, unit * 0.01, unit * 1.0, 4.0)
    expected = unit * MODEL.predict(maps_of())
    assert np.allclose(other.predict(maps_of(unit)), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["spread", "cnmf_difference", "contrast"])
def test_more_disagreement_is_never_less_error(name: str) -> None:
    """Nor is more contrast; without any of them the standard error is not zero."""
    maps = maps_of()
    low, high = (
        MODEL.predict(replace(maps, **{name: factor * getattr(maps, name)})) for factor in (1, 3)
    )
    assert (high > low).all()
    none = replace(maps, **{name: 0 * getattr(maps, name)})
    assert (MODEL.predict(none) > 0.05 * np.median(low)).all()


def test_a_scene_whose_spectra_are_noisy_has_larger_errors() -> None:
    """The reference noise raises the level, not the order of the pixels, and not without limit."""
    none, some, limit, more = (
        replace(MODEL, reference_noise=noise).predict(maps_of())
        for noise in (0.0, 0.02, 0.02 * MODEL.settings.maximum_noise, 10.0)
    )
    assert (some > 1.2 * none).all()
    assert np.allclose(some / none, (some / none).mean(), rtol=1e-4)
    assert np.array_equal(limit, more)


def test_noise_beyond_the_calibration_is_noted() -> None:
    """The note states by how much, and does not mention it where the noise is small."""
    noted = replace(MODEL, reference_noise=0.06).sentence()
    assert "may be too small for this one" in noted
    assert "3.0 times" in noted
    assert "too small" not in MODEL.sentence()


def test_a_ratio_beyond_the_calibration_is_noted() -> None:
    """One line states it, and what the calibration holds for."""
    assert "calibrated at ratios of 2 to 16, not at 24" in replace(MODEL, ratio=24.0).sentence()
    assert "not at" not in MODEL.sentence()
    assert "1.645" in MODEL.sentence()
