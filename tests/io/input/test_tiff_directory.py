"""Directories of TIFF files, read and written again, and tiles in them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from hsfuse.errors import OutputError
from hsfuse.io.input.tiff_directory import TiffVariant, read_directory, write_directories
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.output.planes import Planes
from hsfuse.io.output.tiff_tiles import encode_tiles, write_tiles
from hsfuse.io.output.zarr_layout import write_template

OPTIONS = {
    "TILED": "YES",
    "BLOCKXSIZE": "16",
    "BLOCKYSIZE": "32",
    "INTERLEAVE": "BAND",
    "COMPRESS": "DEFLATE",
}


def made(bands: int, rows: int, columns: int, **options: str) -> tuple[bytes, np.ndarray]:
    """Return a file of GDAL's, and its pixels."""
    values = np.random.default_rng(0).integers(0, 999, (bands, rows, columns)).astype(np.int16)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=columns,
            height=rows,
            count=bands,
            dtype="int16",
            nodata=-1,
            crs="EPSG:32633",
            transform=rasterio.Affine(2, 0, 400000, 0, -2, 5800000),
            **OPTIONS,
            **options,
        ) as target:
            target.write(values)
            target.update_tags(1, ns="X", name="ü" * 40)
            target.set_band_description(1, "first")
        return bytes(memory.getbuffer()), values


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("bands", "rows", "columns"), [(1, 9, 9), (3, 70, 40)])
def test_a_directory_is_written_as_it_was_read(big: bool, bands: int, rows: int, columns: int):
    """GDAL finds the same image, tags and tiles by it, of TIFF and BigTIFF, one tile and many."""
    content, values = made(bands, rows, columns, BIGTIFF="YES" if big else "NO")
    variant, directory = read_directory(content, bands)
    assert variant.big == big
    start = len(write_directories(variant, [directory]))
    directory.offsets[:] += np.uint64(start)  # the old file follows
    with (
        MemoryFile(write_directories(variant, [directory]) + content) as own,
        MemoryFile(content) as other,
        own.open() as found,
        other.open() as expected,
    ):
        np.testing.assert_array_equal(found.read(), values)
        assert found.profile == expected.profile
        assert found.tags(1, ns="X") == {"name": "ü" * 40}
        assert found.descriptions == expected.descriptions


def test_encoded_tiles_are_those_of_a_file():
    """Every tile of a part, in the order of planes, rows and columns, edges included."""
    content, values = made(2, 70, 40)
    directory = read_directory(content, 2)[1]
    tiles = encode_tiles(values, OPTIONS)
    assert [place for place, _ in tiles] == list(np.ndindex(2, 3, 3))
    for place, encoded in tiles:
        start, length = int(directory.offsets[place]), int(directory.counts[place])
        assert encoded == content[start : start + length]


def test_a_file_beyond_what_tiff_can_address_is_an_error(tmp_path: Path):
    """Offsets of four bytes end at 4 GiB; they never wrap."""
    write_template(tmp_path / "a.zarr", OutputLayout(1, 32, 32, (1, 0, 0, 0, -1, 0)))
    planes = Planes.open(tmp_path / "a.zarr")
    directory = read_directory(made(1, 32, 32)[0], 1)[1]
    with (tmp_path / "a.tif").open("wb") as file, ThreadPoolExecutor(1) as pool:
        file.seek(2**32 - 10)
        with pytest.raises(OutputError, match="BIGTIFF=YES"):
            write_tiles(
                file,
                TiffVariant(big=False),
                planes,
                directory,
                options=OPTIONS,
                side=(32, 32),
                pool=pool,
                ahead=1,
                advance=lambda _: None,
            )
