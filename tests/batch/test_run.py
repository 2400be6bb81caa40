"""Many pairs: the same bits as alone, nothing done twice, nothing skipped in silence."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
from processes import InProcess
from runs import Stopped, chunk_files, stop_after

import hsfuse
from hsfuse.batch.outcome import BatchOutcome
from hsfuse.batch.pool import Ended
from hsfuse.batch.run import plan_batch, prepare_batch, run_batch
from hsfuse.batch.status import StatusFile
from hsfuse.errors import ManifestError, OutputError, PlanError, RasterError
from hsfuse.fusion.settings import Settings
from hsfuse.io.output.records import record_path

SETTINGS = Settings(method="bicubic", align=False, tile=32, workers=1, dtype="float32")
pytestmark = pytest.mark.usefixtures("in_process")


def rows(inputs: Path, *names: int) -> list[dict[str, object]]:
    return [
        {
            "scene": str(inputs / f"hs/{name}.tif"),
            "rgb": str(inputs / f"ms/{name}_rgb.tif"),
            "out": f"{name}.zarr",
        }
        for name in names
    ]


def run(pairs: Any, out: Path, **options: Any) -> BatchOutcome:
    return run_batch(pairs, out, SETTINGS, quicklook=False, page=False, **options)


def states(outcome: BatchOutcome) -> list[str]:
    return [pair.status for pair in outcome.pairs]


@pytest.fixture(scope="module")
def alone(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, bytes]]:
    """Return the chunks of each pair as `hsfuse run` writes them alone."""
    folder = tmp_path_factory.mktemp("alone")
    chunks = {}
    for name in (1, 2):
        (row,) = rows(inputs, name)
        out = folder / str(row["out"])
        hsfuse.run(row["scene"], row["rgb"], out, SETTINGS)
        chunks[name] = chunk_files(out)
    assert str(chunks[1]) != str(chunks[2])
    return chunks


def test_a_failing_pair_stops_no_other(inputs: Path, tmp_path: Path, alone: Any) -> None:
    """The others have the bits of a run alone; the same batch again does what is missing."""
    pairs = [*rows(inputs, 1, 2), rows(inputs, 1)[0] | {"out": "3.zarr"}]
    (tmp_path / "cut.tif").write_bytes((inputs / "hs/2.tif").read_bytes()[:200])
    broken = [pairs[0], pairs[1] | {"scene": str(tmp_path / "cut.tif")}, pairs[2]]
    seen = []
    outcome = run(broken, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert states(outcome) == ["finished", "failed", "finished"]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert [row.place for row in outcome.failed] == ["row 2"]
    assert "cut.tif" in outcome.failed[0].message
    again = run(pairs, tmp_path / "out")
    assert states(again) == ["done", "finished", "done"]
    for name, made in ((1, 1), (2, 2), (3, 1)):
        assert chunk_files(tmp_path / "out" / f"{name}.zarr") == alone[made]
    figures = ("seconds", "hs_consistency", "ms_consistency", "bytes", "rows", "blocks")
    for name in figures:
        assert getattr(again.pairs[0], name) == getattr(outcome.pairs[0], name) is not None
    assert states(run(pairs, tmp_path / "out")) == ["done"] * 3


@pytest.mark.slow
def test_files_state_what_became_of_every_pair(inputs: Path, tmp_path: Path) -> None:
    """The table has a line for each pair, the status file one for each event, records all else."""
    pairs = rows(inputs, 1, 2)
    pairs[1]["rgb"] = pairs[1]["scene"]
    outcome = run(pairs, tmp_path)
    with (tmp_path / "batch.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["status"] for row in table] == ["finished", "failed"]
    assert float(table[0]["hs_consistency"]) == outcome.pairs[0].hs_consistency
    assert int(table[0]["bytes"]) > 1000
    lines = [json.loads(line) for line in (tmp_path / "batch.jsonl").read_text().splitlines()]
    assert [(Path(line["out"]).name, line["status"]) for line in lines] == [
        ("1.zarr", "running"), ("1.zarr", "finished"), ("2.zarr", "failed"),
    ]  # fmt: skip
    assert json.loads(record_path(tmp_path / "1.zarr").read_text())["result"]["blocks"] == 4
    run(pairs, tmp_path)
    more = (tmp_path / "batch.jsonl").read_text().splitlines()[len(lines) :]
    assert [json.loads(line)["status"] for line in more] == ["failed"]


@pytest.fixture(scope="module")
def finished(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of a batch of the first pair, which tests leave as it is."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsfuse.batch.run.Pool", InProcess)
        run(rows(inputs, 1), folder)
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "guided"}, "method was bicubic and is guided"),
        ({"tile": 16, "dtype": "int16", "scale": 1e-4}, "dtype was float32 and is int16"),
        ({"hs_sensor": "cave-31"}, "HS sensor is another"),
        ({"rgb_mask": "ms/1_rgb.tif"}, "MS image is another or has changed"),
        ({"creation_options": {"COMPRESS": "LZW"}}, "takes no creation options"),
    ],
    ids=str,
)
def test_another_request_is_not_skipped(
    inputs: Path, finished: Path, change: dict[str, Any], words: str
) -> None:
    """It is a failure that names the difference and what to do, and changes nothing."""
    (pair,) = rows(inputs, 1)
    before = (finished / "1.zarr.json").read_bytes()
    change = {k: str(inputs / v) if k == "rgb_mask" else v for k, v in change.items()}
    if "creation_options" in change:
        with pytest.raises(ManifestError, match=words):
            run([pair | change], finished)
        return
    outcome = run([pair | change], finished)
    assert states(outcome) == ["differs"]
    assert words in outcome.pairs[0].message
    assert "--overwrite" in outcome.pairs[0].message
    assert (finished / "1.zarr.json").read_bytes() == before
    assert states(run([pair], finished)) == ["done"]


@pytest.mark.slow
def test_an_input_that_changed_is_another(inputs: Path, finished: Path) -> None:
    """Its content may differ where its time does."""
    scene = inputs / "hs/1.tif"
    times = scene.stat().st_atime_ns, scene.stat().st_mtime_ns
    try:
        os.utime(scene)
        outcome = run(rows(inputs, 1), finished)
    finally:
        os.utime(scene, ns=times)
    assert states(outcome) == ["differs"]
    assert "HS image is another or has changed" in outcome.pairs[0].message
    assert states(run(rows(inputs, 1), finished)) == ["done"]


@pytest.mark.slow
def test_another_request_replaces_an_output_if_asked(inputs: Path, tmp_path: Path) -> None:
    """Once: the same batch again has nothing to do."""
    run(rows(inputs, 1), tmp_path)
    pairs = [rows(inputs, 1)[0] | {"method": "guided"}]
    assert states(run(pairs, tmp_path, overwrite=True)) == ["finished"]
    assert states(run(pairs, tmp_path, overwrite=True)) == ["done"]
    assert states(run(pairs, tmp_path)) == ["done"]


def test_an_output_of_a_run_alone_is_done(inputs: Path, tmp_path: Path) -> None:
    """As `hsfuse run` leaves it, with its record; what is no output of hsfuse is left."""
    from hsfuse.report.files import write_sidecar

    one, two = rows(inputs, 1, 2)
    write_sidecar(hsfuse.run(one["scene"], one["rgb"], tmp_path / "1.zarr", SETTINGS))
    (tmp_path / "2.tif").write_bytes(b"mine")
    outcome = run([one, two | {"out": "2.tif"}], tmp_path)
    assert states(outcome) == ["done", "differs"]
    assert "no output of hsfuse" in outcome.pairs[1].message
    assert (tmp_path / "2.tif").read_bytes() == b"mine"


@pytest.mark.slow
def test_what_was_interrupted_is_resumed(inputs: Path, tmp_path: Path, alone: Any) -> None:
    """Three blocks, then the rest; of other options only if asked to begin again."""
    pairs = rows(inputs, 1, 2)
    for row in pairs:
        with pytest.raises(Stopped):
            hsfuse.run(row["scene"], row["rgb"], tmp_path / str(row["out"]), SETTINGS,
                       progress=stop_after(3))  # fmt: skip
    pairs[1]["tile"] = 16
    outcome = run(pairs, tmp_path)
    assert states(outcome) == ["finished", "differs"]
    assert outcome.pairs[0].resumed_blocks == 3
    assert chunk_files(tmp_path / "1.zarr") == alone[1]
    assert (tmp_path / "2.zarr.partial").exists()
    outcome = run(pairs, tmp_path, overwrite=True)
    assert states(outcome) == ["done", "finished"]
    assert outcome.pairs[1].resumed_blocks == 0


@pytest.mark.slow
def test_an_output_whose_record_was_never_written_is_done(inputs: Path, tmp_path: Path) -> None:
    """A batch may die between the two: the plan is what tells; another plan is another output."""
    pairs = rows(inputs, 1, 2)
    run(pairs, tmp_path)
    for name in (1, 2):
        (tmp_path / f"{name}.zarr.json").unlink()
    pairs[1]["tile"] = 16
    outcome = run(pairs, tmp_path)
    assert states(outcome) == ["done", "differs"]
    assert "its record was not written" in outcome.pairs[0].message
    assert states(run(pairs[:1], tmp_path)) == ["done"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "recorded"), [("1.zarr", False), ("1.tif", True)])
def test_nothing_stays_of_a_run_that_died_after_its_output_was_complete(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, recorded: bool
) -> None:
    """The partial folder goes, without a block fused again; the record has the figures."""
    (row,) = rows(inputs, 1)
    pairs = [row | {"out": name}]
    if recorded:
        run(pairs, tmp_path)

    def stop(_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("hsfuse.io.output.destination.remove_partial", stop)
        with pytest.raises(Stopped):
            hsfuse.run(row["scene"], row["rgb"], tmp_path / name, SETTINGS, overwrite=True)
    assert (tmp_path / f"{name}.partial").exists()
    outcome = run(pairs, tmp_path)
    assert states(outcome) == ["done" if recorded else "finished"]
    assert outcome.pairs[0].hs_consistency is not None
    assert recorded or outcome.pairs[0].resumed_blocks == outcome.pairs[0].blocks
    assert not list(tmp_path.glob("*.partial"))
    assert states(run(pairs, tmp_path)) == ["done"]


@pytest.mark.slow
def test_a_process_that_dies_costs_its_pair(
    inputs: Path, tmp_path: Path, alone: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The status says how it died, the others finish, and the batch goes on from there."""

    class Dying(InProcess):
        def results(self) -> Any:
            key, _, arguments = self.tasks[0]
            if key == 0 and len(arguments) > 2:  # fusing the first pair
                self.tasks.popleft()
                yield key, Ended("was ended by signal SIGKILL")
                return
            yield from super().results()

    with monkeypatch.context() as patch:
        patch.setattr("hsfuse.batch.run.Pool", Dying)
        outcome = run(rows(inputs, 1, 2), tmp_path)
    assert states(outcome) == ["failed", "finished"]
    assert "SIGKILL" in outcome.pairs[0].message
    assert "again" in outcome.pairs[0].message
    assert states(run(rows(inputs, 1, 2), tmp_path)) == ["finished", "done"]
    assert chunk_files(tmp_path / "1.zarr") == alone[1]


