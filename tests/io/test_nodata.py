from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
from affine import Affine
from raster_files import SHAPE, TRANSFORM, check_contract, numbers, refused, write_envi, write_tiff

from hsfuse.errors import RasterError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.read import open_raster


def test_a_colour_pixel_lacks_data_where_all_bands_say_so(tmp_path: Path) -> None:
    """A number that means no data is also white or black in one band; of an HS image it is not."""
    stored = numbers("uint8", (3, *SHAPE[1:]), 250)
    stored[1, 5, 5:9] = 255
    stored[:, 20:24, 30:33] = 255
    raster = open_raster(write_tiff(tmp_path / "rgb.tif", stored, nodata=255))
    missing = np.isnan(raster.values)
    assert missing[:, 20:24, 30:33].all()
    assert missing.sum() == 3 * 4 * 3
    assert raster.attrs["nodata_where"] == "every band holds it"
    assert np.isnan(raster.isel(band=1, y=slice(20, 22), x=30).values).all()
    np.testing.assert_array_equal(raster[1, 5, 5:9].values, 255)
    many = numbers("uint16", (20, *SHAPE[1:]))
    many[3, 2, 2] = 0
    raster = open_raster(write_tiff(tmp_path / "hs.tif", many, nodata=0))
    assert np.isnan(raster.values).sum() == 1
    assert "nodata_where" not in raster.attrs


def test_a_mask_file_takes_data_away(tmp_path: Path) -> None:
    """Where it is 0 or has no data itself; any window of it."""
    stored = numbers()
    kept = np.ones((1, *SHAPE[1:]), np.uint8)
    kept[0, 10:20, 5:30] = 0
    kept[0, 30, 40] = 99
    cube = write_tiff(tmp_path / "cube.tif", stored)
    mask = write_tiff(tmp_path / "mask.tif", kept, nodata=99)
    raster = open_raster(cube, mask=mask)
    check_contract(raster)
    expected = stored.astype(np.float32)
    expected[:, (kept[0] == 0) | (kept[0] == 99)] = np.nan
    np.testing.assert_array_equal(raster.values, expected)
    np.testing.assert_array_equal(
        raster.isel(band=[3, 1], y=slice(8, 12), x=20).values, expected[[3, 1], 8:12, 20]
    )
    assert raster.attrs["mask_file"] == str(mask)
    assert dask.base.tokenize(raster.data) != dask.base.tokenize(open_raster(cube).data)


@pytest.mark.parametrize(
    ("shape", "moved", "words"),
    [
        (
            (1, 40, 47),
            0.0,
            "has 40 rows x 47 columns, and .*cube.tif, which it masks, 40 rows x 48 ",
        ),
        ((1, 40, 48), 5.0, "lies elsewhere than .*cube.tif"),
    ],
)
def test_a_mask_of_another_grid_is_refused(
    tmp_path: Path, shape: tuple[int, int, int], moved: float, words: str
) -> None:
    """In one line that names both files."""
    cube = write_tiff(tmp_path / "cube.tif", numbers())
    mask = write_tiff(
        tmp_path / "mask.tif",
        np.ones(shape, np.uint8),
        transform=TRANSFORM * Affine.translation(moved, 0),
    )
    with pytest.raises(RasterError, match=f"mask.tif: {words}"):
        open_raster(cube, mask=mask)


@pytest.mark.parametrize(
    ("dtype", "nodata", "empty"),
    [
        ("uint8", 255, 255),
        ("int16", -9999, -9999),
        ("float32", np.nan, np.nan),
        ("float32", -3.4028234663852886e38, -3.4028234663852886e38),
        ("float32", 0.1, 0.1),
        ("float32", -3.4e38, -3.4028234663852886e38),
        ("float64", -1.79769e308, -1.7976931348623157e308),
        ("float64", -9999.1, np.float32(-9999.1)),
        ("float64", -9999.0, -9999.0),
    ],
)
def test_no_data_becomes_nan(tmp_path, dtype, nodata, empty) -> None:
    stored = numbers(dtype, top=200)
    stored[:, 2:5, 3:9] = empty
    raster = open_raster(write_tiff(tmp_path / "a.tif", stored, nodata=nodata)).values
    assert np.isnan(raster[:, 2:5, 3:9]).all()
    assert np.isfinite(raster).sum() == stored.size - stored[:, 2:5, 3:9].size


