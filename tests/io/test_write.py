import hashlib
import threading
import warnings
from pathlib import Path

import dask.array
import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
import zarr
from affine import Affine
from runs import chunk_files, new_store

from hsfuse.errors import OutputError, PlanError, RasterError
from hsfuse.io.output.formats import FORMATS, find_format
from hsfuse.io.read import open_raster
from hsfuse.io.write import (
    Journal,
    OutputLayout,
    blocks,
    check_output,
    check_space,
    finish,
    space_needed,
    write_raster,
)

# rioxarray 0.19 multiplies transforms the way affine 3 is about to deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

TRANSFORM = Affine(2.5, 0.0, 400000.0, 0.0, -2.5, 5800000.0)


def raster(values: np.ndarray | dask.array.Array | None = None) -> xr.DataArray:
    if values is None:
        values = np.random.default_rng(0).random((4, 300, 280), dtype=np.float32)
        values[:, :30, :20] = np.nan
        values = dask.array.from_array(values, chunks=(4, 256, 256))
    bands, rows, columns = values.shape
    array = xr.DataArray(
        values,
        dims=("band", "y", "x"),
        coords={
            "band": np.arange(1, bands + 1),
            "x": TRANSFORM.c + 2.5 * (np.arange(columns) + 0.5),
            "y": TRANSFORM.f - 2.5 * (np.arange(rows) + 0.5),
            "wavelength": ("band", np.linspace(400, 900, bands)),
            "fwhm": ("band", np.full(bands, 7.5)),
            "good": ("band", np.arange(bands) != 1),
            "band_name": ("band", [f"b{band}" for band in range(bands)]),
        },
        attrs={"sensor": "enmap"},
    )
    return array.rio.write_crs("EPSG:32633").rio.write_transform(TRANSFORM)


def names(folder) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def with_style(name: str) -> list[str]:
    """Return the files of an output that shows colours in QGIS."""
    return [name] if name.endswith(".zarr") else ["out.qml", name]


def layout(**options) -> OutputLayout:
    return OutputLayout(2, 48, 32, tuple(TRANSFORM)[:6], chunk=(2, 16, 16), **options)


def write_blocks(store, count=None):
    values = np.arange(2 * 48 * 32, dtype=np.float32).reshape(2, 48, 32)
    with Journal(store) as journal:
        done = journal.finished()
        for block in [block for block in blocks(store.layout, 16) if block not in done][:count]:
            rows = slice(block.row, block.row + 16)
            columns = slice(block.column, block.column + 16)
            journal.append(store.write(block.row, block.column, values[:, rows, columns]))


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_the_output_is_alone_in_its_folder_and_keeps_everything(tmp_path, name):
    array = raster()
    assert write_raster(array, tmp_path / name) == tmp_path / name
    assert names(tmp_path) == with_style(name)
    if name == "out.zarr":
        with xr.open_zarr(tmp_path / name, consolidated=False) as dataset:
            read = dataset["cube"].load()
            assert dataset.attrs["hsfuse:complete"] is True
            assert dataset.attrs["hsfuse:provenance"]["sensor"] == "enmap"
            assert dataset.attrs["hsfuse:provenance"]["missing_values"] == 2400
            assert read["band"].attrs["band_name"] == ["b0", "b1", "b2", "b3"]
        np.testing.assert_array_equal(read["wavelength"], array["wavelength"])
    else:
        with rioxarray.open_rasterio(tmp_path / name) as source:
            read = source.load()
    assert read.rio.crs == array.rio.crs
    assert read.rio.transform() == TRANSFORM
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read.values, array.values)


