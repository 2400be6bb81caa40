import hashlib
import json
import sys

import numpy as np
import pytest
import rasterio
import rio_cogeo
import xarray as xr
import zarr
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning

from hsfuse.errors import OutputError, PlanError
from hsfuse.io.output.geotiff import _side, creation_profile, export_geotiff
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.output.planes import Planes
from hsfuse.io.output.zarr_layout import write_template
from hsfuse.io.settings import GEOTIFF

TRANSFORM = (2.5, 0.0, 400000.0, 0.0, -2.5, 5800000.0)
ROTATED = (2.0, 1.0, 400000.0, 1.0, -2.0, 5800000.0)


def make_store(path, **options) -> np.ndarray:
    parts = {
        "bands": 7,
        "rows": 100,
        "columns": 130,
        "transform": TRANSFORM,
        "crs_wkt": CRS.from_epsg(32633).to_wkt(),
        "chunk": (3, 32, 32),
        "wavelength": (450.0, 550.0, 650.0, 700.0, 750.0, 800.0, 900.5),
        "fwhm": (7.0, 7.5, 8.0, 8.0, 8.0, 8.0, 9.0),
        "good": (True, True, True, False, True, True, True),
        "covered": (True,) * 6 + (False,),
        "explained": (0.9, 0.95, 0.9, np.nan, 0.8, 0.8, 0.4),
        "band_name": ("Blue", "Green", "band 3", "", "", "", "900.5 nm"),
        "attributes": {"method": "guided"},
    }
    layout = OutputLayout(**parts | options)
    write_template(path, layout)
    stored = np.random.default_rng(0).random(layout.shape)
    if layout.dtype != "float32":
        stored *= 10000
    stored[:, :20, :40] = layout.fill
    stored = stored.astype(layout.dtype)
    zarr.open_array(path, path="cube", mode="r+")[:] = stored
    return stored


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint16"])
def test_pixels_grid_and_bands_arrive(tmp_path, dtype):
    numbers = {} if dtype == "float32" else {"scale": 1e-4, "offset": 0.25}
    stored = make_store(tmp_path / "a.zarr", dtype=dtype, **numbers)
    export_geotiff(tmp_path / "a.zarr", tmp_path / "a.tif", creation_options={"BLOCKSIZE": "32"})
    with rasterio.open(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source.read(), stored)
        assert source.crs == CRS.from_epsg(32633)
        assert tuple(source.transform)[:6] == TRANSFORM
        assert source.dtypes[0] == dtype
        nodata = {"float32": np.nan, "int16": -32768, "uint16": 65535}[dtype]
        np.testing.assert_equal(source.nodata, nodata)
        assert source.scales[6] == numbers.get("scale", 1.0)
        assert source.offsets[6] == numbers.get("offset", 0.0)
        assert source.descriptions[:4] == (
            "Blue (450.0 nm)",
            "Green (550.0 nm)",
            "650.0 nm",
            "700.0 nm",
        )
        assert source.descriptions[6] == "900.5 nm"
        assert source.tags(2, ns="IMAGERY") == {
            "CENTRAL_WAVELENGTH_UM": "0.55",
            "FWHM_UM": "0.0075",
        }
        envi = source.tags(ns="ENVI")
        assert envi["wavelength"] == "{450, 550, 650, 700, 750, 800, 900.5}"
        assert envi["wavelength_units"] == "Nanometers"
        assert source.tags(7, ns="HSFUSE")["COVERED_BY_MS_BANDS"] == "NO"
        assert source.tags(7, ns="HSFUSE")["EXPLAINED_BY_MS_BANDS"] == "0.400"
        assert "EXPLAINED_BY_MS_BANDS" not in source.tags(4, ns="HSFUSE")
        assert "COVERED_BY_MS_BANDS" not in source.tags(1, ns="HSFUSE")
        assert envi["bbl"] == "{1, 1, 1, 0, 1, 1, 1}"
        assert json.loads(source.tags()["HSFUSE_PROVENANCE"]) == {"method": "guided"}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.tif", "a.zarr"]


def test_natural_colours_and_statistics_are_stated(tmp_path):
    """Readers show the bands nearest 660, 560 and 480 nm, and need not look at the pixels."""
    stored = make_store(tmp_path / "a.zarr", dtype="int16", scale=1e-4).astype(float)
    for side in ("32", "144"):  # with overviews, and as one tile
        path = export_geotiff(
            tmp_path / "a.zarr",
            tmp_path / f"{side}.tif",
            creation_options={"BLOCKSIZE": side},
        )
        with rasterio.open(path) as source:
            assert [colour.name for colour in source.colorinterp[:3]] == ["blue", "green", "red"]
            assert source.tags(ns="ENVI")["default_bands"] == "{3, 2, 1}"
            for band, plane in enumerate(stored, start=1):
                known = plane[plane != -32768]
                tags = source.tags(band)
                found = [
                    float(tags[f"STATISTICS_{name}"])
                    for name in ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV", "VALID_PERCENT")
                ]
                assert found == pytest.approx(
                    [known.min(), known.max(), known.mean(), known.std(), 100 * known.size / 13000],
                    rel=1e-3,
                )


