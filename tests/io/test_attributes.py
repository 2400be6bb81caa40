"""What hsfuse opens and fuses is written by every engine of xarray, and read back the same."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import hsfuse
from hsfuse.io.input.labels import join_notes, raster_notes
from hsfuse.synthetic.sample import write_sample


@pytest.fixture(scope="module")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, xr.DataArray]:
    """Return an opened and a fused raster with notes, in memory."""
    folder = tmp_path_factory.mktemp("pair")
    made = write_sample(
        folder, hs_sensor="generic-vnir", rgb_sensor="sentinel-2a:B3", size=(8, 8), ratio=3
    )
    opened = hsfuse.open_raster(made.scene)
    fused = hsfuse.fuse(made.scene, made.rgb, method="bicubic", align=False, tile=16)
    texts = ["a first note", "a second one"]
    return {
        "opened": opened.compute().assign_attrs(notes=join_notes(texts)),
        "fused": fused.compute().assign_attrs(notes=join_notes([*raster_notes(fused), *texts])),
    }


@pytest.mark.parametrize("engine", ["scipy", "h5netcdf", "zarr"])
@pytest.mark.parametrize("name", ["opened", "fused"])
def test_every_engine_writes_the_attributes(
    rasters: dict[str, xr.DataArray], tmp_path: Path, name: str, engine: str
) -> None:
    """Values, bands and notes are the same when hsfuse opens the file."""
    raster = rasters[name].rename("cube")
    path = tmp_path / ("out.zarr" if engine == "zarr" else "out.nc")
    if engine == "zarr":
        raster.to_zarr(path, consolidated=False)
    else:
        raster.to_netcdf(path, engine=engine)
    choices = {"consolidated": False} if engine == "zarr" else {}
    with xr.open_dataset(path, engine=engine, **choices) as dataset:
        again = dataset["cube"].load()
    assert raster_notes(again) == raster_notes(raster)
    np.testing.assert_array_equal(again.values, raster.values)
    opened = hsfuse.open_raster(path)
    np.testing.assert_array_equal(opened.values, raster.values)
    np.testing.assert_allclose(opened["wavelength"], raster["wavelength"])
    if name == "opened":  # a fused raster has notes on its inputs, not on how it was read
        assert raster_notes(opened)[: len(raster_notes(raster))] == raster_notes(raster)
