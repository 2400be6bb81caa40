"""
Exceptions for errors that the user can correct.

Every class derives from :class:`HsfuseError` and the matching builtin, so that both
``except HsfuseError`` and ``except ValueError`` work. The command line prints the message as one
line; any other exception is a bug and keeps its traceback.

Messages name an option in backticks, as it is typed: the command line prints it so, and the text of
an exception in Python names the argument (:func:`as_arguments`).
"""

import re
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
    "as_arguments",
    "message_of",
]

_OPTION = re.compile(r"`--(?P<name>[a-z][a-z-]*)(?: (?P<value>[^`]+))?`")
# Options without a value, and arguments of another name.
_FLAGS = ("overwrite", "resume")
_ARGUMENTS = {"co": "creation_options"}


_MOST_FAULTS = 20  # in the text of an error


def as_arguments(text: str) -> str:
    """
    Return a message with options of the command line as arguments of Python.

    Examples
    --------
    >>> as_arguments("exists; pass `--overwrite` or another `--out`; see `hsfuse methods`")
    'exists; pass `overwrite=True` or another `out`; see `hsfuse methods`'
    >>> as_arguments("try `--hs-sensor enmap`, `--fwhm 1.2 1.3`, `--weights gsa=FILE`")
    "try `hs_sensor='enmap'`, `fwhm=(1.2, 1.3)`, `weights={'gsa': 'FILE'}`"
    """
    return _OPTION.sub(_argument, text)


def _argument(match: re.Match[str]) -> str:
    name, value = match["name"].replace("-", "_"), match["value"]
    name = _ARGUMENTS.get(name, name)
    if value is None:
        return f"`{name}=True`" if name in _FLAGS else f"`{name}`"
    key, equals, text = value.partition("=")
    if equals:
        return f"`{name}={ {key: text} }`"
    words = value.split()
    if len(words) > 1:
        return f"`{name}=({', '.join(words)})`"
    return f"`{name}={value}`" if value.isupper() else f"`{name}={value!r}`"  # FILE is no value


def message_of(error: BaseException) -> str:
    """Return the message of an error with options as the command line names them."""
    return error.message if isinstance(error, HsfuseError) else str(error)


class HsfuseError(Exception):
    """Base class of the exceptions of hsfuse."""

    def __str__(self) -> str:
        return as_arguments(self.message)

    @property
    def message(self) -> str:
        """The message, with options as the command line names them."""
        return super().__str__()

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

    @property
    def message(self) -> str:
        """The first errors, and the number of the others."""
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
    """Worker processes, dask workers or their scheduler were lost; finished tiles are kept."""