def test_a_cube_without_visible_bands_is_shown_in_false_colour(tmp_path):
    """And one without wavelengths as it is."""
    infrared = tuple(np.linspace(1000.0, 2400.0, 7))
    for name, wavelength, shown in (("a", infrared, 3), ("b", (np.nan,) * 7, 0)):
        make_store(tmp_path / f"{name}.zarr", wavelength=wavelength)
        export_geotiff(tmp_path / f"{name}.zarr", tmp_path / f"{name}.tif", creation_options={})
        with rasterio.open(tmp_path / f"{name}.tif") as source:
            colours = {"red", "green", "blue"} & {each.name for each in source.colorinterp}
            assert len(colours) == shown


def test_unknown_wavelengths_are_not_invented(tmp_path):
    unknown = (450.0, *[np.nan] * 6)
    make_store(tmp_path / "a.zarr", wavelength=unknown, fwhm=())
    export_geotiff(tmp_path / "a.zarr", tmp_path / "a.tif", creation_options={})
    with rasterio.open(tmp_path / "a.tif") as source:
        assert source.tags(1, ns="IMAGERY") == {"CENTRAL_WAVELENGTH_UM": "0.45"}
        assert source.tags(2, ns="IMAGERY") == {}
        assert source.descriptions[1:4] == ("Green", "band 3", None)
        assert set(source.tags(ns="ENVI")) == {"bbl"}


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
@pytest.mark.parametrize("compress", ["ZSTD", "DEFLATE", "NONE"])
def test_the_file_is_cloud_optimised(tmp_path, dtype, compress):
    """Directories first, then overviews from small to large, then the image; all tiled."""
    stored = make_store(tmp_path / "a.zarr", dtype=dtype)
    options = {"BLOCKSIZE": "32", "COMPRESS": compress}
    export_geotiff(tmp_path / "a.zarr", tmp_path / "a.tif", creation_options=options)
    with rasterio.open(tmp_path / "a.tif") as source:
        assert source.overviews(1) == source.overviews(7) == [2, 4, 8]
        assert source.profile["tiled"]
        assert source.block_shapes == [(32, 32)] * 7
        assert source.interleaving.value == "BAND"
        headers = [int(source.get_tag_item("IFD_OFFSET", "TIFF", bidx=1))]
        data = [int(source.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))]
        for level in range(3):
            headers.append(int(source.get_tag_item("IFD_OFFSET", "TIFF", bidx=1, ovr=level)))
            item = source.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1, ovr=level)
            data.append(int(item))
        assert headers == sorted(headers)
        assert data == sorted(data, reverse=True)
        assert headers[-1] < data[-1]
        half = source.read(1, out_shape=(50, 65))
    if dtype == "float32":
        with np.errstate(invalid="ignore"):
            expected = stored[0].reshape(50, 2, 65, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(half, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "rows", "columns", "options"),
    [
        ("float32", 600, 700, {}),
        ("int16", 1025, 130, {"BLOCKSIZE": "128", "BIGTIFF": "YES"}),
        ("uint16", 100, 130, {}),  # smaller than a tile: without overviews
        ("float32", 515, 33, {"BLOCKSIZE": "16", "COMPRESS": "LZW"}),
    ],
)
def test_an_independent_validator_agrees(tmp_path, dtype, rows, columns, options):
    """Whatever the type, the size, the tile, the compression and the kind of TIFF."""
    make_store(tmp_path / "a.zarr", rows=rows, columns=columns, chunk=(3, 256, 256), dtype=dtype)
    export_geotiff(tmp_path / "a.zarr", tmp_path / "a.tif", creation_options=options)
    assert rio_cogeo.cog_validate(tmp_path / "a.tif", strict=True) == (True, [], [])


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint16"])
@pytest.mark.parametrize(("rows", "columns"), [(128, 96), (131, 97), (300, 17)])
def test_overviews_are_those_of_gdal(tmp_path, dtype, rows, columns):
    """
    Means of the pixels with data, those at edges of odd images included.

    GDAL's own overviews of the file differ by the rounding of float32, or by one step of integers,
    each level being computed from the one before.
    """
    # Chunks that are no part of a tile, nor it of them.
    stored = make_store(
        tmp_path / "a.zarr", rows=rows, columns=columns, dtype=dtype, chunk=(3, 24, 20)
    )
    export_geotiff(tmp_path / "a.zarr", tmp_path / "a.tif", creation_options={"BLOCKSIZE": "16"})
    with rasterio.open(tmp_path / "a.tif") as source:
        np.testing.assert_array_equal(source.read(), stored)
        # rasterio states the quotient of the sizes, which is 7 where both were rounded up thrice.
        factors = [2 ** (level + 1) for level in range(len(source.overviews(1)))]
        nodata, profile = source.nodata, source.profile
    assert len(factors) >= 3
    with rasterio.open(tmp_path / "b.tif", "w", **profile) as target:
        target.write(stored)
    with rasterio.open(tmp_path / "b.tif", "r+") as target:
        target.build_overviews(factors, Resampling.average)
    for level in range(len(factors)):
        with (
            rasterio.open(tmp_path / "a.tif", OVERVIEW_LEVEL=level) as own,
            rasterio.open(tmp_path / "b.tif", OVERVIEW_LEVEL=level) as other,
        ):
            found, expected = own.read().astype(float), other.read().astype(float)
        empty = np.isnan(expected) if np.isnan(nodata) else expected == nodata
        np.testing.assert_array_equal(
            np.isnan(found) if np.isnan(nodata) else found == nodata, empty
        )
        difference = np.abs(found - expected)[~empty].max(initial=0)
        assert difference <= (1e-6 if dtype == "float32" else 1)


