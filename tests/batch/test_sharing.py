"""What pairs of one sensor couple share does not depend on which of them is over first."""

import itertools
import json
from pathlib import Path

import pytest
from runs import chunk_files

import hsfuse
from hsfuse.batch.outcome import BatchOutcome
from hsfuse.batch.run import plan_batch, prepare_batch, run_batch
from hsfuse.batch.sharing import Couple, Sharing, WidthEstimate, weighted_mean
from hsfuse.fusion.settings import Settings
from hsfuse.io.output.records import record_path
from hsfuse.synthetic.sample import write_sample

SETTINGS = Settings(method="bicubic", tile=64, workers=1, dtype="float32")
ESTIMATES = {index: WidthEstimate((1 + index / 10, 1.0), (0.01, 0.01)) for index in range(6)}


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))], ids=str)
def test_the_first_three_reliable_pairs_decide(order: tuple[int, ...]) -> None:
    """In the order of the manifest, whichever is over first; the second shows nothing."""
    sharing, given = Sharing(), {}
    for index in range(6):
        sharing.add(index, Couple("a"))
    alone = dict(sharing.ready())
    assert alone == dict.fromkeys(range(3))
    for index in order:
        while index not in alone:  # the fourth pair is planned once the second has failed
            sharing.learn(1, None)
            alone |= dict(sharing.ready())
        sharing.learn(index, None if index == 1 else ESTIMATES[index])
        found = dict(sharing.ready())
        alone |= {key: None for key, fwhm in found.items() if fwhm is None}
        given |= {key: fwhm for key, fwhm in found.items() if fwhm is not None}
    expected = weighted_mean([ESTIMATES[index] for index in (0, 2, 3)])
    assert given == dict.fromkeys((4, 5), expected)
    assert set(alone) == set(range(4))


def test_what_was_shared_before_is_shared_again() -> None:
    """Pairs that are finished stay as they are; a new one gets what the others were given."""
    sharing = Sharing()
    for index in range(1, 4):
        sharing.add(index, Couple("a", finished=True, estimate=ESTIMATES[index]))
    sharing.add(4, Couple("a", shared_fwhm=(1.5, 1.5)))
    sharing.add(0, Couple("a"))  # could not be read before, and is a reference now
    sharing.add(5, Couple("a"))
    sharing.add(6, Couple(""))
    found = dict(sharing.ready())
    assert found == {0: None, 1: None, 2: None, 3: None, 4: (1.5, 1.5), 6: None}
    sharing.learn(0, ESTIMATES[0])
    assert sharing.ready() == [(5, (1.5, 1.5))]


def test_couples_do_not_wait_for_each_other() -> None:
    sharing = Sharing()
    for index in range(6):
        sharing.add(index, Couple("ab"[index % 2]))
    assert len(sharing.ready()) == 6
    sharing.add(6, Couple("a"))
    for index in (0, 2, 4):
        sharing.learn(index, ESTIMATES[index])
    assert sharing.ready() == [(6, weighted_mean([ESTIMATES[index] for index in (0, 2, 4)]))]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """Return the rows of four pairs of two scenes; nothing says how wide the PSF is."""
    folder = tmp_path_factory.mktemp("pairs")
    made = [
        write_sample(folder / f"{seed}", hs_sensor="cave-31", rgb_sensor="sentinel-2a:B2,B3,B4",
                     size=(24, 24), ratio=3, seed=seed)
        for seed in (1, 2)
    ]  # fmt: skip
    return [
        {"scene": str(made[n % 2].scene), "rgb": str(made[n % 2].rgb), "out": f"{n}.zarr"}
        for n in range(4)
    ]


def run(pairs: list[dict[str, object]], out: Path) -> BatchOutcome:
    return run_batch(pairs, out, SETTINGS, quicklook=False, page=False, share_psf=True)


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_batch_says_what_is_shared_and_resumes_with_it(
    pairs: list[dict[str, object]], tmp_path: Path
) -> None:
    """In plan, record and status; a run with that option writes the same bytes."""
    planned = plan_batch(prepare_batch(pairs, tmp_path / "out", SETTINGS, share_psf=True))
    outcome = run(pairs, tmp_path / "out")
    (sentence,) = outcome.shared
    assert sentence == planned.shared[0]
    assert "from 0.zarr, 1.zarr, 2.zarr, given to 1 pair" in sentence
    texts = [row.fwhm for row in outcome.pairs]
    assert texts[:3] == [""] * 3
    assert texts[3]
    assert [row.fwhm for row in planned.pairs] == texts
    record = json.loads(record_path(tmp_path / "out/3.zarr").read_text())
    fwhm = [float(width) for width in texts[3].split()]
    assert record["request"]["fwhm"] == fwhm == list(record["psf"]["fwhm"].values())
    assert record["psf"]["status"] == "given"
    assert f"--fwhm {texts[3]}" in record["command"]
    assert [row.status for row in run(pairs, tmp_path / "out").pairs] == ["done"] * 4

    alone = hsfuse.run(pairs[3]["scene"], pairs[3]["rgb"], tmp_path / "alone.zarr", SETTINGS,
                       fwhm=(fwhm[0], fwhm[1]))  # fmt: skip
    assert chunk_files(tmp_path / "out/3.zarr") == chunk_files(Path(alone.path))
    without = run_batch(pairs, tmp_path / "out", SETTINGS, quicklook=False, page=False)
    assert [row.status for row in without.pairs] == ["done"] * 3 + ["differs"]
    assert "fwhm was" in without.pairs[3].message
