"""
Exceptions for errors that the user can correct.

Every class derives from :class:`HsfuseError` and the matching builtin, so that both
``except HsfuseError`` and ``except ValueError`` work. The command line prints the message as one
line; any other exception is a bug and keeps its traceback.
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


_MOST_FAULTS = 20  # in the text of an error


class HsfuseError(Exception):
    """Base class of the exceptions of hsfuse."""

    def _render_traceback_(self) -> list[str]:
        """Return the message for IPython and notebooks, instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class RasterError(HsfuseError, OSError):
    """A file cannot be read as a raster."""


class OutputError(HsfuseError, OSError):
    """An output exists, cannot be written, or failed verification."""


class ManifestError(HsfuseError, ValueError):
    """
    The manifest of a batch has errors.

    Parameters
    ----------
    faults : sequence of str
        One line each, with file, line, found and expected value.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(tuple(faults))
        self.faults = tuple(faults)

    def __str__(self) -> str:
        more = len(self.faults) - _MOST_FAULTS
        listed = "; ".join(self.faults[:_MOST_FAULTS])
        return f"{listed}; and {more} more" if more > 0 else listed


class PairError(HsfuseError, ValueError):
    """Two rasters cannot be fused."""


class SensorError(HsfuseError, ValueError):
    """A sensor definition is unknown, malformed, or does not match the raster."""


class PlanError(HsfuseError, ValueError):
    """A run cannot be planned with its options: tiles, method, device or others."""


class WeightsError(HsfuseError, ValueError):
    """Network weights are missing, damaged, or not valid for the pair."""


class WorkerError(HsfuseError, RuntimeError):
    """Worker processes, dask workers or their scheduler were lost; finished blocks are kept."""