def test_each_chunk_is_read_once_for_the_overviews_and_once_for_the_tiles(tmp_path):
    """Counted are the files of chunks that are opened."""
    chunks = 7 // 3 + 1, 9, 5
    make_store(tmp_path / "a.zarr", rows=1100, columns=515, chunk=(3, 128, 128))
    opened: list[str] = []
    watched = str(tmp_path / "a.zarr" / "cube" / "c")

    def watch(event, arguments):
        if event == "open" and str(arguments[0]).startswith(watched):
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)  # stays, and sees nothing once the folder is gone
    for overviews, times in ((True, 2), (False, 1)):
        opened.clear()
        export_geotiff(
            tmp_path / "a.zarr",
            tmp_path / "a.tif",
            creation_options={},
            overviews=overviews,
            workers=2,
        )
        assert len(set(opened)) == np.prod(chunks)
        assert {opened.count(name) for name in opened} == {times}


def test_any_number_of_threads_writes_the_same_file(tmp_path):
    """The order of the tiles is not that in which they are encoded."""
    make_store(tmp_path / "a.zarr", rows=600, columns=200, chunk=(3, 64, 64))
    files = []
    for workers in (1, 3):
        path = tmp_path / f"{workers}.tif"
        options = {"BLOCKSIZE": "64"}
        export_geotiff(tmp_path / "a.zarr", path, creation_options=options, workers=workers)
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_without_overviews_it_is_a_plain_tiled_file(tmp_path):
    stored = make_store(tmp_path / "a.zarr")
    export_geotiff(
        tmp_path / "a.zarr",
        tmp_path / "a.tif",
        creation_options={"BLOCKSIZE": "48"},
        overviews=False,
    )
    with rasterio.open(tmp_path / "a.tif") as source:
        assert source.overviews(1) == []
        np.testing.assert_array_equal(source.read(), stored)


def test_a_rotated_grid_stays_rotated(tmp_path):
    make_store(tmp_path / "a.zarr", transform=ROTATED)
    export_geotiff(tmp_path / "a.zarr", tmp_path / "a.tif", creation_options={})
    with rasterio.open(tmp_path / "a.tif") as source:
        assert tuple(source.transform)[:6] == ROTATED


def test_a_raster_without_georeferencing_gets_none(tmp_path):
    make_store(tmp_path / "a.zarr", transform=(1, 0, 0, 0, 1, 0), crs_wkt=None)
    export_geotiff(tmp_path / "a.zarr", tmp_path / "a.tif", creation_options={})
    with pytest.warns(NotGeoreferencedWarning):
        source = rasterio.open(tmp_path / "a.tif")
    with source:
        assert source.crs is None
        assert source.transform.is_identity


def test_a_failed_export_keeps_the_old_file_and_leaves_nothing(tmp_path):
    make_store(tmp_path / "a.zarr")
    (tmp_path / "a.tif").write_text("old")
    chunk = tmp_path / "a.zarr" / "cube/c/2/3/4"
    chunk.write_bytes(b"")
    with pytest.raises((OutputError, ValueError, RuntimeError)):
        export_geotiff(tmp_path / "a.zarr", tmp_path / "a.tif", creation_options={})
    assert (tmp_path / "a.tif").read_text() == "old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.tif", "a.zarr"]


