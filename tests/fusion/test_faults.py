"""Whatever ends a run costs the blocks under way: the resumed run writes the same bytes."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rasterio
from runs import Stopped, chunk_files, stop_after

from hsfuse.errors import HsfuseError, OutputError
from hsfuse.fusion.run import run
from hsfuse.fusion.settings import Settings
from hsfuse.io.output.journal import PartialOutput

pytestmark = pytest.mark.slow

BICUBIC = Settings(method="bicubic", tile=64, align=False, workers=1)
SCRIPT = Path(__file__).parents[1] / "helpers" / "fault_runs.py"


@pytest.fixture(scope="module")
def faults(files: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the script of faults found; a full disk where a file system can be mounted."""
    folder, small = (tmp_path_factory.mktemp(name) for name in ("faults", "small"))
    mounted = ["unshare", "--user", "--map-root-user", "--mount"]
    probe = [*mounted, "mount", "-t", "tmpfs", "none", str(small)]
    can_mount = shutil.which("unshare") is not None and not subprocess.call(
        probe, stderr=subprocess.DEVNULL
    )
    words = [sys.executable, SCRIPT, files / "scene.tif", files / "rgb.tif", folder]
    command = [*mounted, *words, small] if can_mount else words
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parent), "PYTHONWARNINGS": "ignore"},
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_run_killed_at_five_moments_is_the_run(faults: dict[str, Any]) -> None:
    """While it planned, and after some blocks; nothing is left beside the output."""
    assert faults["same"]
    assert faults["left"] == ["killed.zarr", "whole.zarr"]
    assert any(faults["killed"])  # a run may end before the signal comes
    assert faults["resumed"] is None or faults["resumed"] >= 2


@pytest.mark.parametrize("moment", ["full", "export"])
def test_a_full_disk_is_one_line_and_a_resumable_store(faults: dict[str, Any], moment: str) -> None:
    """While blocks are written, and while the GeoTIFF is."""
    if moment not in faults:
        pytest.skip("no file system can be mounted here")
    found = faults[moment]
    assert "the disk is full" in found["error"]
    assert "`resume=True`" in found["error"]
    assert "\n" not in found["error"]
    assert found["left"] == [f"out.{'zarr' if moment == 'full' else 'tif'}.partial"]
    assert found["resumed"] >= 1
    assert found["same"]


def test_a_second_run_is_refused_with_the_name_of_the_first(files: Path, tmp_path: Path) -> None:
    """Whatever it asks for; the first one ends undisturbed."""
    words = files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr"
    refused: list[str] = []

    def second(done: int, total: int) -> None:
        for choices in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(OutputError) as caught:
                run(*words, BICUBIC, **choices)
            refused.append(str(caught.value))

    outcome = run(*words, BICUBIC, progress=second)
    assert len(refused) == 3 * outcome.blocks
    owner = f"process {os.getpid()} on {platform.node()} is writing there"
    assert set(refused) == {f"{words[2]}.partial: {owner}; wait for it to end"}


def test_a_bit_flipped_chunk_is_fused_again(files: Path, tmp_path: Path) -> None:
    """A resumed run compares what there is with the journal, and writes the same bytes."""
    words = files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr"
    whole = run(*words[:2], tmp_path / "whole.zarr", BICUBIC)
    with pytest.raises(Stopped):
        run(*words, BICUBIC, progress=stop_after(4))
    chunks = (PartialOutput(words[2]).root / "cube" / "c").rglob("*")
    chunk = min(path for path in chunks if path.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    outcome = run(*words, BICUBIC, resume=True)
    assert outcome.resumed == 3
    assert chunk_files(outcome.path) == chunk_files(whole.path)


@pytest.mark.parametrize("fault", ["truncated", "bit-flipped"])
def test_a_damaged_input_is_one_line_that_names_it(files: Path, tmp_path: Path, fault: str) -> None:
    """A compressed file whose last tiles cannot be read; nothing is finished."""
    scene = tmp_path / "scene.tif"
    with rasterio.open(files / "rgb.tif") as source:
        profile = source.profile | {"compress": "zstd", "blockxsize": 64, "blockysize": 64}
        with rasterio.open(scene, "w", **profile | {"tiled": True}) as target:
            target.write(source.read())
    content = bytearray(scene.read_bytes())
    if fault == "truncated":
        del content[-2000:]
    else:
        content[-3000:-2000] = bytes(255 - byte for byte in content[-3000:-2000])
    scene.write_bytes(content)
    with pytest.raises(HsfuseError) as caught:
        run(files / "scene.tif", scene, tmp_path / "out.zarr", BICUBIC)
    assert str(scene) in str(caught.value)
    assert not (tmp_path / "out.zarr").exists()
