"""ENVI and netCDF outputs: what comes back, who else opens them, and what is not replaced."""

from pathlib import Path

import h5netcdf
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine

from hsfuse.errors import OutputError
from hsfuse.io.output import envi
from hsfuse.io.output.provenance import read_provenance
from hsfuse.io.read import open_raster
from hsfuse.io.write import write_raster

TRANSFORM = Affine(2.5, 0.0, 400000.0, 0.0, -2.5, 5800000.0)
FORMATS = ["out.dat", "out.nc", "out.tif", "out.zarr"]


def raster(transform: Affine = TRANSFORM, *, error: bool = False) -> xr.DataArray:
    """Return four bands with gaps."""
    draw = np.random.default_rng(0)
    values = draw.random((4, 41, 33), dtype=np.float32)
    values[:, :5, :7] = np.nan
    array = xr.DataArray(
        values,
        dims=("band", "y", "x"),
        coords={
            "wavelength": ("band", [480.5, 560.0, 660.25, 900.0]),
            "fwhm": ("band", [7.5, 7.0, 6.5, 9.0]),
            "good": ("band", [True, True, True, False]),
            "band_name": ("band", ["blue, deep", "green", "red", "band 4"]),
        },
        attrs={"units": "reflectance", "plan": "abc"},
    )
    if error:
        array = array.assign_coords(standard_error=(("y", "x"), values[1] / 10))
    return array.rio.write_crs("EPSG:32633").rio.write_transform(transform)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_back_what_was_written(tmp_path: Path, name: str):
    """Values, gaps, standard error, wavelengths, widths, good bands, names, grid, provenance."""
    array = raster(error=True)
    found = open_raster(write_raster(array, tmp_path / name))
    np.testing.assert_array_equal(found.values, array.values)
    for key in ("wavelength", "fwhm", "good"):
        np.testing.assert_array_equal(found[key], array[key], err_msg=key)
    assert [str(each).split()[0].strip(",;") for each in found["band_name"].values[:3]] == [
        "blue",
        "green",
        "red",
    ]
    assert found.rio.crs == array.rio.crs
    assert found.rio.transform() == TRANSFORM
    np.testing.assert_array_equal(found["standard_error"], array["standard_error"])
    assert read_provenance(tmp_path / name)["plan"] == "abc"


@pytest.mark.parametrize(
    ("name", "dtype", "scale", "offset"),
    [
        ("out.dat", "int16", 1e-4, 0.0),
        ("out.dat", "uint16", 3e-4, 0.25),
        ("out.nc", "uint16", 3e-4, 0.25),
    ],
)
def test_integers_come_back_as_those_of_the_store(
    tmp_path: Path, name: str, dtype: str, scale: float, offset: float
):
    """Scale and offset apply once, whichever field of the format states them."""
    options = {"dtype": dtype, "scale": scale, "offset": offset}
    write_raster(raster(error=True), tmp_path / name, **options)
    write_raster(raster(error=True), tmp_path / "out.zarr", **options)
    found, stored = open_raster(tmp_path / name), open_raster(tmp_path / "out.zarr")
    np.testing.assert_allclose(found.values, stored.values, rtol=1e-6)
    np.testing.assert_allclose(found["standard_error"], stored["standard_error"], rtol=1e-6)
    assert found.attrs["source_dtype"] == dtype


@pytest.mark.parametrize("name", FORMATS[:2])
def test_a_rotated_grid_comes_back(tmp_path: Path, name: str):
    """Its transform is stated, since it has no coordinates of columns and rows."""
    turned = TRANSFORM * Affine.rotation(30.0)
    found = open_raster(write_raster(raster(turned), tmp_path / name))
    assert found.rio.transform().almost_equals(turned, 1e-6)


@pytest.mark.parametrize("name", ["out.dat", "out.nc"])
@pytest.mark.parametrize("crs", [None, "EPSG:2263", "EPSG:2222"])
def test_no_crs_and_feet_of_both_kinds_come_back(tmp_path: Path, name: str, crs: str | None):
    """GDAL reads the unit of map info, not of the CRS, and a local CRS where there is none."""
    array = raster().drop_vars("spatial_ref").rio.write_transform(TRANSFORM)
    if crs is not None:
        array = array.rio.write_crs(crs)
    path = write_raster(array, tmp_path / name)
    found = open_raster(path)
    assert found.rio.crs == array.rio.crs
    assert found.rio.transform() == TRANSFORM
    if crs is not None:
        with rasterio.open(path if name == "out.dat" else f"netcdf:{path}:cube") as dataset:
            assert dataset.crs == array.rio.crs