@pytest.mark.parametrize("overviews", [True, False])
def test_a_store_that_changed_is_not_exported(tmp_path, overviews):
    """Chunks are compared with their hashes as they are read: one that differs ends the export."""
    make_store(tmp_path / "a.zarr")
    chunks = [path for path in (tmp_path / "a.zarr/cube/c").rglob("*") if path.is_file()]
    hashes = {
        str(path.relative_to(tmp_path / "a.zarr")): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in chunks
    }
    options = {"creation_options": {"BLOCKSIZE": "32"}, "overviews": overviews, "hashes": hashes}
    export_geotiff(tmp_path / "a.zarr", tmp_path / "a.tif", **options)
    cube = zarr.open_array(tmp_path / "a.zarr", path="cube", mode="r+")
    cube[6, 99, 129] += 1
    with pytest.raises(OutputError, match="is not what was written"):
        export_geotiff(tmp_path / "a.zarr", tmp_path / "b.tif", **options)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.tif", "a.zarr"]


def test_an_export_that_loses_tiles_in_silence_gets_no_name(tmp_path):
    make_store(tmp_path / "a.zarr")
    # GDAL's own switch for trying out large files: it drops the tiles and reports success.
    with (
        rasterio.Env(GTIFF_DONT_WRITE_BLOCKS="YES"),
        pytest.raises(OutputError, match="did not encode"),
    ):
        export_geotiff(
            tmp_path / "a.zarr", tmp_path / "a.tif", creation_options={"COMPRESS": "NONE"}
        )
    assert [each.name for each in tmp_path.iterdir()] == ["a.zarr"]


def test_creation_options_reach_the_file(tmp_path):
    make_store(tmp_path / "a.zarr")
    options = {"compress": "deflate", "zlevel": "1", "BLOCKSIZE": "64", "PREDICTOR": "2"}
    export_geotiff(tmp_path / "a.zarr", tmp_path / "a.tif", creation_options=options)
    with rasterio.open(tmp_path / "a.tif") as source:
        assert source.profile["compress"] == "deflate"
        assert source.block_shapes[0] == (64, 64)
        assert source.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "2"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"NUM_THREADS": "ALL_CPUS"}, "COMPRESS, PREDICTOR, ZSTD_LEVEL, ZLEVEL, BLOCKSIZE"),
        ({"COMPRESS": "JPEG"}, "NONE, LZW, DEFLATE, ZSTD"),
        ({"ZSTD_LEVEL": "40"}, "1 to 22"),
        ({"BLOCKSIZE": "100"}, "multiple of 16"),
        ({"BLOCKSIZE": "0"}, "multiple of 16"),
        ({"PREDICTOR": "3"}, "float32"),
        ({"COMPRESS": "NONE", "PREDICTOR": "2"}, "needs COMPRESS"),
        ({"ZLEVEL": "3"}, "needs COMPRESS=DEFLATE"),
    ],
)
def test_creation_options_that_cannot_be_are_refused(options, message):
    layout = OutputLayout(3, 40, 64, TRANSFORM, dtype="uint16")
    with pytest.raises(PlanError, match=message):
        creation_profile(layout, options)


def test_a_large_output_is_a_bigtiff():
    large = OutputLayout(200, 20000, 20000, TRANSFORM)
    assert creation_profile(large, {})["BIGTIFF"] == "YES"
    assert creation_profile(large, {"BIGTIFF": "NO"})["BIGTIFF"] == "NO"


def test_the_store_is_read_whole_chunks_at_a_time_and_never_at_once(tmp_path):
    """The memory of an export is bounded by its pieces, which cover the cube exactly once."""
    layout = OutputLayout(150, 1100, 9000, TRANSFORM)
    write_template(tmp_path / "a.zarr", layout)
    planes = Planes.open(tmp_path / "a.zarr")
    seen = np.zeros((6, 1100, 9000), np.uint8)
    for piece in planes.pieces(*_side(planes, 512)):
        place = piece.rows.start, piece.columns.start
        assert place[0] % 512 == place[1] % 512 == piece.planes.start % 25 == 0
        assert piece.size * 4 <= GEOTIFF.piece_bytes
        seen[piece.planes.start // 25, piece.rows.slice, piece.columns.slice] += 1
    assert (seen == 1).all()


def test_the_store_is_left_as_it_was(tmp_path):
    stored = make_store(tmp_path / "a.zarr")
    export_geotiff(tmp_path / "a.zarr", tmp_path / "a.tif", creation_options={})
    with xr.open_zarr(tmp_path / "a.zarr", consolidated=False) as dataset:
        np.testing.assert_array_equal(dataset["cube"].values, stored)
