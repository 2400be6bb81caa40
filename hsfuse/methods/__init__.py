"""
Fusion methods: one module or package each, one table of names, one protocol.

A method has two stages. ``prepare`` reads the whole pair once, through a
:class:`~hsfuse.pair.survey.Survey` of bounded size, and returns a :class:`Fuser`: frozen and
picklable, it holds everything that is the same for the whole scene. ``Fuser.fuse`` then turns
one :class:`Window` into pixels, and depends on nothing else. A method with local models has a
pass before that one: ``Fuser.condition`` turns the window of a unit into its models, once, and a
window holds the models of every unit that touches it.

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
        A weights file; by default the one that comes with hsfuse.
    device : str
        ``cpu`` or ``cuda``.
    precision : str
        ``float32`` or ``bfloat16``, for networks.
    uncertainty : bool
        Whether the standard error of each pixel is wanted.
    """

    weights: str | None = None
    device: str = "cpu"
    precision: str = "float32"
    uncertainty: bool = False

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what decides the pixels; weights are known by their content, not their path."""
        return ("Options", self.device, self.precision, self.uncertainty)


@dataclass(frozen=True, slots=True)
class Window:
    """
    A part of the pair as arrays, with a halo.

    Attributes
    ----------
    coarse : ndarray of shape (bands, coarse rows, coarse columns)
        HS pixels about the window, float32, NaN where there is no data.
    fine : ndarray of shape (MS bands, rows, columns)
        MS pixels, float32, NaN where there is no data.
    geometry : Geometry
        Of ``coarse`` over ``fine``.
    core : tuple of Span
        The rows and columns of ``fine`` that are wanted; the rest is halo.
    start : tuple of int
        Row and column, in the whole scene, of the first HS pixel of ``coarse``.
    models : mapping of tuple of int to ndarray
        Those of :meth:`Fuser.condition` for every unit with a weight in ``fine``, by the row and
        column of the unit; empty for methods of one pass, and in the first pass.
    """

    coarse: NDArray[np.float32]
    fine: NDArray[np.float32]
    geometry: Geometry
    core: tuple[Span, Span]
    start: tuple[int, int]
    models: Mapping[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict)

    @property
    def coarse_spans(self) -> tuple[Span, Span]:
        """All HS rows and columns of the window."""
        return Span(0, self.geometry.y.coarse), Span(0, self.geometry.x.coarse)


class Fuser(Protocol):
    """A method prepared for a pair: pure, frozen and picklable."""

    @property
    def name(self) -> str:
        """The name of the method that fuses: `guided` where the one that was chosen cannot."""

    @property
    def reach(self) -> tuple[float, float]:
        """How far an output pixel depends on its inputs, in HS pixels along y and x."""

    @property
    def step(self) -> int:
        """Windows start at multiples of this many fine pixels; 1 for any start."""

    @property
    def gives_standard_error(self) -> bool:
        """Whether a plane of standard errors follows the bands of the cube."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the choices made, a sentence each."""

    @property
    def local_models(self) -> LocalModelGrid | None:
        """The units that are conditioned before windows are fused; None for one pass."""

    def describe(self) -> dict[str, object]:
        """Return the settings in JSON types, for the plan and the record."""

    def memory(self, window: tuple[int, int], core: tuple[int, int]) -> int:
        """
        Return the bytes at the peak of fusing a window, beside its inputs and the fused core.

        Parameters
        ----------
        window, core : tuple of int
            Rows and columns of MS pixels.
        """

    def condition(self, window: Window) -> NDArray[np.float32]:
        """
        Return the models of one unit of :attr:`local_models`, an array of any shape.

        Parameters
        ----------
        window : Window
            ``coarse`` holds exactly the HS pixels on which the unit is conditioned, ``fine`` the
            MS pixels about them; ``core`` is the part of ``fine`` that these HS pixels cover.
        """

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """
        Return the fused core of each window.

        Parameters
        ----------
        windows : sequence of Window
            Several, so that a network can batch those of one shape.

        Returns
        -------
        list of ndarray of shape (planes, core rows, core columns)
            The bands in HS units. Values are finite; the caller masks no data. The last of one
            plane more is the standard error where the fuser gives it: of 90 % of the pixels the
            root mean square error over the good bands is below 1.645 of it.
        """


class OnePass(ABC):
    """What a :class:`Fuser` without local models says of them, and of memory and windows."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Float arrays of a window's size that exist at once."""

    @property
    def local_models(self) -> None:
        """See :class:`Fuser`."""
        return

    def memory(self, window: tuple[int, int], core: tuple[int, int]) -> int:
        """See :class:`Fuser`."""
        del core
        return 4 * self.channels * window[0] * window[1]

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """Return the fused core of a window; a fuser without this batches them in ``fuse``."""
        raise NotImplementedError(f"{type(self).__name__} does not fuse windows one by one")

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`Fuser`."""
        return [self.fuse_window(window) for window in windows]

    def condition(self, window: Window) -> NDArray[np.float32]:
        """See :class:`Fuser`; there is no unit to condition."""
        raise NotImplementedError(f"{type(self).__name__} has no local models")


def place(fuser: Fuser, device: str) -> Fuser:
    """
    Return a fuser that computes on a device, with all that it is made of.

    Parameters
    ----------
    fuser : Fuser
        Prepared on any device.
    device : str
        ``cpu`` or ``cuda``.
    """
    return _placed(fuser, device)


_Part = TypeVar("_Part")


def _placed(part: _Part, device: str) -> _Part:
    if not is_dataclass(part) or isinstance(part, type):
        return part
    values = {f.name: getattr(part, f.name) for f in fields(part) if f.init}
    changed = {
        name: device if name == "device" else _placed(value, device)
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