def test_a_netcdf_file_opens_in_xarray_and_gdal(tmp_path: Path):
    """In xarray with CRS, wavelengths and names as coordinates; in GDAL on the same grid."""
    write_raster(raster(), tmp_path / "out.nc", dtype="int16", scale=1e-4)
    with xr.open_dataset(tmp_path / "out.nc", engine="h5netcdf", decode_coords="all") as dataset:
        cube = dataset["cube"]
        assert cube.rio.crs == "EPSG:32633"
        assert cube.rio.transform() == TRANSFORM
        assert list(cube["band_name"].values[1:3]) == ["green (560.0 nm)", "red (660.2 nm)"]
        np.testing.assert_allclose(cube.values, raster().values, atol=5.1e-5)
    with rasterio.open(f"netcdf:{tmp_path / 'out.nc'}:cube") as dataset:
        assert dataset.crs == "EPSG:32633"
        assert dataset.transform == TRANSFORM
        assert dataset.scales[0] == 1e-4
    with h5netcdf.File(tmp_path / "out.nc") as file:
        assert file["cube"].compression == "gzip"


def test_an_envi_header_says_what_programs_of_the_field_look_for(tmp_path: Path):
    """Reflectance by its divisor, red, green and blue, bad bands, lists with an entry a band."""
    write_raster(raster(error=True), tmp_path / "out.dat", dtype="int16", scale=1e-4)
    text = (tmp_path / "out.hdr").read_text()
    for line in (
        "data type = 2",
        "reflectance scale factor = 10000",
        "default bands = {3, 2, 1}",
        "bbl = {1, 1, 1, 0}",
        "wavelength = {480.5, 560, 660.25, 900}",
        "wavelength units = Nanometers",
        "data ignore value = -32768",
        "map info = {UTM, 1, 1, 400000, 5800000, 2.5, 2.5, 33, North,WGS-84}",
    ):
        assert f"{line}\n" in text
    with rasterio.open(tmp_path / "out.dat") as dataset:
        assert dataset.count == 4
        assert dataset.descriptions[:2] == (
            "blue; deep (480.5 Nanometers)",
            "green (560 Nanometers)",
        )


def test_parts_make_the_numbers_of_the_whole(tmp_path: Path, monkeypatch):
    """However narrow the strips are in which the store is read."""
    write_raster(raster(error=True), tmp_path / "a.dat")
    monkeypatch.setattr(envi, "ENVI", type(envi.ENVI)(piece_bytes=1))
    array = raster(error=True).chunk({"y": 16, "x": 16})
    write_raster(array, tmp_path / "b.dat")
    for name in ("{}.dat", "{}_standard_error.dat"):
        first, second = (tmp_path / name.format(each) for each in "ab")
        assert first.read_bytes() == second.read_bytes()


def test_files_of_an_envi_output_replace_nothing_unasked(tmp_path: Path):
    """Neither the header of another file, nor, though asked, that of an input."""
    write_raster(raster(), tmp_path / "scene.bsq")
    with pytest.raises(OutputError, match=r"scene\.hdr: exists already"):
        write_raster(raster(), tmp_path / "scene.dat")
    source = open_raster(tmp_path / "scene.bsq")
    with pytest.raises(OutputError, match=r"scene\.hdr beside it would be replaced"):
        write_raster(source, tmp_path / "scene.dat", overwrite=True)


def test_an_overwritten_envi_output_keeps_no_standard_error(tmp_path: Path):
    """Its file would be taken for that of the new output."""
    write_raster(raster(error=True), tmp_path / "out.dat")
    write_raster(raster(), tmp_path / "out.dat", overwrite=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out.dat", "out.hdr", "out.qml"]
    assert "standard_error" not in open_raster(tmp_path / "out.dat").coords


def test_what_interrupts_an_envi_export_leaves_no_header(tmp_path: Path, monkeypatch):
    """A header of old numbers would describe new ones; a resume writes both."""
    write_raster(raster(), tmp_path / "out.dat")
    whole = (tmp_path / "out.dat").read_bytes()

    def stop(ready, path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(envi, "move_file", stop)
        with pytest.raises(KeyboardInterrupt):
            write_raster(raster() + 1, tmp_path / "out.dat", overwrite=True)
    assert not (tmp_path / "out.hdr").exists()
    write_raster(raster() + 1, tmp_path / "out.dat", overwrite=True, resume=True)
    assert (tmp_path / "out.dat").read_bytes() != whole
    np.testing.assert_array_equal(open_raster(tmp_path / "out.dat"), raster() + 1)
