"""Writers of small raster files, and what every opened raster has to be."""

import warnings
from contextlib import contextmanager
from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from zarr.errors import UnstableSpecificationWarning

from hsfuse.errors import HsfuseError, RasterError
from hsfuse.io.read import open_raster

TRANSFORM = Affine(2.5, 0.0, 400000.0, 0.0, -2.5, 5800000.0)
SHAPE = (5, 40, 48)
AXES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}


def numbers(dtype="int16", shape=SHAPE, top=1000) -> np.ndarray:
    return np.random.default_rng(0).integers(1, top, shape).astype(dtype)


@contextmanager
def quiet():
    """Silence what the writers of the test files say; open_raster must say nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warnings.simplefilter("ignore", UnstableSpecificationWarning)
        yield


def write_tiff(path, stored, *, transform=TRANSFORM, crs="EPSG:32633", **profile) -> Path:
    bands, rows, columns = stored.shape
    profile = {"tiled": True, "blockxsize": 16, "blockysize": 16} | profile
    place = {"crs": crs, "transform": transform} if transform is not None else {}
    with quiet(), rasterio.open(
        path, "w", driver="GTiff", count=bands, height=rows, width=columns,
        dtype=stored.dtype, **place, **profile,
    ) as target:  # fmt: skip
        target.write(stored)
    return path


def write_envi(folder, stored, *, interleave="bsq", name="scene.dat", **fields) -> Path:
    bands, rows, columns = stored.shape
    data = folder / name
    stored.transpose(AXES[interleave]).tofile(data)
    types = {"uint8": 1, "int16": 2, "float32": 4, "complex64": 6}
    header = {
        "samples": columns, "lines": rows, "bands": bands, "header offset": 0,
        "data type": types[str(stored.dtype)], "interleave": interleave, "byte order": 0,
    } | fields  # fmt: skip
    text = "\n".join(f"{key.replace('_', ' ')} = {value}" for key, value in header.items())
    data.with_suffix(".hdr").write_text(f"ENVI\n{text}\n")
    return data


def write_store(path, array, *, version=3, **encoding) -> Path:
    options = {array.name: encoding} if encoding else None
    with quiet():
        array.to_dataset().to_zarr(path, zarr_format=version, consolidated=False, encoding=options)
    return path


def cube(stored, **coords) -> xr.DataArray:
    _, rows, columns = stored.shape
    array = xr.DataArray(
        stored,
        dims=("band", "y", "x"),
        coords={
            "y": 5800000.0 - 2.5 * (np.arange(rows) + 0.5),
            "x": 400000.0 + 2.5 * (np.arange(columns) + 0.5),
            **coords,
        },
        name="cube",
    )
    return array.rio.write_crs(32633).rio.write_transform(TRANSFORM)


def check_contract(raster, shape=SHAPE) -> None:
    assert raster.dims == ("band", "y", "x")
    assert raster.shape == shape
    assert raster.dtype == np.float32
    assert dask.is_dask_collection(raster)
    assert raster.data.numblocks[0] == 1
    for name, kind in {"wavelength": "f", "fwhm": "f", "good": "b", "band_name": "T"}.items():
        assert raster[name].dims == ("band",)
        assert raster[name].dtype.kind == kind
    assert raster["band"].values.tolist() == list(range(1, shape[0] + 1))
    assert {"source", "sensor", "wavelength_source", "georeferenced", "source_dtype"} <= set(
        raster.attrs
    )
    values = raster.values
    assert values.dtype == np.float32
    assert values.shape == shape


def refused(path, *words) -> None:
    with pytest.raises(RasterError) as caught:
        open_raster(path)
    message = str(caught.value)
    assert isinstance(caught.value, HsfuseError)
    assert "\n" not in message
    for word in (Path(path).name, *words):
        assert word in message
