"""Hashes of chunks, computed from what is written or read and not by reading it again."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import zarr
from runs import new_store
from zarr.storage import LocalStore

from hsfuse.errors import OutputError
from hsfuse.io.files.hashed_store import CheckedStore, RecordingStore
from hsfuse.io.output.journal import Journal
from hsfuse.io.output.layout import OutputLayout, blocks
from hsfuse.io.write import finish


def made(folder: Path) -> tuple[RecordingStore, np.ndarray]:
    """Write an array of four chunks, one of them empty, to a recording store."""
    store = RecordingStore(LocalStore(folder))
    values = np.random.default_rng(0).random((64, 64))
    values[:32, :32] = 0
    array = zarr.create_array(store, shape=values.shape, chunks=(32, 32), dtype=float, fill_value=0)
    array[:] = values
    return store, values


def test_the_hash_of_what_is_written_is_that_of_the_file(tmp_path: Path):
    """For every file, and for no chunk that has none."""
    store, _ = made(tmp_path)
    files = {str(p.relative_to(tmp_path)): p for p in tmp_path.rglob("*") if p.is_file()}
    assert store.hashes.keys() == files.keys()
    assert "c/0/0" not in files
    for name, digest in store.hashes.items():
        assert digest == hashlib.sha256(files[name].read_bytes()).hexdigest()


@pytest.mark.parametrize("damage", ["flipped", "lost", "added"])
def test_a_chunk_that_is_not_the_one_written_is_not_read(tmp_path: Path, damage: str):
    """One flipped bit, a lost file and one where none belongs are all found by reading."""
    store, values = made(tmp_path)
    hashes = store.hashes | {"c/0/0": None}
    checked = CheckedStore(LocalStore(tmp_path, read_only=True), tmp_path, hashes)
    np.testing.assert_array_equal(zarr.open_array(checked, mode="r")[:], values)
    chunk = tmp_path / ("c/0/0" if damage == "added" else "c/1/1")
    content = (tmp_path / "c/1/1").read_bytes()
    chunk.parent.mkdir(exist_ok=True, parents=True)
    chunk.unlink(missing_ok=True)
    if damage != "lost":
        chunk.write_bytes(content[:-1] + bytes([content[-1] ^ (damage == "flipped")]))
    with pytest.raises(OutputError, match=f"{chunk}: is not what was written"):
        zarr.open_array(checked, mode="r")[:]


def test_a_finished_store_was_read_once(tmp_path: Path):
    """For its levels; blocks that one process writes are hashed, flushed and listed unread."""
    counter = Path("/proc/self/io")
    if not counter.exists():
        pytest.skip("this system does not count the bytes that a process reads")

    def read_bytes() -> int:
        return int(dict(line.split(": ") for line in counter.read_text().splitlines())["rchar"])

    layout = OutputLayout(2, 512, 512, (1, 0, 0, 0, -1, 0))
    values = np.random.default_rng(0).random(layout.shape, dtype=np.float32)
    store = new_store(tmp_path / "a.zarr", layout, plan_hash="p")
    before = read_bytes()
    with Journal(store) as journal:
        for block in blocks(layout, 256):
            rows = slice(block.row, block.row + 256)
            columns = slice(block.column, block.column + 256)
            journal.append(store.write(block.row, block.column, values[:, rows, columns]))
        after_blocks = read_bytes()
        path = finish(store, journal)
    written = sum(file.stat().st_size for file in (path / "cube/c").rglob("*") if file.is_file())
    assert written > values.nbytes / 2
    assert after_blocks - before < written / 4
    assert read_bytes() - after_blocks < 1.25 * written
