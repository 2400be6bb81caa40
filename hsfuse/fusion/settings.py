"""What a user may choose: one place for `hsfuse.fuse`, `hsfuse.run` and the command line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

from hsfuse.core.psf import PSF
from hsfuse.errors import PlanError
from hsfuse.io.layout import check_stored_type
from hsfuse.io.read import NoData
from hsfuse.io.settings import StoredType
from hsfuse.methods import Options, check_options, find_method
from hsfuse.pair.part import Bands, BBox, check_bands, check_bbox
from hsfuse.parallel import check_device, check_scheduler
from hsfuse.sensor.model import Sensor

__all__ = ["FusionSettings", "PathLike", "SensorLike", "Settings", "check_weights", "with_choices"]

PathLike = str | os.PathLike[str]
SensorLike = Sensor | str | os.PathLike[str]

_Chosen = TypeVar("_Chosen", bound="FusionSettings")

# Of a PSF, in HS pixels: beyond, an HS pixel would be no resolution element.
_WIDEST = 8.0
_PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """
    What decides the pixels of a fusion; every default is what most pairs need.

    Attributes
    ----------
    method : str
        A name of :func:`hsfuse.list_methods`.
    hs_sensor, rgb_sensor : Sensor, str or None
        Definition, name or TOML file of a sensor; the rasters' own by default.
    hs_mask, rgb_mask : path or None
        Raster files on the grids of the inputs: 0 or no data means no data there.
    hs_nodata, rgb_nodata : float, "none" or None
        The stored number that means no data in an input, in place of what its file declares.
    bbox : tuple of float or None
        Left, bottom, right and top of the part to fuse: the MS pixels whose centres lie in it. The
        pair is restricted to it before it is planned.
    bbox_crs : str or None
        Coordinate reference system of ``bbox``, such as ``EPSG:4326`` (longitude before latitude);
        None for that of the MS image.
    bands : str, sequence of int or None
        Of the HS image: numbers from 1, ranges and wavelength ranges, as in ``1-50,60,900-1000nm``.
        The other bands are not read.
    weights : path or None
        Weights file for a network.
    device : str
        ``auto``, ``cpu`` or ``cuda``. ``auto`` is decided where the pixels are computed.
    precision : str
        ``float32`` or ``bfloat16``, for networks.
    uncertainty : bool
        Also give the standard error of each pixel's spectrum, as a coordinate ``standard_error``
        of :func:`hsfuse.fuse`, a variable of a zarr store, a band of a GeoTIFF after the others.
    fwhm : tuple of float or None
        FWHM of the PSF of the HS image along y and x, in HS pixels; None for that of the sensor's
        definition, or estimated from the pair where that has none.
    align : bool
        Estimate the co-registration from the pair, to a fraction of an HS pixel; otherwise the
        georeferencing of the files is used as it is.
    tile, overlap : int or None
        Side of a tile, and the tile overlap: how far a tile reads beyond its edge, in MS pixels;
        None for what the method needs.

    Raises
    ------
    PlanError
        If a value is not one that is accepted, or the method cannot do what is asked.
    """

    method: str = "ms-ssfnet"
    hs_sensor: SensorLike | None = None
    rgb_sensor: SensorLike | None = None
    hs_mask: PathLike | None = None
    rgb_mask: PathLike | None = None
    hs_nodata: NoData | None = None
    rgb_nodata: NoData | None = None
    bbox: BBox | None = None
    bbox_crs: str | None = None
    bands: Bands | None = None
    weights: PathLike | None = None
    device: str = "auto"
    precision: str = "float32"
    uncertainty: bool = False
    fwhm: tuple[float, float] | None = None
    align: bool = True
    tile: int | None = None
    overlap: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is wrong whatever the pair is, before anything is read."""
        find_method(self.method)
        check_device(self.device)
        if self.precision not in _PRECISIONS:
            raise PlanError(f"precision must be {' or '.join(_PRECISIONS)}, got {self.precision!r}")
        check_options(self.method, self.options)
        if self.fwhm is not None and not all(0 < width <= _WIDEST for width in self.fwhm):
            y, x = self.fwhm
            raise PlanError(f"fwhm must be above 0 and at most {_WIDEST:g} HS pixels, got {y} {x}")
        if self.bbox is not None:
            check_bbox(self.bbox, self.bbox_crs)
        elif self.bbox_crs is not None:
            raise PlanError(f"bbox_crs: found {self.bbox_crs!r} without a bbox; expected both")
        if self.bands is not None:
            check_bands(self.bands)
        for name, value, least in (("tile", self.tile, 1), ("tile overlap", self.overlap, 0)):
            if value is not None and value < least:
                raise PlanError(f"{name} must be at least {least} MS pixels, got {value}")
        if self.weights is None:
            self.check_tile(find_method(self.method).tile_step)

    def check_tile(self, step: int) -> None:
        """Refuse a tile that is no multiple of so many MS pixels."""
        if self.tile is not None and self.tile % step:
            raise PlanError(f"tile must be a multiple of {step} for {self.method}, got {self.tile}")

    @property
    def psf(self) -> PSF | None:
        """The PSF of the HS image, where it is given."""
        return None if self.fwhm is None else PSF(self.fwhm)

    @property
    def options(self) -> Options:
        """What is asked of the method."""
        weights = None if self.weights is None else os.fspath(self.weights)
        return Options(weights, self.device, self.precision, self.uncertainty)


