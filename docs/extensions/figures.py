"""
Figures of the explanation, drawn from a small simulated pair that the build fuses.

Fusing takes about a minute, so figures are kept in ``build/docs/figures`` under a hash of the code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import xarray as xr
from matplotlib.figure import Figure

import hsfuse
from hsfuse.fusion.plan import plan_fusion
from hsfuse.pair.geometry import Pair

from . import drawing
from .drawing import Case, png

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "docs" / "figures"
SIZE = (40, 40)  # HS pixels
MS_SENSOR, MS_BANDS = "sentinel-2a", ("B2", "B3", "B4", "B8")
METHODS = ("bicubic", "guided", "kriging", "ms-ssfnet")


def pages() -> dict[str, bytes]:
    """Return the figures by the name of their file."""
    folder = KEPT / _digest()
    folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Callable[[], Figure]] = {
        "sensors": lambda: drawing.draw_sensors(_pair(), hsfuse.load_sensor(MS_SENSOR), MS_BANDS),
        "pipeline": lambda: drawing.draw_pipeline(_case()),
        "errors": lambda: drawing.draw_errors(_case(), METHODS),
        "spectra": lambda: drawing.draw_pixel(_case()),
        "uncertainty": lambda: drawing.draw_uncertainty(_case()),
    }
    for name, draw in figures.items():
        path = folder / f"{name}.png"
        if not path.exists():
            path.write_bytes(png(draw()))
    return {f"figures/{name}.png": (folder / f"{name}.png").read_bytes() for name in figures}


def _digest() -> str:
    """Return a hash of all code and weights that the figures depend on."""
    found = hashlib.sha256()
    sources = [Path(__file__), Path(drawing.__file__), *sorted((ROOT / "hsfuse").rglob("*.py"))]
    for path in (*sources, *sorted((ROOT / "hsfuse/nets/trained").glob("*.json"))):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


@cache
def _pair() -> Pair:
    hs, ms, _ = _rasters()
    return plan_fusion(hs, ms, method="bicubic", align=False).pair


@cache
def _rasters() -> tuple[xr.DataArray, ...]:
    with TemporaryDirectory() as folder:
        files = hsfuse.write_sample(folder, size=SIZE)
        sensors = ("enmap", f"{MS_SENSOR}:{','.join(MS_BANDS)}", "enmap")
        opened = zip((files.scene, files.rgb, files.truth), sensors, strict=True)
        return tuple(hsfuse.open_raster(path, sensor=name).load() for path, name in opened)


@cache
def _case() -> Case:
    hs, ms, truth = _rasters()
    results = {
        name: hsfuse.fuse(hs, ms, method=name, uncertainty=name == "ms-ssfnet").compute()
        for name in METHODS
    }
    return Case.of(hs, ms, truth, results)
