import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import rioxarray  # noqa: F401 - the .rio accessor
import xarray as xr
from rasterio.crs import CRS
from runs import new_store

from hsfuse.core.discrepancy import Discrepancy
from hsfuse.errors import OutputError, PlanError, RasterError
from hsfuse.io.output.creation import create_store
from hsfuse.io.output.destination import verify
from hsfuse.io.output.journal import Journal, Receipt
from hsfuse.io.output.layout import OutputLayout, blocks
from hsfuse.io.output.leftover import remove_partial
from hsfuse.io.output.zarr_layout import read_layout, write_template

# rioxarray 0.19 multiplies transforms the way affine 3 is about to deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

NORTH_UP = (2.5, 0.0, 400000.0, 0.0, -2.5, 5800000.0)
ROTATED = (2.0, 1.0, 400000.0, 1.0, -2.0, 5800000.0)


def layout(**options) -> OutputLayout:
    parts = {
        "bands": 5,
        "rows": 40,
        "columns": 50,
        "transform": NORTH_UP,
        "crs_wkt": CRS.from_epsg(32633).to_wkt(),
        "chunk": (2, 16, 16),
        "wavelength": (450.0, 550.0, 650.0, np.nan, 900.0),
        "fwhm": (7.0, 7.0, np.nan, 8.0, 9.0),
        "good": (True, True, False, True, True),
        "covered": (True, True, True, True, False),
        "explained": (0.9, 0.95, np.nan, 0.8, 0.4),
        "band_name": ("Blue", "Grün", "", "x", ""),
        "attributes": {"method": "guided", "inputs": ["a.tif", "b.tif"]},
    }
    return OutputLayout(**parts | options)


def cube(seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((5, 40, 50), dtype=np.float32)
    values[:, :16, :16] = np.nan  # whole chunks without data, for which no file is written
    values[2, 20, 20] = np.nan
    return values


def write_all(store, values, journal, skip=frozenset()):
    for block in blocks(store.layout, 32):
        if block not in skip:
            rows = slice(block.row, block.row + block.rows)
            columns = slice(block.column, block.column + block.columns)
            journal.append(store.write(block.row, block.column, values[:, rows, columns]))


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED])
@pytest.mark.parametrize("crs_wkt", [layout().crs_wkt, None])
@pytest.mark.parametrize(
    "numbers", [{}, {"dtype": "int16", "scale": 1e-4}, {"dtype": "uint16", "offset": -0.1}]
)
def test_a_template_says_back_what_it_was_told(tmp_path, transform, crs_wkt, numbers):
    told = layout(transform=transform, crs_wkt=crs_wkt, **numbers)
    write_template(tmp_path / "a.zarr", told)
    read = read_layout(tmp_path / "a.zarr")
    assert read.fingerprint() == told.fingerprint()
    assert read.attributes == told.attributes


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED])
def test_xarray_and_rioxarray_see_grid_and_bands(tmp_path, transform):
    write_template(tmp_path / "a.zarr", layout(transform=transform))
    with xr.open_zarr(tmp_path / "a.zarr", consolidated=False) as dataset:
        array = dataset["cube"]
        assert array.rio.crs == CRS.from_epsg(32633)
        assert tuple(array.rio.transform())[:6] == transform
        assert array["wavelength"].attrs["units"] == "nm"
        assert array["good"].dtype == bool
        np.testing.assert_array_equal(array["fwhm"], layout().fwhm)
        assert ("x" in array.coords) == (transform == NORTH_UP)
        assert array.isnull().all()
        assert array.attrs["spatial:transform"] == list(transform)
        assert array.attrs["proj:code"] == "EPSG:32633"


def test_coordinates_are_pixel_centres_with_the_axes_of_the_crs(tmp_path):
    write_template(tmp_path / "a.zarr", layout())
    with xr.open_zarr(tmp_path / "a.zarr", consolidated=False) as dataset:
        assert dataset["x"].values[[0, -1]].tolist() == [400001.25, 400123.75]
        assert dataset["y"].values[[0, -1]].tolist() == [5799998.75, 5799901.25]
        assert dataset["x"].attrs["standard_name"] == "projection_x_coordinate"


