"""Error model: independent of units, monotonic, limited to its calibration."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.methods.ms_ssfnet.error_maps import ErrorMaps
from hsfuse.methods.ms_ssfnet.error_model import ErrorModel

NOISE = ("ms_noise", "reference_noise", "hs_residual")
MODEL = ErrorModel(
    prior=0.02,
    estimate_difference=0.015,
    ms_noise=0.005,
    reference_noise=0.01,
    hs_residual=0.002,
    brightness=1.0,
    ratio=4.0,
)


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
    names = ("prior", "estimate_difference", *NOISE, "brightness")
    other = replace(MODEL, **{name: unit * getattr(MODEL, name) for name in names})
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


@pytest.mark.parametrize("name", ["estimate_difference", *NOISE])
def test_more_noise_or_difference_of_a_scene_is_more_error(name: str) -> None:
    """In every pixel, and the more so where the estimates agree if it is noise they share."""
    maps, value = maps_of(), getattr(MODEL, name)
    low, middle, high = (
        replace(MODEL, **{name: factor * value}).predict(maps) for factor in (0.5, 1, 3)
    )
    assert (low < middle).all()
    assert (middle < high).all()
    if name in NOISE:
        calm = maps.spread < np.median(maps.spread)
        assert (high / low)[calm].mean() > (high / low)[~calm].mean()


def test_noise_that_all_estimates_share_is_a_lower_limit() -> None:
    """Its variances add up: where estimates agree, they alone are the standard error."""
    zero = np.zeros((2, 2))
    weights = MODEL.settings.noise_weights
    shared = np.sqrt(sum((w * getattr(MODEL, n)) ** 2 for w, n in zip(weights, NOISE, strict=True)))
    agreed = replace(MODEL, prior=1e-9, estimate_difference=1e-9)
    maps = ErrorMaps(zero, zero, zero, zero)
    assert agreed.predict(maps) == pytest.approx(shared, rel=1e-4)
    assert (MODEL.predict(maps_of()) > shared).all()


def test_a_pair_without_noise_or_difference_has_finite_standard_errors() -> None:
    """Estimates that are all the same, of images without noise: the logarithms have limits."""
    none = ErrorModel(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0)
    zero = np.zeros((2, 2))
    found = none.predict(ErrorMaps(zero, zero, zero, zero))
    assert np.isfinite(found).all()
    assert (found < 1e-6).all()


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
