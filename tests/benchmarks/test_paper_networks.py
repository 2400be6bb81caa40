"""The table of the paper's networks is read from the scores of their trainings."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from hsfuse.nets.table import build, read_architecture
from hsfuse.nets.weights import Domain, save_weights

ROOT = Path(__file__).parents[2]
ABOUT = {"data": "none", "recipe": {}, "scores": {}, "terms": "free"}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script, which is no part of the package."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import paper_networks  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return paper_networks


def line(row: str, step: int, scene: str, psnr: float) -> dict[str, object]:
    return {"row": row, "step": step, "hours": step / 100, "scene": scene, "psnr": psnr, "sam": 3.0}


def test_the_table_is_of_the_last_step_of_all_rows(script: ModuleType, tmp_path: Path) -> None:
    """A row that is ahead of the others is not compared with them; scenes are averaged."""
    folder = script.Folder(tmp_path)
    for name in ("ssf-cnn", "dhsis"):
        facts = {"network": name, "bands": 4, "fine_bands": 3, "ratio": 16, "width": 2, "depth": 3}
        network = build(read_architecture(facts))
        save_weights(network, folder.weights(name), domain=Domain((16, 16), (3, 3)), about=ABOUT)
        for step, psnr in ((50, 20.0), (100, 30.0)):
            folder.add([line(name, step, "face", psnr), line(name, step, "hairs", psnr + 2)])
    folder.add([line("dhsis", 150, "face", 50.0)])
    assert folder.reached("dhsis") == (150, 1.5)
    report = script.report(folder)
    assert report.startswith("After 100 steps")
    assert report.count("| 31.00 | 3.00 | 1.00 |") == 2
    assert "50.00" not in report
    assert "| SSF-CNN | 21.00 | 31.00 |" in report


def test_rows_are_networks_of_the_table_and_alike_in_size(script: ModuleType) -> None:
    """From the smallest to the largest they differ by less than a third."""
    sizes = []
    for row in script.ROWS.values():
        facts: dict[str, int | str] = {"bands": 31, "fine_bands": 3, **row.sizes}
        if row.network == "ms-ssfnet":
            facts |= {"scales": 4}
        else:
            facts |= {"network": row.network, "ratio": 16}
            facts.setdefault("depth", 3)
        architecture = read_architecture(facts).for_inference()
        sizes.append(sum(p.numel() for p in build(architecture).parameters()))
    assert max(sizes) < 4 / 3 * min(sizes)
