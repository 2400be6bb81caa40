"""Images of half the size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.core.grid import Span
from hsfuse.core.overview import Halving, halve, halved_length

LENGTHS = st.integers(1, 40)


def halved(image: np.ndarray, rows: Span, columns: Span, fill: float) -> np.ndarray:
    """Return a part of the overview of an image, from no more of it than is needed."""
    axes = [
        Halving(length, span) for length, span in zip(image.shape, (rows, columns), strict=True)
    ]
    first = [max(axis.source.start - axis.margin, 0) for axis in axes]
    part = image[first[0] : axes[0].source.stop, first[1] : axes[1].source.stop][None]
    missing = [axis.source.start - axis.margin < 0 for axis in axes]
    return halve(np.pad(part, ((0, 0), *((edge, 0) for edge in missing)), "edge"), *axes, fill)[0]


def whole(image: np.ndarray, fill: float = np.nan) -> np.ndarray:
    """Return the overview of an image."""
    return halved(image, *(Span(0, halved_length(length)) for length in image.shape), fill)


@given(LENGTHS, LENGTHS)
def test_the_mean_is_kept_and_the_ground_stays_where_it_is(rows: int, columns: int):
    """A plane stays the same plane, also where the size is odd: each pixel is seen once."""
    y, x = np.mgrid[:rows, :columns] + 0.5
    found = whole((2 * y + 3 * x).astype(np.float32))
    ratios = rows / found.shape[0], columns / found.shape[1]
    y, x = np.mgrid[: found.shape[0], : found.shape[1]] + 0.5
    inner = slice(1, -1) if min(found.shape) > 2 else slice(None)
    expected = 2 * y * ratios[0] + 3 * x * ratios[1]
    # Within a pixel the plane is a staircase: up to an eighth of a step off where it is cut.
    np.testing.assert_allclose(found[inner, inner], expected[inner, inner], atol=0.7)
    np.testing.assert_allclose(found.mean(), (2 * rows + 3 * columns) / 2, rtol=1e-5)


@given(LENGTHS, LENGTHS, st.integers(1, 9), st.sampled_from(["float32", "int16"]), st.data())
def test_parts_are_those_of_the_whole(
    rows: int, columns: int, side: int, dtype: str, data: st.DataObject
):
    """Bit for bit, wherever the parts begin, with and without data."""
    draw = np.random.default_rng(data.draw(st.integers(0, 9)))
    fill = np.nan if dtype == "float32" else -32768
    image = (1000 * draw.standard_normal((rows, columns))).astype(dtype)
    image[draw.random(image.shape) < 0.2] = fill
    expected = whole(image, fill)
    for y in range(0, expected.shape[0], side):
        for x in range(0, expected.shape[1], side):
            spans = (
                Span(start, min(start + side, length))
                for start, length in zip((y, x), expected.shape, strict=True)
            )
            found = halved(image, *spans, fill)
            np.testing.assert_allclose(
                found, expected[y : y + side, x : x + side], rtol=1e-6, atol=1e-3
            )


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint16"])
def test_pixels_without_data_count_nothing(dtype: str):
    """Four neighbours give the mean of those with data, and none where there is none."""
    fill = {"float32": np.nan, "int16": -32768, "uint16": 65535}[dtype]
    image = np.full((4, 4), fill).astype(dtype)
    image[0, 0], image[3, 2], image[3, 3] = 4, 6, 8
    expected = np.array([[4, fill], [fill, 7]])
    np.testing.assert_array_equal(whole(image, fill), expected.astype(dtype))