def test_another_folder_is_not_taken_for_a_store(tmp_path):
    with pytest.raises(RasterError, match="not a zarr store"):
        read_layout(tmp_path)


def test_values_come_back_and_the_receipt_counts(tmp_path):
    store = new_store(tmp_path / "a.zarr", layout(dtype="uint16", scale=1e-4), plan_hash="p")
    values = cube()
    values[0, 20, :3] = [-1, 7, 99]
    receipt = pickle.loads(pickle.dumps(store)).write(0, 0, values)
    assert receipt.clipped == 3
    assert receipt.missing == 5 * 256 + 1
    compared = replace(receipt, spatial=Discrepancy(0.1, 1 / 3, 7), spectral=Discrepancy(2e-9))
    for each in (receipt, compared):
        assert Receipt.from_json(each.to_json()) == each
    assert len(receipt.chunks) == 3 * 3 * 4
    assert sum(digest is None for digest in receipt.chunks.values()) == 3
    with xr.open_zarr(store.root, consolidated=False) as dataset:
        read = dataset["cube"].values
    np.testing.assert_array_equal(np.isnan(read), np.isnan(values))
    np.testing.assert_allclose(read, np.clip(values, 0, 6.5534), atol=0.51e-4)


@pytest.mark.parametrize(
    ("row", "column", "shape"),
    [
        (8, 0, (5, 8, 16)),
        (8, 0, (5, 16, 16)),
        (0, 0, (5, 16, 20)),
        (32, 32, (5, 16, 18)),
        (-16, 0, (5, 16, 16)),
        (0, 0, (4, 16, 16)),
    ],
)
def test_a_region_that_is_not_whole_chunks_is_refused(tmp_path, row, column, shape):
    store = new_store(tmp_path / "a.zarr", layout(), plan_hash="p")
    with pytest.raises(PlanError):
        store.write(row, column, np.zeros(shape, np.float32))


