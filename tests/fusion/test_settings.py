"""Options of the public functions."""

import pytest

import hsfuse


@pytest.mark.parametrize("function", ["fuse", "run"])
def test_a_misspelt_option_names_the_function_and_the_nearest_one(function: str) -> None:
    """Before a file is opened; the names of classes inside say nothing to a user."""
    with pytest.raises(TypeError, match=rf"^{function}\(\) .*'tiles'; did you mean 'tile'\?$"):
        getattr(hsfuse, function)("a.tif", "b.tif", tiles=64)


def test_an_option_like_no_other_names_them_all() -> None:
    """So that the right one can be found."""
    with pytest.raises(TypeError, match=r"'colour'; expected method, hs_sensor, .*overlap$"):
        hsfuse.fuse("a.tif", "b.tif", colour="red")