def test_no_data_differs_from_band_to_band(tmp_path) -> None:
    stored = numbers(shape=(2, 20, 20), top=9)
    write_tiff(tmp_path / "a.tif", stored)
    bands = "".join(
        f'<VRTRasterBand dataType="Int16" band="{band}"><NoDataValue>{nodata}</NoDataValue>'
        f'<SimpleSource><SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
        f"<SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band, nodata in ((1, 3), (2, 7))
    )
    path = tmp_path / "a.vrt"
    path.write_text(f'<VRTDataset rasterXSize="20" rasterYSize="20">{bands}</VRTDataset>')
    raster = open_raster(path)
    empty = np.array([3, 7])[:, None, None]
    np.testing.assert_array_equal(raster, np.where(stored == empty, np.nan, stored))
    assert raster.attrs["nodata"] == [3.0, 7.0]


def test_a_nodata_number_that_cannot_be_stored_hides_nothing(tmp_path) -> None:
    stored = numbers("uint8", top=255)
    data = write_envi(tmp_path, stored, data_ignore_value=-9999)
    np.testing.assert_array_equal(open_raster(data), stored)


def test_an_alpha_band_is_a_mask_and_no_band(tmp_path) -> None:
    stored = numbers("uint8", shape=(4, 32, 32), top=250)
    stored[3] = 255
    stored[3, :5] = 0
    path = write_tiff(tmp_path / "a.tif", stored, photometric="RGB", alpha="YES")
    raster = open_raster(path)
    check_contract(raster, (3, 32, 32))
    assert raster.attrs["mask"] == "alpha band 4"
    np.testing.assert_array_equal(raster, np.where(stored[3] == 0, np.nan, stored[:3]))


def test_an_internal_mask_hides_pixels(tmp_path) -> None:
    stored, mask = numbers(), np.full((40, 48), 255, dtype="uint8")
    mask[7:9] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write_tiff(tmp_path / "a.tif", stored)
        with rasterio.open(path, "r+") as target:
            target.write_mask(mask)
    raster = open_raster(path)
    np.testing.assert_array_equal(raster, np.where(mask == 0, np.nan, stored))
    assert raster.attrs["mask"] == "mask of all bands"


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("count", "photometric"), [(2, "MINISBLACK"), (4, "RGB"), (5, "RGB")])
def test_an_alpha_band_of_many_values_is_a_band(tmp_path, dtype, count, photometric) -> None:
    """Near infrared that the writer tagged as alpha; zeros in it are values, and a note says so."""
    top = 250 if dtype == "uint8" else 4000
    stored = numbers(dtype, shape=(count, 32, 32), top=top)
    band = min(count, 4)
    stored[band - 1, :5] = 0
    path = write_tiff(tmp_path / "a.tif", stored, photometric=photometric, alpha="YES")
    raster = open_raster(path)
    np.testing.assert_array_equal(raster, stored)
    assert raster_notes(raster) == [
        f"band {band} is tagged as alpha and holds many values: it is taken for a band"
    ]
    assert "mask" not in raster.attrs


def test_numbers_of_a_colour_table_are_refused(tmp_path) -> None:
    """They are no measurements."""
    path = write_tiff(tmp_path / "a.tif", numbers("uint8", shape=(1, 16, 16), top=4))
    with rasterio.open(path, "r+") as target:
        target.write_colormap(1, {0: (0, 0, 0, 255), 1: (255, 0, 0, 255)})
    refused(path, "colour table", "expand")
