"""
What hsfuse raises when a person can do something about it.

Every class is an :class:`HsfuseError` and the builtin a caller would expect, so
both ``except HsfuseError`` and ``except ValueError`` work. The command line
prints the message as one line; anything else is a bug and keeps its traceback.
"""

from collections.abc import Sequence

__all__ = [
    "HsfuseError",
    "ManifestError",
    "OutputError",
    "PairError",
    "PlanError",
    "RasterError",
    "SensorError",
    "WeightsError",
    "WorkerError",
]


class HsfuseError(Exception):
    """The root of all that hsfuse raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        """Return the message for IPython and notebooks, which show no traceback then."""
        return [f"{type(self).__name__}: {self}"]


class RasterError(HsfuseError, OSError):
    """A file cannot be read as the raster that was asked for."""


class OutputError(HsfuseError, OSError):
    """An output exists already, cannot be written, or failed its verification."""


class ManifestError(HsfuseError, ValueError):
    """
    The list of pairs of a batch has faults.

    Parameters
    ----------
    faults : sequence of str
        A line each; they name file, line, what was found and what is expected.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(tuple(faults))
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "; ".join(self.faults)


class PairError(HsfuseError, ValueError):
    """Two rasters do not make a pair that can be fused."""


class SensorError(HsfuseError, ValueError):
    """A sensor definition is unknown, malformed, or does not match the raster."""


class PlanError(HsfuseError, ValueError):
    """A run cannot be done as asked: tiles, their overlap, method, device, or options."""


class WeightsError(HsfuseError, ValueError):
    """Network weights are missing, damaged, or made for another kind of pair."""


class WorkerError(HsfuseError, RuntimeError):
    """Worker processes, dask workers or their scheduler were lost; what was written is kept."""
