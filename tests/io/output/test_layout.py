import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import rioxarray  # noqa: F401 - the .rio accessor
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.errors import PlanError
from hsfuse.io.output.encoding import encode
from hsfuse.io.output.layout import OutputLayout, blocks, default_block_size

# rioxarray 0.19 multiplies transforms the way affine 3 is about to deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

TRANSFORM = (2.5, 0.0, 400000.1, 0.0, -2.5, 5800000.3)


def raster(rows: int = 40, columns: int = 50) -> xr.DataArray:
    array = xr.DataArray(
        np.zeros((2, rows, columns), np.float32),
        dims=("band", "y", "x"),
        coords={
            "x": TRANSFORM[2] + 2.5 * (np.arange(columns) + 0.5),
            "y": TRANSFORM[5] - 2.5 * (np.arange(rows) + 0.5),
            "wavelength": ("band", [450.0, math.nan]),
        },
    )
    return array.rio.write_crs("EPSG:32633").rio.write_transform(Affine(*TRANSFORM))


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 3), st.integers(1, 3))
def test_blocks_cover_every_pixel_once_and_share_no_chunk(rows, columns, down, across):
    layout = OutputLayout(1, rows, columns, TRANSFORM, chunk=(1, 16, 8))
    size = (down * layout.chunk[1], across * layout.chunk[2])
    count = np.zeros((rows, columns), int)
    for block in blocks(layout, size):
        assert block.row % layout.chunk[1] == 0
        assert block.column % layout.chunk[2] == 0
        count[block.row : block.row + block.rows, block.column : block.column + block.columns] += 1
    assert (count == 1).all()


def test_a_block_that_would_share_a_chunk_is_refused():
    layout = OutputLayout(1, 64, 64, TRANSFORM, chunk=(1, 16, 16))
    with pytest.raises(PlanError, match="multiple of the chunk"):
        blocks(layout, 24)
    with pytest.raises(PlanError, match="multiple of the chunk"):
        blocks(layout, 0)


@pytest.mark.parametrize(
    ("bands", "depth"), [(1, 1), (25, 25), (26, 13), (60, 20), (61, 21), (224, 25)]
)
def test_chunks_hold_hardly_more_bands_than_the_output_has(bands, depth):
    """Bands beyond the last one would be padding, which is compressed and read all the same."""
    layout = OutputLayout(bands, 300, 300, TRANSFORM, chunk=(25, 256, 256))
    assert layout.chunk == (depth, 256, 256)
    count = math.ceil(bands / depth)
    assert count == math.ceil(bands / 25)
    assert count * depth - bands < count
    assert replace(layout).chunk == layout.chunk  # as a layout that is read from a store


@pytest.mark.parametrize("bands", [3, 150, 450, 5000])
def test_default_block_is_whole_chunks_and_bounded(bands):
    layout = OutputLayout(bands, 20000, 20000, TRANSFORM)
    rows, columns = default_block_size(layout)
    assert rows % 256 == columns % 256 == 0
    assert rows <= 1024
    assert rows == 256 or bands * rows * columns * 4 <= 128 * 2**20


@pytest.mark.parametrize(
    ("dtype", "low", "high", "nodata"),
    [("int16", -32767, 32767, -32768), ("uint16", 0, 65534, 65535)],
)
def test_encode_saturates_and_counts_instead_of_wrapping(dtype, low, high, nodata):
    layout = OutputLayout(1, 1, 7, TRANSFORM, dtype=dtype, scale=1.0)
    values = np.array([[[np.nan, -1e9, 1e9, np.inf, -np.inf, nodata, 12.4]]], np.float32)
    stored, clipped = encode(values, layout)
    assert stored.dtype == dtype
    limit = low if nodata < 0 else high
    assert stored.ravel().tolist() == [nodata, low, high, high, low, limit, 12]
    assert clipped == 5


@given(st.floats(1e-5, 10), st.floats(-5, 5), st.integers(0, 65534))
def test_encode_and_decode_differ_by_half_a_step_at_most(scale, offset, steps):
    layout = OutputLayout(1, 1, 1, TRANSFORM, dtype="uint16", scale=scale, offset=offset)
    value = steps * scale + offset
    stored, clipped = encode(np.array([[[value]]]), layout)
    assert clipped == 0
    assert abs(float(stored[0, 0, 0]) * scale + offset - value) <= 0.500001 * scale


def test_float32_is_kept_bit_for_bit():
    values = np.array([[[0.1, np.nan, -3e38]]], np.float32)
    stored, clipped = encode(values, OutputLayout(1, 1, 3, TRANSFORM))
    assert stored.tobytes() == values.tobytes()
    assert clipped == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float64"}, "float32, int16, uint16"),
        ({"dtype": "int16", "nodata": -9999}, "-32768 or 32767"),
        ({"dtype": "int16", "scale": 0.0}, "positive"),
        ({"dtype": "int16", "scale": math.nan}, "positive"),
        ({"scale": 0.1}, "without scaling"),
        ({"wavelength": (1.0, 2.0)}, "one entry a band"),
        ({"rows": 0}, "at least one"),
    ],
)
def test_contradictions_are_refused(options, message):
    parts = {"bands": 3, "rows": 4, "columns": 5, "transform": TRANSFORM} | options
    with pytest.raises(PlanError, match=message):
        OutputLayout(**parts)


def test_layout_survives_pickling_and_clips_its_chunk():
    layout = OutputLayout(3, 40, 500, TRANSFORM, attributes={"inputs": ["a", "b"]})
    again = pickle.loads(pickle.dumps(layout))
    assert again.fingerprint() == layout.fingerprint()
    assert again.attributes == layout.attributes
    assert layout.chunk == (3, 40, 256)


def test_attributes_are_no_part_of_the_fingerprint():
    one = OutputLayout(1, 4, 4, TRANSFORM, attributes={"started": "now"})
    assert one.fingerprint() == OutputLayout(1, 4, 4, TRANSFORM).fingerprint()


def test_layout_of_a_raster_keeps_grid_and_bands():
    layout = OutputLayout.of(raster())
    assert layout.transform == TRANSFORM
    assert "UTM zone 33N" in layout.crs_wkt
    assert layout.wavelength[0] == 450.0
    assert math.isnan(layout.wavelength[1])
    assert layout.good == (True, True)


def test_layout_of_a_window_moves_the_origin_exactly():
    layout = OutputLayout.of(raster().isel(y=slice(3, 20), x=slice(5, 6)))
    assert layout.transform == (2.5, 0, TRANSFORM[2] + 12.5, 0, -2.5, TRANSFORM[5] - 7.5)


def test_layout_of_a_thinned_raster_does_not_believe_the_stated_pixel_size():
    layout = OutputLayout.of(raster().isel(y=slice(None, None, 2), x=slice(None, None, 2)))
    assert layout.transform[0] == pytest.approx(5.0)
    assert layout.transform[4] == pytest.approx(-5.0)
    assert layout.transform[2] == pytest.approx(TRANSFORM[2] - 1.25)


def test_integers_without_a_scale_are_refused():
    with pytest.raises(PlanError, match="needs a scale"):
        OutputLayout.of(raster(), dtype="int16")