@pytest.mark.slow
def test_an_interrupt_leaves_a_batch_that_goes_on(inputs: Path, tmp_path: Path) -> None:
    """The table says which pairs were not over."""

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(rows(inputs, 1, 2), tmp_path, progress=stop)
    with (tmp_path / "batch.csv").open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["finished", "pending"]
    assert states(run(rows(inputs, 1, 2), tmp_path)) == ["done", "finished"]


def test_a_dry_run_writes_nothing(inputs: Path, tmp_path: Path) -> None:
    """It names size, memory and pixels of every pair, and what is done or cannot be."""
    pairs = [*rows(inputs, 1, 2), *rows(inputs, 2)]
    run(pairs[:1], tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    pairs[1] |= {"rgb": pairs[1]["scene"], "out": "sub/2.zarr"}
    pairs[2]["out"] = "sub/3.tif"
    outcome = plan_batch(prepare_batch(pairs, tmp_path, SETTINGS))
    assert states(outcome) == ["done", "failed", "planned"]
    planned = outcome.pairs[2]
    assert planned.bytes == 4 * planned.bands * planned.rows * planned.columns
    assert planned.memory_bytes > 10**8
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    nowhere = plan_batch(prepare_batch(pairs[2:], tmp_path / "no" / "such", SETTINGS))
    assert states(nowhere) == ["planned"]
    assert not (tmp_path / "no").exists()


def test_a_pair_that_never_fits_is_refused(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of waiting for memory for ever; the others run."""
    estimate = "hsfuse.fusion.job.worker_bytes"
    monkeypatch.setattr(estimate, lambda pair, *_: 10**9 * (1 + 9 * ("/2.tif" in pair.hs.source)))
    outcome = run(rows(inputs, 2, 1), tmp_path, memory="3GB")
    assert states(outcome) == ["failed", "finished"]
    assert "with one worker" in outcome.pairs[0].message
    assert "--memory" in outcome.pairs[0].message


def test_a_report_that_does_not_fit_is_refused(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its memory counts as that of the fusion does; without a page the pair runs."""
    monkeypatch.setattr("hsfuse.report.cost._SPECTRA", 10**10)
    pairs = rows(inputs, 1)
    (planned,) = plan_batch(prepare_batch(pairs, tmp_path, SETTINGS, memory="3GB")).pairs
    assert planned.memory_bytes is not None
    assert planned.memory_bytes > 10**10
    (refused,) = run_batch(pairs, tmp_path, SETTINGS, memory="3GB", quicklook=False).pairs
    assert refused.status == "failed"
    assert "for its report" in refused.message
    assert "--no-page" in refused.message
    assert states(run(pairs, tmp_path, memory="3GB")) == ["finished"]


def test_a_batch_that_cannot_be_is_refused_as_a_whole(inputs: Path, tmp_path: Path) -> None:
    """Before anything runs or is written."""
    pairs = rows(inputs, 1)
    with pytest.raises(PlanError, match="scheduler must be local"):
        run(pairs, tmp_path / "out", scheduler="tcp://host:8786")
    with pytest.raises(OutputError, match="s3://bucket/out: expected a folder on this machine"):
        run(pairs, Path("s3://bucket/out"))
    with pytest.raises(PlanError, match="at least"):
        run(pairs, tmp_path / "out", memory="1MB")
    with pytest.raises(ManifestError, match="no such file"):
        run([{"scene": "no.tif", "rgb": "no.tif"}], tmp_path / "out")
    with pytest.raises(RasterError, match=r"mask.tif: no such file"):
        run(pairs, tmp_path / "out", hs_mask="mask.tif")
    with pytest.raises(TypeError, match="did you mean 'method'"):
        run(pairs, tmp_path / "out", metho="guided")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="expected the folder"):
        run(pairs, tmp_path / "file")


def test_two_batches_do_not_share_a_status_file(inputs: Path, finished: Path) -> None:
    """The second is refused; and a line cut off by a crash is no line."""
    first = StatusFile(finished)
    with pytest.raises(OutputError, match="another batch is writing there"):
        run(rows(inputs, 1), finished)
    first.close()
    with (finished / "batch.jsonl").open("ab") as file:
        file.write(b'{"out": "1.zarr", "sta')
    assert states(run(rows(inputs, 1), finished)) == ["done"]
    for line in (finished / "batch.jsonl").read_text().splitlines():
        json.loads(line)
