"""
Fusion methods: one module or package each, with a common protocol and a table of names.

A method has two stages. ``prepare`` takes a :class:`~hsfuse.pair.survey.Survey`, a sample of the
pair of bounded size, and returns a :class:`Fuser`: immutable and picklable, it holds all scene-wide
quantities. ``Fuser.fuse`` then computes the pixels of a :class:`Window` from these alone. A method
with local models has a first pass: ``Fuser.condition`` computes the models of a unit from its
window, once, and a window holds the models of every unit that touches it.

A new method is a module with a :class:`Method` and a row in :data:`hsfuse.methods.table.METHODS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.local_models import LocalModelGrid
from hsfuse.methods.table import (
    METHODS,
    MethodSpec,
    check_options,
    find_method,
    list_methods,
    load_method,
    methods_with,
)

if TYPE_CHECKING:
    from hsfuse.pair.survey import Survey

__all__ = [
    "METHODS",
    "Fuser",
    "Method",
    "MethodSpec",
    "OnePass",
    "Options",
    "Window",
    "check_options",
    "find_method",
    "list_methods",
    "load_method",
    "methods_with",
    "place",
]


@dataclass(frozen=True, slots=True)
class Options:
    """
    Options of a method.

    Attributes
    ----------
    weights : str or None
        A weights file; by default the one shipped with hsfuse.
    device : str
        ``cpu`` or ``cuda``.
    precision : str
        ``float32`` or ``bfloat16``, for networks.
    uncertainty : bool
        Whether to compute the standard error of each pixel.
    """

    weights: str | None = None
    device: str = "cpu"
    precision: str = "float32"
    uncertainty: bool = False

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return the options that determine the pixels; weights by content, not by path."""
        return ("Options", self.device, self.precision, self.uncertainty)


@dataclass(frozen=True, slots=True)
class Window:
    """
    A part of the pair as arrays, with a halo.

    Attributes
    ----------
    coarse : ndarray of shape (bands, coarse rows, coarse columns)
        HS pixels around the window, float32, NaN for no data.
    fine : ndarray of shape (MS bands, rows, columns)
        MS pixels, float32, NaN for no data.
    geometry : Geometry
        Grid of ``coarse`` relative to ``fine``.
    core : tuple of Span
        Rows and columns of ``fine`` to be fused; the rest is halo.
    start : tuple of int
        Row and column of the first HS pixel of ``coarse`` in the whole scene.
    models : mapping of tuple of int to ndarray
        Models of :meth:`Fuser.condition` for every unit with a weight in ``fine``, by row and
        column of the unit; empty for methods with one pass, and in the first pass.
    """

    coarse: NDArray[np.float32]
    fine: NDArray[np.float32]
    geometry: Geometry
    core: tuple[Span, Span]
    start: tuple[int, int]
    models: Mapping[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict)


class Fuser(Protocol):
    """A method prepared for a pair; immutable and picklable."""

    @property
    def name(self) -> str:
        """Name of the method that fuses: `guided` where the selected method cannot."""

    @property
    def reach(self) -> tuple[float, float]:
        """Distance (y, x) in HS pixels over which an output pixel depends on its inputs."""

    @property
    def step(self) -> int:
        """Windows start at multiples of this number of fine pixels."""

    @property
    def gives_standard_error(self) -> bool:
        """Whether a plane of standard errors follows the bands of the cube."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user on automatic choices, one sentence each."""

    @property
    def local_models(self) -> LocalModelGrid | None:
        """Units of the first pass; None for methods with one pass."""

    def describe(self) -> dict[str, object]:
        """Return the settings in JSON types, for the plan and the record."""

    def memory(self, window: tuple[int, int], core: tuple[int, int]) -> int:
        """
        Return the peak memory in bytes of fusing a window, without its inputs and the output.

        Parameters
        ----------
        window, core : tuple of int
            Rows and columns in MS pixels.
        """

    def condition(self, window: Window) -> NDArray[np.float32]:
        """
        Return the models of one unit of :attr:`local_models`, an array of any shape.

        Parameters
        ----------
        window : Window
            ``coarse`` has exactly the HS pixels on which the unit is conditioned, ``fine`` the MS
            pixels around them; ``core`` is the part of ``fine`` that these HS pixels cover.
        """

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """
        Return the fused core of each window.

        Parameters
        ----------
        windows : sequence of Window
            Windows; a network processes those of equal shape in one batch.

        Returns
        -------
        list of ndarray of shape (planes, core rows, core columns)
            The bands in HS units. Values are finite; the caller masks no data. If the fuser gives
            it, the last plane is the standard error: for 90 % of the pixels, the root mean square
            error over the good bands is below 1.645 times the standard error.
        """


class OnePass(ABC):
    """Base class of a :class:`Fuser` without local models."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Largest number of float arrays of the size of a window in memory at the same time."""

    @property
    def local_models(self) -> None:
        """See :class:`Fuser`."""
        return

    def memory(self, window: tuple[int, int], core: tuple[int, int]) -> int:
        """See :class:`Fuser`."""
        del core
        return 4 * self.channels * window[0] * window[1]

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """Return the fused core of a window; not used by a fuser that overrides ``fuse``."""
        raise NotImplementedError(f"{type(self).__name__} does not fuse windows one by one")

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`Fuser`."""
        return [self.fuse_window(window) for window in windows]

    def condition(self, window: Window) -> NDArray[np.float32]:
        """See :class:`Fuser`; not applicable."""
        raise NotImplementedError(f"{type(self).__name__} has no local models")


def place(fuser: Fuser, device: str) -> Fuser:
    """
    Return a fuser, and all its parts, for a device.

    Parameters
    ----------
    fuser : Fuser
        Fuser for any device.
    device : str
        ``cpu`` or ``cuda``.
    """
    return _place_part(fuser, device)


_Part = TypeVar("_Part")


def _place_part(part: _Part, device: str) -> _Part:
    if not is_dataclass(part) or isinstance(part, type):
        return part
    values = {f.name: getattr(part, f.name) for f in fields(part) if f.init}
    changed = {
        name: device if name == "device" else _place_part(value, device)
        for name, value in values.items()
    }
    same = all(changed[name] is value or name == "device" for name, value in values.items())
    if same and values.get("device", device) == device:
        return part
    return replace(part, **changed)


class Method(Protocol):
    """Prepares a :class:`Fuser` for a pair."""

    def prepare(self, survey: Survey, options: Options) -> Fuser:
        """Return the fuser for the surveyed pair."""
