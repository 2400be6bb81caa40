"""
Fusion methods: one module or package each, one table of names, one protocol.

A method has two stages. ``prepare`` reads the whole pair once, through a
:class:`~hsfuse.pair.survey.Survey` of bounded size, and returns a :class:`Fuser`: frozen and
picklable, it holds everything that is the same for the whole scene. ``Fuser.fuse`` then turns
one :class:`Window` into pixels, and depends on nothing else. A method with local models has a
pass before that one: ``Fuser.condition`` turns the window of a unit into its models, once, and a
window holds the models of every unit that touches it.

A new method is a module with a :class:`Method` and a row in :data:`METHODS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.local_models import LocalModelGrid
from hsfuse.errors import PlanError

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
class MethodSpec:
    """
    What a method can do, and where it is.

    Attributes
    ----------
    path : str
        Import path of the :class:`Method`, ``module:attribute``; imported when it is used.
    summary : str
        One line for `hsfuse methods`.
    takes_weights : bool
        Whether a weights file may be given.
    gives_standard_error : bool
        Whether it can give the standard error of each pixel.
    wants_denoised_bands : bool
        Whether it fuses the clean HS bands alone, and noisy ones are predicted from them; false for
        interpolation, which adds no detail to sharpen noise with.
    """

    path: str
    summary: str
    takes_weights: bool = False
    gives_standard_error: bool = False
    wants_denoised_bands: bool = True

    def load(self) -> Method:
        """Return the method, with noisy bands reconstructed where it wants that."""
        plain = self.load_plain()
        return _imported(_DENOISING)(plain) if self.wants_denoised_bands else plain

    def load_plain(self) -> Method:
        """Return the method that fuses every band as it is."""
        method: Method = _imported(self.path)
        return method


METHODS = {
    "bicubic": MethodSpec(
        "hsfuse.methods.bicubic:METHOD",
        "the HS image interpolated, without the MS image; the lower bound of any comparison",
        wants_denoised_bands=False,
    ),
    "guided": MethodSpec(
        "hsfuse.methods.guided.method:METHOD",
        "local and scene-wide regression on the MS bands in the scene's own subspace; "
        "any sensor, no training, parameters selected on the pair itself",
    ),
    "kriging": MethodSpec(
        "hsfuse.methods.kriging.method:METHOD",
        "area-to-point regression by Gaussian processes of colour, texture and position; slower "
        "than guided, no training",
    ),
    "cnmf": MethodSpec(
        "hsfuse.methods.cnmf.method:METHOD",
        "coupled non-negative matrix factorisation (Yokoya 2012): endmembers of the scene, "
        "abundances of the MS image",
    ),
    "spectralift": MethodSpec(
        "hsfuse.methods.spectralift:METHOD",
        "a per-pixel network trained on the pair itself (Shah 2025); needs the spectral response "
        "alone",
    ),
    "ms-ssfnet": MethodSpec(
        "hsfuse.methods.ms_ssfnet.method:METHOD",
        "the multi-scale spatial and spectral fusion network; where no weights fit the pair, "
        "`guided` is used instead and a note says why",
        takes_weights=True,
        gives_standard_error=True,
    ),
}
# What reconstructs noisy bands, around a method.
_DENOISING = "hsfuse.methods.denoising:DenoisedMethod"


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
    """What a :class:`Fuser` without local models says of them, and of memory."""

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


def list_methods() -> dict[str, str]:
    """
    Return every method's name and a line about it.

    Examples
    --------
    >>> sorted(list_methods())
    ['bicubic', 'cnmf', 'guided', 'kriging', 'ms-ssfnet', 'spectralift']
    """
    return {name: spec.summary for name, spec in METHODS.items()}


def methods_with(capability: str) -> str:
    """
    Return the names of the methods with a capability, for a message.

    Parameters
    ----------
    capability : str
        A flag of :class:`MethodSpec`.

    Examples
    --------
    >>> methods_with("takes_weights")
    'ms-ssfnet'
    """
    return ", ".join(name for name, spec in METHODS.items() if getattr(spec, capability))


def check_options(name: str, options: Options) -> None:
    """
    Refuse what a method cannot do, whatever the pair.

    Raises
    ------
    PlanError
        If weights or standard errors are requested of a method without; the message lists
        the methods that have.
    """
    spec = find_method(name)
    if options.weights and not spec.takes_weights:
        raise PlanError(
            f"{name} takes no weights, got {options.weights}; methods with weights: "
            f"{methods_with('takes_weights')}"
        )
    if options.uncertainty and not spec.gives_standard_error:
        raise PlanError(
            f"{name} gives no standard error; methods that do: "
            f"{methods_with('gives_standard_error')}"
        )


def find_method(name: str) -> MethodSpec:
    """
    Return a row of the table.

    Raises
    ------
    PlanError
        If there is no method of that name; the message lists the names.
    """
    if name not in METHODS:
        raise PlanError(f"method must be one of {', '.join(METHODS)}, got {name!r}")
    return METHODS[name]


def load_method(name: str) -> Method:
    """
    Return the method of that name.

    Raises
    ------
    PlanError
        As :func:`find_method`.
    """
    return find_method(name).load()


def _imported(path: str) -> Any:
    module, attribute = path.split(":")
    return getattr(import_module(module), attribute)
