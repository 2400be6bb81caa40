"""Options of the public functions."""

from pathlib import Path

import pytest

import hsfuse
from hsfuse.errors import PlanError
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
