"""Warped rasters: the right place on either side of 180 degrees, whatever the windows."""

import pickle

import dask
import dask.array as da
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import transform as points_between

from hsfuse.io.read import open_raster
from hsfuse.io.warp import Grid, unwrap_longitude, warp_to_grid

UTM = CRS.from_epsg(32633)
LAEA = CRS.from_epsg(3035)
DEGREES = CRS.from_epsg(4326)


def grid_around(crs: CRS, x: float, y: float, size: float, count: int) -> Grid:
    """Return a north-up square grid whose centre is at x, y."""
    corner = Affine(size, 0, x - size * count / 2, 0, -size, y + size * count / 2)
    return Grid(corner, crs, (count, count))


def raster_on(grid: Grid, values: NDArray[np.float32] | da.Array) -> xr.DataArray:
    """Return a lazy raster of those values, (band, y, x)."""
    array = xr.DataArray(values, dims=("band", "y", "x"), attrs={"source": "hs.tif"}).chunk()
    return array.rio.write_crs(grid.crs).rio.write_transform(grid.transform)


def noise(bands: int, count: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((bands, count, count), dtype=np.float32)


def laea_pair(values: NDArray[np.float32] | da.Array, size: float = 4.0) -> xr.DataArray:
    """Return a raster in LAEA warped onto a UTM grid of a quarter of the pixel size around it."""
    (x,), (y,) = points_between(UTM, LAEA, [400000], [5800000])
    own = grid_around(LAEA, x, y, size, values.shape[1])
    other = grid_around(UTM, 400000, 5800000, size / 4, 4 * values.shape[1])
    return warp_to_grid(raster_on(own, values), own, other)[0]


@pytest.mark.parametrize("chunk", [(17, 60), (64, 64), (23, 31)])
def test_the_result_does_not_depend_on_the_windows(chunk: tuple[int, int]) -> None:
    """Pieces of any size, steps included, are the pixels of the whole; 300 km, which curve."""
    values = noise(3, 60)
    values[:, 20:24, 30:33] = np.nan
    warped = laea_pair(values, size=5000.0)
    whole = warped.to_numpy()
    assert np.isfinite(whole).mean() > 0.5
    for row in range(0, whole.shape[1], chunk[0]):
        for column in range(0, whole.shape[2], chunk[1]):
            window = (slice(None), slice(row, row + chunk[0]), slice(column, column + chunk[1]))
            np.testing.assert_allclose(warped[window].to_numpy(), whole[window], atol=1e-5)
    np.testing.assert_allclose(warped[::2, 3:50:3, 5].to_numpy(), whole[::2, 3:50:3, 5], atol=1e-5)


def test_pixels_lack_data_where_the_nearest_source_pixel_does() -> None:
    """Band by band: a hole in one band leaves the others as they are."""
    values = noise(3, 40)
    full = laea_pair(values).to_numpy()
    values[1, 10:15, 20:24] = np.nan
    values[2] = np.nan
    warped = laea_pair(values).to_numpy()
    np.testing.assert_array_equal(warped[0], full[0])
    assert np.isnan(warped[2]).all()
    hole = np.isnan(warped[1]) & np.isfinite(full[1])
    assert abs(hole.sum() - 20) <= 4
    far = np.isfinite(warped[1]) & (np.abs(warped[1] - full[1]) > 1e-6)
    assert 0 < far.sum() < 100  # the rim of the hole: what is missing has no weight there


def test_a_source_larger_than_memory_is_read_in_part() -> None:
    """58 GB of source: a window of the warp takes what it needs of it."""
    huge = da.ones((4, 60_000, 60_000), dtype=np.float32, chunks=(4, 1000, 1000))
    window = laea_pair(huge)[:, 30_000:30_020, 30_000:30_030]
    np.testing.assert_allclose(window.to_numpy(), 1, rtol=1e-6)


def write(path, values: NDArray[np.float32], grid: Grid) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=grid.shape[0], width=grid.shape[1],
        dtype="float32", crs=grid.crs, transform=grid.transform,
    ) as target:  # fmt: skip
        target.write(values)