def test_a_finished_store_opens_in_xarray_without_a_warning(tmp_path):
    """Its group holds a copy of all metadata, which xarray looks for."""
    array = raster()
    write_raster(array, tmp_path / "out.zarr", dtype="int16", scale=2e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_zarr(tmp_path / "out.zarr") as dataset:
            assert dataset.attrs["hsfuse:complete"] is True
            np.testing.assert_allclose(dataset["cube"].values, array.values, atol=1.01e-4)
    assert zarr.open_group(tmp_path / "out.zarr").metadata.consolidated_metadata is not None


def test_what_fuse_takes_is_written(tmp_path):
    """Packed integers, other names of dimensions and paths are written as the values they mean."""
    array = raster()
    stored = np.where(np.isnan(array.values), -1, np.round(array.values * 1e3)).astype(np.int16)
    packed = (
        array.copy(data=stored)
        .assign_attrs(_FillValue=-1, scale_factor=1e-3)
        .rename(y="lat", x="lon")
        .transpose("lat", "lon", "band")
    )
    write_raster(packed, tmp_path / "first.tif")
    write_raster(tmp_path / "first.tif", tmp_path / "second.zarr")
    for name in ("first.tif", "second.zarr"):
        found = open_raster(tmp_path / name)
        assert found.rio.transform() == TRANSFORM
        np.testing.assert_allclose(found.values, array.values, atol=5.1e-4)
    with pytest.raises(OutputError, match="also an input"):
        write_raster(tmp_path / "first.tif", tmp_path / "first.tif", overwrite=True)


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_integers_keep_values_to_half_a_step(tmp_path, name, dtype):
    array = raster()
    write_raster(array, tmp_path / name, dtype=dtype, scale=2e-4, offset=0.5)
    if name == "out.zarr":
        with xr.open_zarr(tmp_path / name, consolidated=False) as dataset:
            read = dataset["cube"].values
    else:
        with rasterio.open(tmp_path / name) as source:
            stored = source.read(masked=True)
            assert stored.dtype == dtype
            read = (stored * source.scales[0] + source.offsets[0]).filled(np.nan)
    np.testing.assert_array_equal(np.isnan(read), np.isnan(array.values))
    expected = array.values if dtype == "int16" else np.maximum(array.values, 0.5)
    np.testing.assert_allclose(read, expected, atol=1.01e-4)


def test_each_block_is_computed_once(tmp_path):
    calls = []

    def count(block):
        calls.append(block.shape)
        return block

    values = dask.array.zeros((4, 600, 520), chunks=(4, 512, 256), dtype=np.float32)
    values = values.map_blocks(count, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    write_raster(raster(values), tmp_path / "out.zarr")
    assert len(calls) == values.npartitions == 6


def test_blocks_are_computed_in_parallel(tmp_path):
    """Each of two blocks waits for the other, which one worker would never compute."""
    together = threading.Barrier(2)

    def wait(block):
        together.wait(timeout=60)
        return block

    values = dask.array.ones((4, 256, 512), chunks=(4, 256, 256), dtype=np.float32)
    values = values.map_blocks(wait, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    write_raster(raster(values), tmp_path / "out.zarr", workers=2)
    with xr.open_zarr(tmp_path / "out.zarr", consolidated=False) as dataset:
        assert (dataset["cube"] == 1).all()


def test_any_number_of_workers_writes_the_same_bytes(tmp_path):
    for workers in (1, 4):
        write_raster(raster(), tmp_path / f"{workers}.zarr", workers=workers)
    assert chunk_files(tmp_path / "1.zarr") == chunk_files(tmp_path / "4.zarr")


def test_a_block_that_fails_ends_the_write_and_leaves_what_is_done(tmp_path):
    """The error is the block's own; nobody writes any more; a resume goes on."""
    fail = [True]

    def break_last(block, block_info=None):
        if fail[0] and block_info[0]["chunk-location"][2] == 2:
            raise ValueError("broken")
        return block

    values = dask.array.ones((2, 256, 768), chunks=(2, 256, 256), dtype=np.float32)
    values = values.map_blocks(break_last, dtype=np.float32, name="broken-or-not")
    with pytest.raises(ValueError, match="broken"):
        write_raster(raster(values), tmp_path / "out.zarr", workers=1)
    fail[0] = False
    counted = []
    write_raster(
        raster(values),
        tmp_path / "out.zarr",
        resume=True,
        progress=lambda done, total: counted.append((done, total)),
    )
    assert counted[-1] == (3, 3)
    assert len(counted) < 3


def test_a_partial_output_is_refused_before_a_block_is_computed(tmp_path):
    """Without resume or overwrite, in one line."""
    store = new_store(tmp_path / "out.tif", layout(), plan_hash="p")
    write_blocks(store, 2)

    def fail(block):
        pytest.fail("a block was computed")

    values = dask.array.ones((2, 48, 32), chunks=-1, dtype=np.float32)
    values = values.map_blocks(fail, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    with pytest.raises(OutputError, match="left 2 finished tiles; pass `resume=True`"):
        write_raster(raster(values), tmp_path / "out.tif")


def test_every_format_says_what_it_is_called_and_takes():
    """No two formats claim one name, and each refuses options that it does not know."""
    suffixes = [suffix for row in FORMATS for suffix in row.suffixes]
    assert (
        sorted(set(suffixes))
        == sorted(suffixes)
        == [
            ".bsq",
            ".dat",
            ".nc",
            ".tif",
            ".tiff",
            ".zarr",
        ]
    )
    for row in FORMATS:
        assert all(find_format(Path(f"a{suffix.upper()}")) is row for suffix in row.suffixes)
        row.check_options({}, "int16")
        with pytest.raises(PlanError, match="creation option"):
            row.check_options({"NO_SUCH_OPTION": "1"}, "float32")


def test_an_interrupted_write_resumes_to_the_same_bytes(tmp_path):
    array = raster()
    write_raster(array, tmp_path / "whole.zarr")
    steps = []

    def interrupt(done, total):
        steps.append(done)
        if len(steps) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_raster(array, tmp_path / "out.zarr", progress=interrupt)
    assert names(tmp_path) == ["out.zarr.partial", "whole.zarr"]
    with pytest.raises(OutputError, match="2 finished tiles"):
        write_raster(array, tmp_path / "out.zarr")
    with pytest.raises(OutputError, match="other inputs"):
        write_raster(array + 1, tmp_path / "out.zarr", resume=True)
    write_raster(array, tmp_path / "out.zarr", resume=True)
    assert names(tmp_path) == ["out.zarr", "whole.zarr"]
    assert chunk_files(tmp_path / "out.zarr") == chunk_files(tmp_path / "whole.zarr")


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_damage_is_found_before_the_name_is_given_and_repaired_by_resume(tmp_path, name):
    store = new_store(tmp_path / name, layout(), plan_hash="p")
    write_blocks(store)
    chunk = store.root / store.chunk_keys()[3]
    good = chunk.read_bytes()
    chunk.write_bytes(good[:-1] + bytes([good[-1] ^ 4]))
    with Journal(store) as journal, pytest.raises(OutputError, match="1 of 6 chunks are not what"):
        finish(store, journal)
    assert names(tmp_path) == [name + ".partial"]
    store = new_store(tmp_path / name, layout(), plan_hash="p", resume=True)
    write_blocks(store)
    assert chunk.read_bytes() == good
    with Journal(store) as journal:
        finish(store, journal)
    assert names(tmp_path) == [name]


def test_an_unfinished_store_is_not_finished(tmp_path):
    store = new_store(tmp_path / "out.zarr", layout(), plan_hash="p")
    write_blocks(store, 4)
    with Journal(store) as journal, pytest.raises(OutputError, match="2 of 6 chunks are not wri"):
        finish(store, journal)


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_overwrite_keeps_the_old_output_until_the_new_one_is_ready(tmp_path, name):
    write_raster(raster(np.zeros((1, 20, 20), np.float32)), tmp_path / name)
    before = (tmp_path / name).stat().st_ino
    new = raster(dask.array.ones((1, 300, 300), chunks=(1, 256, 256), dtype=np.float32))
    with pytest.raises(OutputError, match="overwrite=True"):
        write_raster(new, tmp_path / name)

    def watch(done, total):
        assert (tmp_path / name).stat().st_ino == before

    write_raster(new, tmp_path / name, overwrite=True, progress=watch)
    assert names(tmp_path) == [name]
    assert (tmp_path / name).stat().st_ino != before


def test_an_overwritten_geotiff_does_not_inherit_sidecars(tmp_path):
    array = raster(np.zeros((1, 20, 20), np.float32))
    write_raster(array, tmp_path / "out.tif")
    (tmp_path / "out.tif.aux.xml").write_text("<PAMDataset/>")
    write_raster(array, tmp_path / "out.tif", overwrite=True)
    assert names(tmp_path) == ["out.tif"]


def test_finish_does_not_replace_what_came_up_meanwhile(tmp_path):
    store = new_store(tmp_path / "out.tif", layout(), plan_hash="p")
    write_blocks(store)
    (tmp_path / "out.tif").write_text("somebody's")
    with Journal(store) as journal, pytest.raises(OutputError, match="exists already"):
        finish(store, journal)
    assert (tmp_path / "out.tif").read_text() == "somebody's"


def test_outputs_that_cannot_be_are_refused(tmp_path):
    (tmp_path / "in.tif").touch()
    (tmp_path / "photos.zarr").mkdir()
    for path, options, message in (
        (tmp_path / "out.img", {}, r"\.tif, \.tiff, \.zarr, \.dat, \.bsq, \.nc"),
        (tmp_path / "none" / "out.tif", {}, "no folder"),
        (tmp_path / "in.tif", {}, "overwrite=True"),
        (tmp_path / "in.tif", {"overwrite": True, "inputs": [tmp_path / "in.tif"]}, "input"),
        (tmp_path / "x.zarr", {"inputs": [tmp_path / "x.zarr" / "cube"]}, "input"),
        (tmp_path / "photos.zarr", {"overwrite": True}, "not a zarr store"),
    ):
        with pytest.raises(OutputError, match=message):
            check_output(path, **options)
    (tmp_path / "link.tif").symlink_to(tmp_path / "in.tif")
    with pytest.raises(OutputError, match="input"):
        check_output(tmp_path / "link.tif", overwrite=True, inputs=[tmp_path / "in.tif"])
    assert check_output(tmp_path / "OUT.TIF") == tmp_path / "OUT.TIF"


def test_a_raster_is_not_written_over_its_own_source(tmp_path):
    write_raster(raster(), tmp_path / "out.tif")
    array = raster().assign_attrs(source=str(tmp_path / "out.tif"))
    with pytest.raises(OutputError, match="also an input"):
        write_raster(array, tmp_path / "out.tif", overwrite=True)


def test_an_output_replaces_no_input_by_a_file_beside_it(tmp_path):
    """Record, picture and report have the name of the output with another end."""
    for end in ("json", "png", "html"):
        source = tmp_path / f"out.tif.{end}"
        with pytest.raises(OutputError, match=f"{end} beside it would be replaced"):
            check_output(tmp_path / "out.tif", inputs=[tmp_path / "other.tif", source])
    assert check_output(tmp_path / "out.tif", inputs=[tmp_path / "out.png"])


def test_pixels_of_no_regular_grid_are_refused(tmp_path):
    """Some columns of a raster would be written as if they were neighbours; every second are."""
    whole = open_raster(write_raster(raster(), tmp_path / "whole.tif"))
    with pytest.raises(RasterError, match="x is not evenly spaced"):
        write_raster(whole.isel(x=[1, 2, 9]), tmp_path / "out.tif")
    with pytest.raises(PlanError, match="at least one pixel"):
        write_raster(whole.isel(x=slice(0, 0)), tmp_path / "out.tif")
    second = open_raster(write_raster(whole.isel(x=slice(1, None, 2)), tmp_path / "second.tif"))
    np.testing.assert_allclose(second.x, whole.x[1::2])


def test_links_are_replaced_and_not_what_they_lead_to(tmp_path):
    """A store is written under the name of the link; a link to itself is one line."""
    small = raster().isel(x=slice(0, 8), y=slice(0, 8))
    kept = write_raster(small, tmp_path / "kept.zarr")
    (tmp_path / "link.zarr").symlink_to(kept)
    write_raster(small, tmp_path / "link.zarr", overwrite=True)
    assert (tmp_path / "link.zarr" / "zarr.json").is_file()
    assert not (tmp_path / "link.zarr").is_symlink()
    np.testing.assert_array_equal(open_raster(kept).values, small.values)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept.zarr", "link.zarr"]
    (tmp_path / "loop.tif").symlink_to(tmp_path / "loop.tif")
    write_raster(small, tmp_path / "loop.tif")
    assert not (tmp_path / "loop.tif").is_symlink()


def test_a_disk_that_is_too_small_is_refused_before_the_start(tmp_path):
    big = OutputLayout(400, 10**6, 10**6, tuple(TRANSFORM)[:6])
    with pytest.raises(OutputError, match=r"needs about .*B, its disk has .*B free"):
        check_space(tmp_path / "a.tif", space_needed(big, tmp_path / "a.tif"))
    check_space(tmp_path / "a.tif", 1)


def test_options_that_do_not_apply_are_refused_before_the_start(tmp_path):
    for name, options in (("a.zarr", {"COMPRESS": "LZW"}), ("a.tif", {"NUM_THREADS": "4"})):
        with pytest.raises(PlanError, match="creation option"):
            write_raster(raster(), tmp_path / name, creation_options=options)
    with pytest.raises(PlanError, match="needs a scale"):
        write_raster(raster(), tmp_path / "a.tif", dtype="uint16")
    assert names(tmp_path) == []


def test_a_finished_store_carries_its_checksums(tmp_path: Path) -> None:
    """Every chunk file is listed with its hash, in the form of sha256sum."""
    values = np.random.default_rng(0).random((3, 40, 50)).astype(np.float32)
    path = write_raster(xr.DataArray(values, dims=("band", "y", "x")).chunk(), tmp_path / "a.zarr")
    listed = dict(
        reversed(line.split("  "))
        for line in (path / "cube" / "checksums.sha256").read_text().splitlines()
    )
    chunks = [p for p in (path / "cube" / "c").rglob("*") if p.is_file()]
    assert listed == {
        str(p.relative_to(path / "cube")): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in chunks
    }
