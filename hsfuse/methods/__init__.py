"""
Fusion methods: one file each, one table of names, one protocol.

A method has two moments. ``prepare`` looks at the whole pair once, through a
:class:`~hsfuse.pair.survey.Survey` of bounded size, and returns a :class:`Fuser`: frozen,
picklable, knowing everything that holds for the whole scene. ``Fuser.fuse`` then turns
one :class:`Window` into pixels, and depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Geometry, Span
from hsfuse.errors import PlanError

if TYPE_CHECKING:
    from hsfuse.pair.survey import Survey

__all__ = [
    "METHODS",
    "Fuser",
    "Method",
    "Options",
    "Window",
    "check_options",
    "list_methods",
    "load_method",
]

# name -> (import path of the method object, one line for `hsfuse methods`)
METHODS: dict[str, tuple[str, str]] = {
    "bicubic": (
        "hsfuse.methods.bicubic:METHOD",
        "the HS image interpolated; the fine image is not used; the floor of any comparison",
    ),
    "guided": (
        "hsfuse.methods.guided.method:METHOD",
        "local and scene-wide regression on the fine bands in the scene's own subspace; "
        "any sensor, no training, parameters chosen on the pair itself",
    ),
    "kriging": (
        "hsfuse.methods.kriging.method:METHOD",
        "area-to-point regression by Gaussian processes of colour, texture and place; slower "
        "than guided, no training",
    ),
    "cnmf": (
        "hsfuse.methods.cnmf:METHOD",
        "coupled non-negative matrix factorisation (Yokoya 2012): endmembers of the scene, "
        "abundances of the fine image",
    ),
    "spectralift": (
        "hsfuse.methods.spectralift:METHOD",
        "a per-pixel network trained on the pair itself (Shah 2025); needs the response alone",
    ),
    "ms-ssfnet": (
        "hsfuse.methods.ms_ssfnet.method:METHOD",
        "the multi-scale spatial and spectral fusion network; where no weights fit the pair, "
        "`guided` is used and said",
    ),
}
# The one that takes weights, and tells how sure it is.
_NETWORK = "ms-ssfnet"


@dataclass(frozen=True, slots=True)
class Options:
    """
    What a user may ask of a method.

    Attributes
    ----------
    weights : str or None
        A weights file instead of the shipped ones.
    device : str
        ``cpu`` or ``cuda``, already decided.
    precision : str
        ``float32`` or ``bfloat16``, for networks.
    uncertainty : bool
        Also tell the standard error of each pixel.
    """

    weights: str | None = None
    device: str = "cpu"
    precision: str = "float32"
    uncertainty: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """
    A part of the pair, with its halo, as arrays.

    Attributes
    ----------
    coarse : ndarray of shape (bands, coarse rows, coarse columns)
        HS pixels that touch the window or its surroundings, float32, NaN where there is no data.
    fine : ndarray of shape (fine bands, rows, columns)
        RGB or MS pixels, float32, NaN where there is no data.
    geometry : Geometry
        Of ``coarse`` over ``fine``.
    core : tuple of Span
        The rows and columns of ``fine`` that are wanted; the rest is halo.
    start : tuple of int
        Row and column, in the whole scene, of the first HS pixel of ``coarse``.
    """

    coarse: NDArray[np.float32]
    fine: NDArray[np.float32]
    geometry: Geometry
    core: tuple[Span, Span]
    start: tuple[int, int] = (0, 0)

    @property
    def coarse_spans(self) -> tuple[Span, Span]:
        """All HS rows and columns of the window."""
        return Span(0, self.geometry.y.coarse), Span(0, self.geometry.x.coarse)


class Fuser(Protocol):
    """A method that has seen the pair: pure, frozen and picklable."""

    @property
    def name(self) -> str:
        """The name of the method that will really run."""

    @property
    def reach(self) -> tuple[float, float]:
        """How far an output pixel depends on its inputs: coarse pixels along y and x."""

    @property
    def step(self) -> int:
        """Windows start at multiples of this many fine pixels; 1 where any start will do."""

    @property
    def sure(self) -> bool:
        """Whether a last band of standard errors follows the cube, as Options asked."""

    @property
    def channels(self) -> int:
        """Float maps of a window's size that are alive at once, for the estimate of memory."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the choice made, a sentence each."""

    def describe(self) -> dict[str, object]:
        """Return the settings in JSON types, for the plan and the sidecar."""

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """
        Return the fused core of each window.

        Parameters
        ----------
        windows : sequence of Window
            Several, so that a network can take those of one shape as a batch.

        Returns
        -------
        list of ndarray of shape (bands, core rows, core columns)
            In HS units. Values are finite; no data is masked by the caller. Where the fuser
            is ``sure``, one band more: the error to be expected of each pixel's spectrum, root
            mean square over the good bands.
        """


class Method(Protocol):
    """A name in the table: makes a :class:`Fuser` for a pair."""

    def prepare(self, survey: Survey, options: Options) -> Fuser:
        """Return the fuser for the pair that was surveyed."""


def list_methods() -> dict[str, str]:
    """
    Return every method's name and a line about it.

    Examples
    --------
    >>> sorted(list_methods())
    ['bicubic', 'cnmf', 'guided', 'kriging', 'ms-ssfnet', 'spectralift']
    """
    return {name: line for name, (_, line) in METHODS.items()}


def check_options(name: str, options: Options) -> None:
    """
    Refuse what a method cannot do, whatever the pair.

    Raises
    ------
    PlanError
        If weights or the uncertainty are asked of a method that has none.
    """
    if name == _NETWORK:
        return
    if options.weights:
        raise PlanError(f"{name} takes no weights, got {options.weights}; {_NETWORK} does")
    if options.uncertainty:
        raise PlanError(f"{name} cannot tell its uncertainty; {_NETWORK} can")


def load_method(name: str) -> Method:
    """
    Return the method of that name.

    Raises
    ------
    PlanError
        If there is none; the message lists those there are.
    """
    if name not in METHODS:
        raise PlanError(f"method must be one of {', '.join(METHODS)}, got {name!r}")
    module, attribute = METHODS[name][0].split(":")
    method: Method = getattr(import_module(module), attribute)
    if name == "bicubic":  # it makes no detail
        return method
    quiet: type[Method] = import_module("hsfuse.methods.denoising").Quiet
    return quiet(method)  # type: ignore[call-arg]