def test_two_opens_have_one_name_and_another_grid_another(tmp_path) -> None:
    """The name is made of the source and both grids; it survives pickling."""
    own = grid_around(LAEA, 4550000, 3270000, 4.0, 30)
    (x,), (y,) = points_between(LAEA, UTM, [4550000], [3270000])
    other = grid_around(UTM, x, y, 1.0, 60)
    write(tmp_path / "hs.tif", noise(2, 30), own)
    first, again = (warp_to_grid(open_raster(tmp_path / "hs.tif"), own, other)[0] for _ in range(2))
    assert first.data.name == again.data.name
    assert pickle.loads(pickle.dumps(first)).data.name == first.data.name
    west = grid_around(CRS.from_epsg(32632), x, y, 1.0, 60)
    assert warp_to_grid(open_raster(tmp_path / "hs.tif"), own, west)[0].data.name != first.data.name
    write(tmp_path / "other.tif", noise(2, 30), own)
    another = warp_to_grid(open_raster(tmp_path / "other.tif"), own, other)[0]
    assert another.data.name != first.data.name
    assert dask.base.tokenize(first.data) == dask.base.tokenize(again.data)


# Coordinates of one place at 180 degrees as different files state them.
SEAM = {
    "UTM 1N": CRS.from_epsg(32601),
    "UTM 60N": CRS.from_epsg(32660),
    "polar": CRS.from_epsg(3413),
    "Mercator": CRS.from_epsg(3857),
    "degrees": DEGREES,
    "ETRS89": CRS.from_epsg(4258),
}
TURNED = ("Mercator", "degrees", "ETRS89")
LATITUDE = 52.0
STATED = [(name, 0) for name in SEAM] + [(name, -1) for name in TURNED]
FINE = [("UTM 1N", 0), ("degrees", 0), ("degrees", -1), ("Mercator", 0)]


def seam_grid(name: str, turns: int, metres: float, count: int) -> Grid:
    """Return a grid centred on 180 degrees east, less whole turns where they are counted."""
    crs = SEAM[name]
    (x,), (y,) = points_between(DEGREES, crs, [180.0], [LATITUDE])
    if crs.is_geographic:
        x, size = 180.0 + 360 * turns, metres / 111320
    else:
        size = metres / np.cos(np.radians(LATITUDE)) if name == "Mercator" else metres
        x = abs(x) * (1 + 2 * turns) if name == "Mercator" else x
    return grid_around(crs, x, y, size, count)


def field_on(grid: Grid) -> NDArray[np.float64]:
    """Return a smooth function of the place at the centres of a grid's pixels."""
    rows, columns = np.indices(grid.shape) + 0.5
    x, y = grid.transform * (columns, rows)
    if grid.crs.is_geographic:
        x = (x + 180) % 360 - 180
    east, north = points_between(grid.crs, SEAM["UTM 1N"], x.ravel(), y.ravel())
    (x0,), (y0,) = points_between(DEGREES, SEAM["UTM 1N"], [180.0], [LATITUDE])
    phase = (np.array(east) - x0) / 60 + np.sin((np.array(north) - y0) / 90)
    return np.sin(phase).reshape(grid.shape)


@pytest.mark.parametrize("coarse", STATED, ids=str)
@pytest.mark.parametrize("fine", FINE, ids=str)
def test_grids_across_180_degrees_are_one_place(coarse: tuple, fine: tuple) -> None:
    """However either side counts: all of the fine grid is covered by a small, correct warp."""
    own, other = seam_grid(*coarse, 12.0, 130), seam_grid(*fine, 4.0, 120)
    if own.crs == other.crs:
        moved = unwrap_longitude(own, other)
        assert moved.centre == pytest.approx(other.centre, rel=1e-9)
        return
    values = field_on(own).astype(np.float32)[None]
    warped, transform = warp_to_grid(raster_on(own, values), own, other)
    assert max(warped.shape) < 300
    inside = ~other.transform * transform
    low, high = inside * (0, 0), inside * (warped.shape[2], warped.shape[1])
    assert max(low) < 0
    assert min(high) > 120
    found = warped.to_numpy()[0]
    place = Grid(transform, other.crs, found.shape)
    rows, columns = np.indices(found.shape) + 0.5
    x, y = inside * (columns, rows)
    over = (x > 0) & (x < 120) & (y > 0) & (y < 120)
    assert np.isfinite(found[over]).all()
    # A tenth of a pixel, 1.2 m, moves this field by at most 0.03.
    assert np.abs(found - field_on(place))[over].max() < 0.03


def test_a_grid_of_one_crs_is_moved_by_whole_turns_alone() -> None:
    """Where nothing is periodic, and where the grids are next to each other, it stays."""
    utm = grid_around(UTM, 400000, 5800000, 4.0, 30)
    far = grid_around(UTM, 40_400_000, 5800000, 4.0, 30)
    assert unwrap_longitude(utm, far) == utm
    near, other = (grid_around(DEGREES, x, 50, 0.001, 30) for x in (10.0, 10.1))
    assert unwrap_longitude(near, other) == near
