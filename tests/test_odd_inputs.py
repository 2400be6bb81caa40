"""Odd and broken pairs are fused rightly or refused in a line; nothing is overwritten."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

COUNT = 25
FAST = 15  # others are slow tests


@pytest.fixture(scope="module")
def odd_inputs() -> ModuleType:
    """Return the script, which is no part of the package."""
    benchmarks = str(Path(__file__).parents[1] / "benchmarks")
    sys.path.insert(0, benchmarks)
    try:
        import odd_inputs  # type: ignore[import-not-found]
    finally:
        sys.path.remove(benchmarks)
    return odd_inputs


@pytest.mark.parametrize(
    "number",
    [*range(FAST), *(pytest.param(n, marks=pytest.mark.slow) for n in range(FAST, COUNT))],
)
def test_an_odd_pair_is_fused_rightly_or_refused_in_a_line(
    odd_inputs: ModuleType, number: int
) -> None:
    verdict = odd_inputs.try_pair(7, number, method="bicubic")
    assert verdict.outcome != "failed", f"{verdict.mutations}: {verdict.why}"


def test_a_sound_pair_is_fused_and_a_spoiled_result_is_seen(
    odd_inputs: ModuleType, tmp_path: Path
) -> None:
    """The judge itself: it accepts a result and does not accept another one in its place."""
    pair = odd_inputs.sound_pair()
    words = [*pair.write(tmp_path), "--method", "bicubic", "--no-report"]
    before = odd_inputs.content(tmp_path)
    result, noise = odd_inputs.invoke(words)
    assert odd_inputs.find_faults(pair, tmp_path, before, result, noise, words) == []
    (tmp_path / "out.tif").write_bytes((tmp_path / "scene.tif").read_bytes())
    faults = odd_inputs.find_faults(pair, tmp_path, before, result, noise, words)
    assert any("transform" in fault for fault in faults)
    (tmp_path / "rgb.tif").write_bytes((tmp_path / "rgb.tif").read_bytes() + b" ")
    faults = odd_inputs.find_faults(pair, tmp_path, before, result, "a warning", words)
    assert "rgb.tif was changed" in faults
    assert "noise: a warning" in faults
