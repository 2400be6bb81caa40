"""The algorithm for QGIS calls a command that exists, and QGIS runs it."""

import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from hsfuse.cli.main import main

from hsfuse.synthetic.sample import write_sample

SCRIPT = Path(str(files("hsfuse") / "qgis" / "hsfuse_fusion.py"))
# The Python for which the packages of Debian are, and QGIS is one.
PYTHON = "/usr/bin/python3"

RUN = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingFeedback
application = QgsApplication([], False)
application.initQgis()
from hsfuse_fusion import HsfuseFusion
names = "SCENE", "MS", "OUTPUT", "PROGRAM", "EXTENT"
given = dict(zip(names, sys.argv[2:])) | {"METHOD": "bicubic", "OPTIONS": "--no-report --no-align"}
feedback = QgsProcessingFeedback()
algorithm = HsfuseFusion()
algorithm.initAlgorithm()
found, good = algorithm.run(given, QgsProcessingContext(), feedback)
print(found, good)
"""


def test_its_options_are_options_of_run():
    options = {name for option in main.commands["run"].params for name in option.opts}
    used = set(re.findall(r'"(--[a-z-]+)"', SCRIPT.read_text()))
    assert {"--method", "--bbox", "--bands", "--overwrite"} <= used <= options


@pytest.mark.slow
def test_qgis_fuses_an_extent(tmp_path: Path):
    """The extent that a user draws, in the CRS of the map, is what is fused."""
    import rasterio

    has = [PYTHON, "-c", "import qgis.core"]
    there = shutil.which(PYTHON) and subprocess.run(has, capture_output=True, check=False)
    if not there or there.returncode:
        pytest.skip("QGIS is not installed for /usr/bin/python3")
    made = write_sample(
        tmp_path,
        hs_sensor="generic-vnir",
        rgb_sensor="sentinel-2a:B2,B3,B4",
        size=(12, 14),
        ratio=3,
    )
    with rasterio.open(made.rgb) as rgb:
        left, bottom, _, top = rgb.bounds
        step = rgb.res[0]
    extent = f"{left},{left + 20 * step},{bottom},{top} [EPSG:32633]"
    out = tmp_path / "out.tif"
    program = Path(sys.executable).with_name("hsfuse")
    words = [PYTHON, "-c", RUN, SCRIPT, made.scene, made.rgb, out, program, extent]
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False,
        env={"QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert "True" in done.stdout, done.stdout + done.stderr
    with rasterio.open(out) as fused:
        assert fused.width == pytest.approx(20, abs=1)
        assert fused.count == 61
