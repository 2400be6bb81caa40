"""
Fusion of a low-resolution hyperspectral raster with a high-resolution RGB or multispectral one.

The names in ``__all__`` are the public API. They are imported on first use (PEP 562), so that
``import hsfuse`` and ``hsfuse --help`` load neither torch nor xarray. ``import hsfuse.xarray``
registers the accessor ``.hsfuse`` of DataArray, as does the first use of a public function that
takes or returns rasters.

Examples
--------
>>> import hsfuse
>>> "enmap" in hsfuse.list_sensors()
True
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hsfuse.assessment import assess
    from hsfuse.batch.run import run_batch
    from hsfuse.benchmarking.run import run_benchmark
    from hsfuse.errors import HsfuseError, PairError
    from hsfuse.evaluation import evaluate
    from hsfuse.fusion.lazy import fuse
    from hsfuse.fusion.run import run
    from hsfuse.fusion.settings import Settings
    from hsfuse.io.read import open_raster
    from hsfuse.io.write import write_raster
    from hsfuse.learning.recipe import Recipe
    from hsfuse.learning.train import train
    from hsfuse.methods import list_methods
    from hsfuse.report.files import write_html_report
    from hsfuse.sensor.catalogue import list_sensors, load_sensor
    from hsfuse.synthetic.sample import write_sample
    from hsfuse.synthetic.simulated_files import simulate

    __version__: str

__all__ = [
    "HsfuseError",
    "PairError",
    "Recipe",
    "Settings",
    "__version__",
    "assess",
    "evaluate",
    "fuse",
    "list_methods",
    "list_sensors",
    "load_sensor",
    "open_raster",
    "run",
    "run_batch",
    "run_benchmark",
    "simulate",
    "train",
    "write_html_report",
    "write_raster",
    "write_sample",
]

# Public name -> module that defines it. No module has the name of a public function: the import of
# a submodule binds its name in the package and would hide the function.
_HOMES = {
    "HsfuseError": "hsfuse.errors",
    "PairError": "hsfuse.errors",
    "Recipe": "hsfuse.learning.recipe",
    "Settings": "hsfuse.fusion.settings",
    "assess": "hsfuse.assessment",
    "evaluate": "hsfuse.evaluation",
    "fuse": "hsfuse.fusion.lazy",
    "list_methods": "hsfuse.methods",
    "list_sensors": "hsfuse.sensor.catalogue",
    "load_sensor": "hsfuse.sensor.catalogue",
    "open_raster": "hsfuse.io.read",
    "run": "hsfuse.fusion.run",
    "run_batch": "hsfuse.batch.run",
    "run_benchmark": "hsfuse.benchmarking.run",
    "simulate": "hsfuse.synthetic.simulated_files",
    "train": "hsfuse.learning.train",
    "write_html_report": "hsfuse.report.files",
    "write_raster": "hsfuse.io.write",
    "write_sample": "hsfuse.synthetic.sample",
}


def __getattr__(name: str) -> object:
    """Import a public name, or look up the version, when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("hsfuse")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    _register_accessor()
    return value


def _register_accessor() -> None:
    """Register the accessor ``hsfuse`` of DataArray if xarray is already imported."""
    if "xarray" in sys.modules:
        import_module("hsfuse.xarray")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_register_accessor()
