"""Files that end before their headers say are refused, whatever their format."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from raster_files import numbers, quiet, refused

from hsfuse.errors import RasterError
from hsfuse.io.read import open_raster

# Driver, name, the file that holds the pixels, creation options.
KINDS = [
    ("HFA", "a.img", "a.img", {}),
    ("HFA", "a.img", "a.img", {"COMPRESSED": "YES"}),
    ("HFA", "a.img", "a.ige", {"USE_SPILL": "YES"}),
    ("ISIS3", "a.cub", "a.cub", {}),
    ("ISIS3", "a.cub", "a.cub", {"TILED": "YES"}),
    ("ISIS3", "a.lbl", "a.cub", {"DATA_LOCATION": "EXTERNAL"}),
    ("ISIS3", "a.lbl", "a.tif", {"DATA_LOCATION": "GEOTIFF"}),
    ("PCIDSK", "a.pix", "a.pix", {"INTERLEAVING": "BAND"}),
    ("PCIDSK", "a.pix", "a.pix", {"INTERLEAVING": "PIXEL"}),
    ("PCIDSK", "a.pix", "a.003", {"INTERLEAVING": "FILE"}),
    ("PCIDSK", "a.pix", "a.pix", {"INTERLEAVING": "TILED"}),
    ("PCIDSK", "a.pix", "a.pix", {"INTERLEAVING": "TILED", "TILEVERSION": "1"}),
    ("PCIDSK", "a.pix", "a.pix", {"INTERLEAVING": "TILED", "COMPRESSION": "RLE"}),
    ("PDS4", "a.xml", "a.tif", {"IMAGE_FORMAT": "GEOTIFF"}),
]
# One band only, copied: these drivers create nothing.
COPIED = [
    ("PCRaster", "a.map", "a.map", {"PCRASTER_VALUESCALE": "VS_SCALAR"}),
    ("BT", "a.bt", "a.bt", {}),
    ("GSBG", "a.grd", "a.grd", {}),
    ("ILWIS", "a.mpr", "a.mp#", {}),
    ("SAGA", "a.sdat", "a.sdat", {}),
    ("RST", "a.rst", "a.rst", {}),
]
STORED = numbers("uint16", (3, 150, 170), top=240) + 10  # ISIS3 takes the lowest for no data


def written(folder: Path, driver: str, name: str, options: dict[str, str]) -> Path:
    with quiet(), rasterio.open(
        folder / name, "w", driver=driver, count=3, height=150, width=170, dtype="uint16",
        crs="EPSG:32633", transform=rasterio.Affine(30, 0, 4e5, 0, -30, 5e6), **options,
    ) as target:  # fmt: skip
        target.write(STORED)
    return folder / name


def cut(folder: Path, path: Path, data: str, end: float) -> Path:
    """Copy all files, and leave a share of one, or leave out its last bytes."""
    size = (folder / data).stat().st_size
    other = Path(shutil.copytree(folder, folder.with_name(f"cut_{end}")))
    os.truncate(other / data, int(size * end) if end > 0 else size + int(end))
    return other / path.name


@pytest.mark.parametrize(("driver", "name", "data", "options"), KINDS)
def test_a_file_that_ends_before_its_header_says_is_refused(
    tmp_path: Path, driver: str, name: str, data: str, options: dict[str, str]
) -> None:
    """The line names the file that is short, its bytes and those that it should have."""
    folder = tmp_path / "whole"
    folder.mkdir()
    path = written(folder, driver, name, options)
    np.testing.assert_array_equal(open_raster(path), STORED)
    for kept in (0.97, 0.6, 0.3):
        short = cut(folder, path, data, kept)
        size = str(short.with_name(data).stat().st_size)
        with pytest.raises(
            RasterError, match=f"{data}: truncated, it holds {size} bytes and .*byte"
        ):
            open_raster(short)


@pytest.mark.parametrize(
    ("driver", "data", "options"),
    [
        ("HFA", "a.ige", {"USE_SPILL": "YES"}),
        ("PCIDSK", "a.pix", {"INTERLEAVING": "TILED"}),
        ("PCIDSK", "a.001", {"INTERLEAVING": "FILE"}),
    ],
)
def test_one_byte_less_is_refused(tmp_path: Path, driver: str, data: str, options: dict) -> None:
    """Pixels reach the last byte of these files."""
    folder = tmp_path / "whole"
    folder.mkdir()
    path = written(folder, driver, "a.img" if driver == "HFA" else "a.pix", options)
    end = (folder / data).stat().st_size
    with pytest.raises(RasterError, match=f"{data}: truncated.* byte {end}; "):
        open_raster(cut(folder, path, data, -1))


@pytest.mark.parametrize(("driver", "name", "data", "options"), COPIED)
def test_short_files_of_one_band_are_refused(
    tmp_path: Path, driver: str, name: str, data: str, options: dict[str, str]
) -> None:
    """PCRaster maps were read from uninitialised memory, and whole maps of ILWIS refused."""
    folder = tmp_path / "whole"
    folder.mkdir()
    kind = "uint8" if driver == "RST" else "float32"
    stored = STORED[:1].astype(kind)
    with quiet():
        with rasterio.open(
            tmp_path / "a.tif", "w", driver="GTiff", count=1, height=150, width=170, dtype=kind,
            crs="EPSG:32633", transform=rasterio.Affine(30, 0, 4e5, 0, -30, 5e6),
        ) as target:  # fmt: skip
            target.write(stored)
        rasterio.shutil.copy(tmp_path / "a.tif", folder / name, driver=driver, **options)
    np.testing.assert_array_equal(open_raster(folder / name), stored)
    for kept in (0.97, 0.6, 0.3):
        refused(cut(folder, folder / name, data, kept), "truncated")


@pytest.mark.parametrize("options", [kind[3] for kind in KINDS if kind[0] == "PCIDSK"])
def test_space_that_is_reserved_for_tiles_need_not_be_there(
    tmp_path: Path, options: dict[str, str]
) -> None:
    """With overviews the header of a PCIDSK file declares more than the file holds."""
    path = written(tmp_path, "PCIDSK", "a.pix", options)
    with rasterio.open(path, "r+") as target:
        target.build_overviews([2, 4])
    np.testing.assert_array_equal(open_raster(path), STORED)
    blocks = int(path.read_bytes()[16:32])
    assert options["INTERLEAVING"] == "FILE" or blocks * 512 >= path.stat().st_size


@pytest.mark.parametrize("options", [{}, {"COMPRESSED": "YES"}, {"USE_SPILL": "YES"}])
def test_overviews_and_a_new_name_of_imagine_files(tmp_path: Path, options: dict[str, str]) -> None:
    """A renamed pair of files is found again, as GDAL finds it, and checked."""
    path = written(tmp_path, "HFA", "a.img", options)
    with rasterio.open(path, "r+") as target:
        target.build_overviews([2, 4])
    for file in list(tmp_path.iterdir()):
        file.rename(file.with_stem("b"))
    np.testing.assert_array_equal(open_raster(tmp_path / "b.img"), STORED)
    for data in sorted(tmp_path.iterdir()):
        os.truncate(data, int(data.stat().st_size * 0.6))
    with pytest.raises(RasterError, match="truncated"):
        open_raster(tmp_path / "b.img")