@dataclass(frozen=True, slots=True)
class Settings(FusionSettings):
    """
    What a user may choose for a run: the fusion, how it is computed and how it is stored.

    Attributes
    ----------
    scheduler : str
        ``local`` for threads of this process, ``processes`` for processes of this machine, or the
        address of a dask scheduler.
    workers : int or None
        Threads or processes of this machine; None for one per core.
    dtype : str
        ``float32``, or ``int16`` and ``uint16`` with ``scale``. ``input`` is what the HS image is
        stored as, with its scale and offset, where that is ``int16`` or ``uint16`` with one scale
        for all bands, and ``float32`` otherwise; the plan says which.
    scale : float or None
        Value of one stored step of an integer output.
    max_error : float
        By which float32 values may be rounded, in the unit of the HS image; 0 for not at all.
        Rounded values compress better.
    creation_options : mapping
        GeoTIFF creation options.
    temporary : path or None
        Folder in which a GeoTIFF is written that is then uploaded to a URL; None for the working
        folder.
    overwrite, resume : bool
        Replace an output; continue an interrupted run.

    See Also
    --------
    FusionSettings : the other attributes.
    """

    scheduler: str = "local"
    workers: int | None = None
    dtype: StoredType | Literal["input"] = "input"
    scale: float | None = None
    max_error: float = 0.0
    creation_options: Mapping[str, str] = field(default_factory=dict)
    temporary: PathLike | None = None
    overwrite: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        """Refuse what is wrong whatever the pair is, before anything is read."""
        FusionSettings.__post_init__(self)  # a class with slots has no super() without arguments
        check_scheduler(self.scheduler)
        check_stored_type(self.likely_dtype, self.scale, self.max_error)
        if self.workers is not None and self.workers < 1:
            raise PlanError(f"workers must be at least 1, got {self.workers}")

    @property
    def likely_dtype(self) -> StoredType:
        """The stored type, or that of most HS images where it is theirs and none is read yet."""
        return "float32" if self.dtype == "input" else self.dtype


def check_weights(settings: FusionSettings) -> None:
    """
    Refuse weights that are none, or of another network, before an input is opened.

    Raises
    ------
    WeightsError
        If the file or its card cannot be read, or is of another network than the method.
    PlanError
        If their network cannot use tiles of the size that is given.
    """
    if settings.weights is not None:
        from hsfuse.nets.weights import find_weights  # imports torch, which takes seconds

        card = find_weights(os.fspath(settings.weights), settings.method)
        if find_method(settings.method).tile_step > 1:
            settings.check_tile(card.architecture.ratio)


def with_choices(settings: _Chosen, choices: Mapping[str, Any], caller: str) -> _Chosen:
    """
    Return settings with the keyword arguments of a public function in place of their fields.

    Parameters
    ----------
    settings : FusionSettings or Settings
    choices : mapping
        Names of fields and their values.
    caller : str
        Name of the function, for the message.

    Raises
    ------
    TypeError
        If there is no such field; the message names the nearest one.
    PlanError
        If a value is not accepted.
    """
    known = [each.name for each in fields(settings)]
    for name in choices:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected {', '.join(known)}"
            raise TypeError(f"{caller}() got an unexpected option {name!r}; {hint}")
    return replace(settings, **choices)
