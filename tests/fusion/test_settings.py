"""Options of the public functions."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import hsfuse
from hsfuse.errors import PlanError, RasterError
from hsfuse.fusion.settings import FusionSettings, check_weights
from hsfuse.nets.weights import find_weights


@pytest.mark.parametrize("function", ["fuse", "run"])
def test_a_misspelt_option_names_the_function_and_the_nearest_one(function: str) -> None:
    """Before a file is opened; the names of classes inside say nothing to a user."""
    with pytest.raises(TypeError, match=rf"^{function}\(\) .*'tiles'; did you mean 'tile'\?$"):
        getattr(hsfuse, function)("a.tif", "b.tif", tiles=64)


def test_an_option_like_no_other_names_them_all() -> None:
    """So that the right one can be found."""
    with pytest.raises(TypeError, match=r"'colour'; expected method, hs_sensor, .*overlap$"):
        hsfuse.fuse("a.tif", "b.tif", colour="red")


@pytest.mark.parametrize("method", ["ms-ssfnet", "gsomp"])
def test_tiles_that_a_method_cannot_use_are_refused_before_an_image_is_read(method: str) -> None:
    """Neither of the files exists."""
    with pytest.raises(PlanError, match=rf"^tile must be a multiple of 8 for {method}, got"):
        hsfuse.run("a.tif", "b.tif", method=method, tile=100)


def test_tiles_fit_the_weights_that_are_given() -> None:
    """Weights of another network ratio than those that come with hsfuse take other tiles."""
    weights = next((Path(__file__).parents[2] / "benchmarks" / "weights").glob("*-ms-ssfnet*"))
    settings = FusionSettings(weights=weights, tile=24)
    ratio = find_weights(str(weights), "ms-ssfnet").architecture.ratio
    assert 24 % ratio, "the case is one that is refused"
    with pytest.raises(PlanError, match=rf"multiple of {ratio} for ms-ssfnet, got 24$"):
        check_weights(settings)


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ({"tile": "64"}, "tile: found '64'; expected a whole number"),
        ({"tile": 48.5}, r"tile: found 48\.5; expected a whole number"),
        ({"fwhm": 1.0}, r"fwhm: found 1\.0; expected 2 numbers"),
        ({"bbox": (1, 2, 3)}, r"bbox: found \(1, 2, 3\); expected 4 numbers"),
        ({"bands": 3}, "bands: found 3; expected numbers from 1"),
        ({"hs_mask": np.ones((2, 2))}, "hs_mask: found a ndarray; expected the path"),
    ],
)
def test_an_option_of_another_type_is_named_with_what_is_expected(choice, found: str) -> None:
    """Before a file is opened."""
    with pytest.raises(PlanError, match=found):
        hsfuse.fuse("a.tif", "b.tif", **choice)


def test_numbers_of_numpy_are_numbers() -> None:
    """As computed from the shape or the bounds of a raster."""
    settings = FusionSettings(
        tile=np.int64(64), fwhm=np.ones(2), bbox=np.arange(4.0), bands=np.arange(1, 4)
    )
    assert settings.tile == 64


def test_settings_that_are_none_are_named() -> None:
    """Such as the method in their place."""
    with pytest.raises(
        TypeError, match=r"^fuse\(\) got settings 'guided'; expected hsfuse.Settings"
    ):
        hsfuse.fuse("a.tif", "b.tif", "guided")


@pytest.mark.parametrize("path", [None, xr.DataArray(0)])
def test_what_is_no_path_is_not_opened(path) -> None:
    """The type that was found is named."""
    with pytest.raises(RasterError, match=f"is a {type(path).__name__}; expected the path"):
        hsfuse.open_raster(path)
