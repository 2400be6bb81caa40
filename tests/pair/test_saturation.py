"""Saturation of the MS image is reported where there is some, and only there."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.psf import PSF
from hsfuse.pair.patch import Patch
from hsfuse.pair.saturation import saturation_notes
from hsfuse.pair.survey import Survey


def survey(fine: np.ndarray) -> Survey:
    """Return a survey of an MS image of 120 x 120 pixels at ratio 4; the HS image is empty."""
    axis = Axis(120, 30, 4.0)
    patch = Patch(
        np.zeros((3, 30, 30), np.float32), fine.astype(np.float32), Geometry(axis, axis), (0, 0)
    )
    return Survey((patch,), PSF((1.0, 1.0)), np.ones(3, bool), np.linspace(400, 800, 3))


def image(seed: int = 0, noise: float = 20.0) -> np.ndarray:
    """Return three similar bands with few bright pixels, as whole numbers."""
    draw = np.random.default_rng(seed)
    shared = gaussian_filter(draw.random((120, 120)) ** 30, 1.0)
    bands = shared / shared.max() * np.array([4000, 5000, 4500])[:, None, None]
    return np.rint(bands + noise * draw.random(bands.shape))


def test_one_band_with_many_pixels_at_its_largest_value() -> None:
    """With the share of the pixels that hold it."""
    fine = image()
    fine[1] = np.minimum(fine[1], np.quantile(fine[1], 0.95))
    (note,) = saturation_notes(survey(fine))
    assert note == (
        f"MS band 2: {100 * (fine[1] == fine[1].max()).mean():.2g}% of the surveyed pixels hold "
        f"the largest value, {fine[1].max():g}: they are saturated and have no detail"
    )


def test_few_pixels_at_the_same_largest_value_in_several_bands() -> None:
    """Seven pixels of 14400 are enough, where two bands share the value."""
    fine = image()
    limit = min(np.sort(band, axis=None)[-7] for band in fine[:2])
    clipped = np.minimum(fine, np.array([limit, limit, np.inf])[:, None, None])
    (note,) = saturation_notes(survey(clipped))
    assert note.startswith("MS band 1, MS band 2: up to ")
    assert f"hold the largest value, {limit:g}: they are saturated" in note


@pytest.mark.parametrize("seed", range(6))
def test_an_image_that_is_not_saturated_has_no_note(seed: int) -> None:
    """Nor one of 8 bits, whose bands may share their largest value by chance."""
    fine = image(seed)
    assert not saturation_notes(survey(fine))
    levels = np.rint(fine / fine.max(axis=(1, 2), keepdims=True) * 200)
    assert (levels.max(axis=(1, 2)) == 200).all()
    assert not saturation_notes(survey(levels))


def test_constant_bands_and_bands_without_data_have_no_note() -> None:
    """They are no images."""
    fine = image()
    fine[0], fine[1] = 7, np.nan
    assert not saturation_notes(survey(fine))
