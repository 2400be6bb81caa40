"""Fill is found by its own marks, and nothing that was measured is taken for it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hsfuse.core.fill import find_fills, find_unexpected, range_of

SIZE = 40


def measured(bands: int, size: int = SIZE, seed: int = 0) -> np.ndarray:
    """Return smooth reflectances of 0.02 to 0.6 with noise, float32."""
    draw = np.random.default_rng(seed)
    planes = gaussian_filter(draw.normal(size=(bands, size, size)), (min(bands / 8, 3), 2, 2))
    planes = (planes - planes.min()) / np.ptp(planes)
    return (0.02 + 0.58 * planes + 0.002 * draw.random((bands, size, size))).astype(np.float32)


def place(shape: str, size: int = SIZE) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    return {
        "corner": rows + columns < 14,
        "frame": (np.minimum(rows, columns) < 2) | (np.maximum(rows, columns) >= size - 2),
        "stripes": columns % 20 > 17,
    }[shape]


def as_bytes(cube: np.ndarray) -> np.ndarray:
    return np.round(cube * 400).astype(np.float32)


@pytest.mark.parametrize("shape", ["corner", "frame", "stripes"])
@pytest.mark.parametrize("bands", [30, 4, 3])
@pytest.mark.parametrize("kind", ["-9999", "-32768", "0", "factor", "65535", "255"])
def test_a_fill_is_found_where_it_is(kind: str, bands: int, shape: str) -> None:
    """All of it and nothing else, whatever the number and wherever it lies."""
    cube, fill = measured(bands), place(shape)
    if kind in ("65535", "-32768"):
        cube = np.round(cube * 10000).astype(np.float32)
    if kind in ("0", "255") and bands < 16:
        cube = np.maximum(as_bytes(cube), 1)
    numbers = (
        np.full(bands, np.float32(kind))
        if kind != "factor"
        else -0.9999 * (np.linspace(0.9, 1.4, bands).astype(np.float32))
    )
    cube[:, fill] = numbers[:, None]
    found = find_fills([cube])
    assert len(found) == 1
    within = found[0].within(cube)
    np.testing.assert_array_equal(within, np.broadcast_to(fill, cube.shape))
    assert found[0].share == pytest.approx(fill.mean(), rel=1e-5)


def test_two_fills_are_both_found() -> None:
    """A frame of 0 about stripes of -9999."""
    cube = measured(30)
    cube[:, place("stripes")] = -9999
    cube[:, place("frame")] = 0
    assert {fill.number for fill in find_fills([cube])} == {0.0, -9999.0}


def test_a_fill_in_one_window_of_several_is_found() -> None:
    """Windows of a large image are looked at together."""
    windows = [measured(30, seed=seed) for seed in range(3)]
    windows[2][:, place("corner")] = -9999
    (fill,) = find_fills(windows)
    assert fill.number == -9999.0


def shade() -> np.ndarray:
    """Return bytes with shadows that end in 0 and glare that ends in 255, both in all bands."""
    level = gaussian_filter(np.random.default_rng(1).normal(size=(160, 160)), 8)
    level = 255 * (0.5 + 1.2 * level / np.ptp(level))
    noise = np.random.default_rng(2).normal(size=(3, 160, 160))
    return np.clip(np.round(level + 3 * noise), 0, 255).astype(np.float32)


@pytest.mark.parametrize(
    "cube",
    [
        measured(30),
        measured(3),
        shade(),
        np.where(place("corner"), 0.0, 1.0).astype(np.float32)[None].repeat(3, axis=0),
        np.full((30, SIZE, SIZE), 0.3, np.float32),
        measured(30)[:, :: SIZE - 1, :: SIZE - 1].repeat(20, axis=1).repeat(20, axis=2),
        np.full((30, SIZE, SIZE), np.nan, np.float32),
    ],
    ids=["spectra", "colours", "shade", "mask", "constant", "four materials", "nothing"],
)
def test_measurements_are_no_fill(cube: np.ndarray) -> None:
    """Shade that fades to 0, glare, masks, flat and noise-free images stay as they are."""
    assert find_fills([cube]) == []


def test_clipped_water_is_no_fill() -> None:
    """Zeros in some bands of many pixels are values: only all bands together are none."""
    cube = measured(30)
    cube[15:, place("corner")] = 0
    assert find_fills([cube]) == []


def test_what_is_known_to_be_missing_is_left_alone() -> None:
    """NaN beside the fill changes nothing; the image that was given is not touched."""
    cube = measured(30)
    cube[:, 30:, 30:] = np.nan
    cube[:, place("corner")] = -9999
    before = cube.copy()
    (fill,) = find_fills([cube])
    np.testing.assert_array_equal(fill.within(cube)[0], place("corner"))
    np.testing.assert_array_equal(cube, before)


@pytest.mark.parametrize("bands", [30, 3])
@pytest.mark.parametrize("number", [-9999, 0])
@pytest.mark.parametrize("share", ["region", "all"])
def test_fill_that_a_sample_did_not_show_is_found_in_a_part(
    bands: int, number: int, share: str
) -> None:
    """Also where the part holds nothing else."""
    part = measured(bands, seed=1)
    part[:, place("corner") if share == "region" else slice(None)] = number
    assert find_unexpected(part, range_of([measured(bands)])) == [number]


def test_values_far_below_a_sample_are_found_though_no_two_are_the_same() -> None:
    """Resampling mixes a fill with measurements."""
    part = measured(30, seed=1)
    part[:, 3:5, 3:5] -= np.linspace(2, 9, 4, dtype=np.float32).reshape(2, 2)
    (lowest,) = find_unexpected(part, range_of([measured(30)]))
    assert lowest == part.min()


@pytest.mark.parametrize("bands", [30, 3])
def test_values_somewhat_beyond_a_sample_are_measured(bands: int) -> None:
    """A part may be darker and brighter than what a sample showed."""
    sample = measured(bands)[:, :10, :10] * 0.5 + 0.1
    assert find_unexpected(measured(bands, seed=1), range_of([sample])) == []
    assert find_unexpected(np.full((bands, 5, 5), np.nan, np.float32), range_of([sample])) == []
