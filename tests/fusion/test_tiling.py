"""The tiles of a pair are as large as a worker's memory allows."""

from dataclasses import dataclass, replace

import dask.array
import numpy as np
import pytest
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from rasterio.transform import Affine

from hsfuse.core.local_models import LocalModelAxis, LocalModelGrid
from hsfuse.fusion.tiling import WORKER_BUDGET, tile_pair, worker_bytes
from hsfuse.io.read import as_raster
from hsfuse.methods.bicubic import BicubicFuser
from hsfuse.pair.geometry import Pair, make_pair


def pair(bands: int, pixels: int) -> Pair:
    """Return a pair of so many HS bands and MS pixels a side, ratio 8."""
    rasters = []
    for count, size, side in ((bands, pixels // 8, 8.0), (3, pixels, 1.0)):
        wavelength = ("band", np.linspace(450, 650, count))
        raster = xr.DataArray(
            dask.array.zeros((count, size, size), dtype=np.float32, chunks=(-1, 256, 256)),
            dims=("band", "y", "x"),
            coords={"band": np.arange(1, count + 1), "wavelength": wavelength},
        )
        transform = Affine(side, 0, 500000, 0, -side, 5800000)
        placed = raster.rio.write_crs(32633).rio.write_transform(transform)
        rasters.append(as_raster(placed, "raster"))
    return make_pair(*rasters)


@dataclass(frozen=True)
class Sized(BicubicFuser):
    """A fuser that states what it needs."""

    channels: int = 40
    local_models: LocalModelGrid | None = None


@pytest.mark.parametrize(("bands", "channels"), [(1000, 10), (60, 1200)])
def test_a_tile_that_a_worker_has_no_memory_for_is_not_chosen(bands: int, channels: int) -> None:
    """Neither for its bands nor for the method; what is given is taken."""
    large, fuser = pair(bands, 2048), Sized(channels=channels)
    tilings = tile_pair(large, fuser)
    assert tilings[0].size * tilings[1].size < 512**2
    assert worker_bytes(large, fuser, tilings) <= WORKER_BUDGET
    given = tile_pair(large, fuser, 512)
    assert given[0].size == 512
    assert worker_bytes(large, fuser, given) > WORKER_BUDGET


def test_halos_are_small_against_tiles_and_small_pairs_use_two_cores() -> None:
    """Larger tiles where memory allows, more than one where that costs little."""
    far, near = Sized(reach=(20.0, 20.0)), Sized(reach=(4.0, 4.0))
    assert tile_pair(pair(60, 2048), far)[0].size == 1024
    assert tile_pair(pair(60, 2048), near)[0].size == 512
    for scene in (pair(60, 512), pair(60, 1024)):
        rows, columns = tile_pair(scene, near)
        assert rows.count * columns.count >= 2
    rows, columns = tile_pair(pair(60, 360), far)  # 256 rows and 104: one core has most of it
    assert rows.count * columns.count == 1


def test_tiles_have_less_halo_than_squares_of_their_memory() -> None:
    """A block as long as the scene reads no halo above and below; of equals the narrowest wins."""
    scene, fuser = pair(60, 1024), Sized(reach=(20.0, 20.0))
    rows, columns = tile_pair(scene, fuser)
    assert (rows.count, columns.count) == (1, 2)


def test_memory_is_that_of_the_pass_that_needs_more() -> None:
    """Of a block with the models that touch it, or of a unit."""
    scene, fuser = pair(60, 512), Sized()
    tilings = tile_pair(scene, fuser, 256)
    axis = LocalModelAxis((0.0, 16.0, 32.0, 48.0, 64.0), ramp=2.0)
    alone = worker_bytes(scene, fuser, tilings)
    with_models = replace(fuser, local_models=LocalModelGrid(axis, axis, size=1000))
    assert worker_bytes(scene, with_models, tilings) == alone + 9 * 4000
    costly = replace(fuser, local_models=LocalModelGrid(axis, axis, memory=2 * alone))
    assert worker_bytes(scene, costly, tilings) == 2 * alone