def test_concurrent_writers_make_the_same_files_as_one(tmp_path):
    values = cube()
    alone = new_store(tmp_path / "a.zarr", layout(), plan_hash="p")
    with Journal(alone) as journal:
        write_all(alone, values, journal)
    many = new_store(tmp_path / "b.zarr", layout(), plan_hash="p")

    def write(block):
        rows = slice(block.row, block.row + block.rows)
        columns = slice(block.column, block.column + block.columns)
        many.write(block.row, block.column, values[:, rows, columns])

    threads = [threading.Thread(target=write, args=(block,)) for block in blocks(layout(), 16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in alone.chunk_keys():
        one, other = alone.root / key, many.root / key
        assert one.exists() == other.exists()
        assert not one.exists() or one.read_bytes() == other.read_bytes()


def test_resume_knows_intact_blocks_only(tmp_path):
    store = new_store(tmp_path / "a.zarr", layout(), plan_hash="p")
    with Journal(store) as journal:
        write_all(store, cube(), journal)
    damaged, lost, *_ = [block for block in blocks(layout(), 32) if block.column == 32]
    chunk = store.root / store.chunk_keys(damaged)[0]
    data = bytearray(chunk.read_bytes())
    data[-1] ^= 1
    chunk.write_bytes(data)
    (store.root / store.chunk_keys(lost)[0]).unlink()
    store = new_store(tmp_path / "a.zarr", layout(), plan_hash="p", resume=True)
    with Journal(store) as journal:
        assert journal.finished() == set(blocks(layout(), 32)) - {damaged, lost}
        write_all(store, cube(), journal, skip=journal.finished())
        assert journal.finished() == set(blocks(layout(), 32))


def test_a_file_where_none_belongs_is_damage(tmp_path):
    store = new_store(tmp_path / "a.zarr", layout(), plan_hash="p")
    with Journal(store) as journal:
        write_all(store, cube(), journal)
        stray = store.root / "cube/c/0/0/0"  # all no data: zarr wrote nothing here
        assert not stray.exists()
        stray.write_bytes((store.root / "cube/c/0/1/1").read_bytes())
        assert blocks(layout(), 32)[0] not in journal.finished()


def test_a_line_cut_off_by_a_crash_costs_one_block(tmp_path):
    store = new_store(tmp_path / "a.zarr", layout(), plan_hash="p")
    with Journal(store) as journal:
        write_all(store, cube(), journal)
    text = store.journal.read_bytes()
    store.journal.write_bytes(text[:-40])
    with Journal(store) as journal:
        last = blocks(layout(), 32)[-1]
        assert journal.finished() == set(blocks(layout(), 32)) - {last}
        write_all(store, cube(), journal, skip=journal.finished())
    assert store.journal.read_bytes() == text


def test_another_plan_is_not_resumed(tmp_path):
    store = new_store(tmp_path / "a.zarr", layout(), plan_hash="p")
    with Journal(store) as journal:
        write_all(store, cube(), journal)
    for other in (
        {"plan_hash": "q", "layout": layout()},
        {"plan_hash": "p", "layout": layout(good=())},
    ):
        with pytest.raises(OutputError, match="other inputs, options or versions"):
            new_store(tmp_path / "a.zarr", resume=True, **other)
    changed = layout(attributes={"started": "later"})
    new_store(tmp_path / "a.zarr", changed, plan_hash="p", resume=True)


def test_an_interrupted_run_is_neither_lost_nor_mixed_unasked(tmp_path):
    store = new_store(tmp_path / "a.zarr", layout(), plan_hash="p")
    new_store(tmp_path / "a.zarr", layout(), plan_hash="q")  # it had written nothing
    with Journal(store) as journal:
        write_all(store, cube(), journal)
    with pytest.raises(OutputError, match="`resume=True` to go on or `overwrite=True`"):
        new_store(tmp_path / "a.zarr", layout(), plan_hash="q")
    new_store(tmp_path / "a.zarr", layout(), plan_hash="q", overwrite=True)
    with Journal(store) as journal:
        assert journal.finished() == frozenset()


def test_two_runs_cannot_write_one_output(tmp_path):
    store = new_store(tmp_path / "a.zarr", layout(), plan_hash="p")
    with Journal(store):
        with pytest.raises(OutputError, match="another run"):
            Journal(store)
        with pytest.raises(OutputError, match="another run"):
            new_store(tmp_path / "a.zarr", layout(), plan_hash="p", overwrite=True)
    Journal(store).close()


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_of_runs_that_begin_together_one_writes(tmp_path, options):
    """In threads of one process, on a new output and on one that another run left."""
    path, together = tmp_path / "a.zarr", threading.Barrier(8)

    def begin(_):
        together.wait()
        try:
            return create_store(path, layout(), plan_hash="p", **options)
        except OutputError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            results = list(pool.map(begin, range(8)))
            refused = [each for each in results if isinstance(each, str)]
            assert len(refused) == 7
            assert all("is writing there; wait for it to end" in each for each in refused)
            [(store, journal)] = [each for each in results if not isinstance(each, str)]
            with journal:
                journal.append(store.write(0, 0, cube()[:, :16, :16]))
                assert len(journal.finished()) == 1
            if not options:
                remove_partial(Journal(store))
                assert not store.partial.exists()


def test_a_run_does_not_finish_the_output_of_another_plan(tmp_path):
    """Object stores have no locks, so that another run may have replaced plan and arrays."""
    store = new_store(tmp_path / "a.zarr", layout(), plan_hash="p")
    with Journal(store) as journal:
        write_all(store, cube(), journal)
        verify(store, journal)
        plan = json.loads(store.plan.read_bytes())
        store.plan.write_text(json.dumps(plan | {"plan": "q"}))
        with pytest.raises(OutputError, match="another run has begun to write there"):
            verify(store, journal)


def test_a_folder_of_somebody_else_is_never_removed(tmp_path):
    (tmp_path / "a.zarr.partial").mkdir()
    (tmp_path / "a.zarr.partial" / "thesis.odt").touch()
    with pytest.raises(OutputError, match="not an hsfuse partial output"):
        new_store(tmp_path / "a.zarr", layout(), plan_hash="p", overwrite=True)


def test_resume_sweeps_the_temporary_files_of_killed_writers(tmp_path):
    store = new_store(tmp_path / "a.zarr", layout(), plan_hash="p")
    with Journal(store) as journal:
        write_all(store, cube(), journal)
    stray = store.root / "cube/c/0/1/1.0123.partial"
    stray.touch()
    new_store(tmp_path / "a.zarr", layout(), plan_hash="p", resume=True)
    assert not stray.exists()
