"""Settings of a fusion and of a run, for `hsfuse.fuse`, `hsfuse.run` and the command line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from hsfuse.core.numbers import check_real_numbers, check_whole_number
from hsfuse.core.psf import PSF
from hsfuse.errors import PlanError
from hsfuse.io.output.layout import check_stored_type
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

# Largest FWHM of a PSF in HS pixels.
_WIDEST = 8.0
_PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """
    Settings that determine the pixels of a fusion; the defaults suit most pairs.

    Attributes
    ----------
    method : str
        A name of :func:`hsfuse.list_methods`.
    hs_sensor, rgb_sensor : Sensor, str or None
        Sensor, or its name or TOML file; by default that which the raster states.
    hs_mask, rgb_mask : path or None
        Raster files on the grids of the inputs; pixels that are 0 or have no data are masked.
    hs_nodata, rgb_nodata : float, "none" or None
        Stored no-data value of an input, instead of the declared one.
    bbox : tuple of float or None
        Left, bottom, right and top of the part to fuse: the MS pixels with centres inside it. The
        pair is restricted before planning.
    bbox_crs : str or None
        Coordinate reference system of ``bbox``, such as ``EPSG:4326`` (longitude before latitude);
        None for that of the MS image.
    bands : str, sequence of int or None
        Bands of the HS image: numbers from 1, ranges and wavelength ranges, such as
        ``1-50,60,900-1000nm``. The other bands are not read.
    weights : path or None
        Weights file of a network.
    device : str
        ``auto``, ``cpu`` or ``cuda``. ``auto`` is resolved where the pixels are computed.
    precision : str
        ``auto``, ``float32`` or ``bfloat16``, for networks. ``auto`` is ``bfloat16`` with the
        weights that come with hsfuse where the processor that plans has matrix products in it, as
        those with AMX do, otherwise ``float32``.
    uncertainty : bool
        Also compute the standard error of the spectrum of each pixel, stored as the coordinate
        ``standard_error`` of :func:`hsfuse.fuse`, a variable of a zarr store, or the last band of a
        GeoTIFF.
    fwhm : tuple of float or None
        FWHM of the PSF of the HS image along y and x, in HS pixels; None for that of the sensor,
        or an estimate from the pair where the sensor states none.
    align : bool
        Estimate the co-registration from the pair to sub-pixel accuracy; otherwise the
        georeferencing of the files is used unchanged.
    tile, overlap : int or None
        Side of a tile, and tile overlap (the margin read around a tile), in MS pixels; None for
        the requirement of the method.

    Raises
    ------
    PlanError
        If a value is not accepted, or the method does not support it.
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
    precision: str = "auto"
    uncertainty: bool = False
    fwhm: tuple[float, float] | None = None
    align: bool = True
    tile: int | None = None
    overlap: int | None = None

    def __post_init__(self) -> None:
        """Check the values that do not depend on the pair."""
        find_method(self.method)
        check_device(self.device)
        if self.precision not in _PRECISIONS:
            raise PlanError(f"precision must be auto, float32 or bfloat16, got {self.precision!r}")
        check_options(self.method, self.options)
        if self.fwhm is not None:
            y, x = check_real_numbers("fwhm", self.fwhm, 2)
            if not all(0 < width <= _WIDEST for width in (y, x)):
                raise PlanError(
                    f"fwhm must be above 0 and at most {_WIDEST:g} HS pixels, got {y} {x}"
                )
        if self.bbox is not None:
            check_bbox(self.bbox, self.bbox_crs)
        elif self.bbox_crs is not None:
            raise PlanError(
                f"`--bbox-crs`: found {self.bbox_crs!r} without `--bbox`; expected both"
            )
        if self.bands is not None:
            check_bands(self.bands)
        for name, value, minimum in (("tile", self.tile, 1), ("tile overlap", self.overlap, 0)):
            if value is not None and check_whole_number(name, value) < minimum:
                raise PlanError(f"{name} must be at least {minimum} MS pixels, got {value}")
        for name in ("hs_mask", "rgb_mask"):
            mask = getattr(self, name)
            if not isinstance(mask, str | os.PathLike | None):
                raise PlanError(
                    f"{name}: found a {type(mask).__name__}; expected the path of a raster file; "
                    "where() of xarray masks an array"
                )
        if self.weights is None:
            self.check_tile(find_method(self.method).tile_step)

    def check_tile(self, step: int) -> None:
        """Check that the tile is a multiple of ``step`` MS pixels."""
        if self.tile is not None and self.tile % step:
            raise PlanError(f"tile must be a multiple of {step} for {self.method}, got {self.tile}")

    @property
    def files(self) -> tuple[PathLike, ...]:
        """Files named by the settings: masks, definitions of sensors, weights with their card."""
        sensors = [
            os.fspath(sensor).partition(":")[0]
            for sensor in (self.hs_sensor, self.rgb_sensor)
            if isinstance(sensor, str | os.PathLike)
        ]
        definitions = [name for name in sensors if name.lower().endswith(".toml")]
        weights = [] if self.weights is None else [Path(self.weights)]
        cards = [path.with_suffix(".json") for path in weights]
        masks = [mask for mask in (self.hs_mask, self.rgb_mask) if mask is not None]
        return (*masks, *definitions, *weights, *cards)

    @property
    def psf(self) -> PSF | None:
        """PSF of the HS image, where given."""
        return None if self.fwhm is None else PSF(self.fwhm)

    @property
    def options(self) -> Options:
        """Options of the method."""
        weights = None if self.weights is None else os.fspath(self.weights)
        return Options(weights, self.device, self.precision, self.uncertainty)


@dataclass(frozen=True, slots=True)
class Settings(FusionSettings):
    """
    Settings of a run: fusion, computation and storage.

    Attributes
    ----------
    scheduler : str
        ``local`` for threads of this process, ``processes`` for processes of this machine, or the
        address of a dask scheduler.
    workers : int or None
        Number of threads or processes of this machine; None for one per core.
    dtype : str
        ``float32``, or ``int16`` and ``uint16`` with ``scale``. ``input`` is the packing of the HS
        image, if that is ``int16`` or ``uint16`` with one scale for all bands, and ``float32``
        otherwise; the plan reports which.
    scale : float or None
        Value of one stored step of an integer output.
    max_error : float
        Largest rounding error of float32 values, in the unit of the HS image; 0 for no rounding.
        Rounded values compress better.
    creation_options : mapping
        GeoTIFF creation options.
    temporary : path or None
        Folder in which a file is written before it is uploaded to a URL; None for the working
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
        """Check the values that do not depend on the pair."""
        FusionSettings.__post_init__(self)  # super() without arguments fails in a class with slots
        check_scheduler(self.scheduler)
        check_stored_type(self.likely_dtype, self.scale, self.max_error)
        if self.workers is not None and check_whole_number("workers", self.workers) < 1:
            raise PlanError(f"workers must be at least 1, got {self.workers}")

    @property
    def likely_dtype(self) -> StoredType:
        """The stored type; for ``input``, before the HS image is opened, the most common one."""
        return "float32" if self.dtype == "input" else self.dtype


def check_weights(settings: FusionSettings) -> None:
    """
    Check the weights file before an input is opened.

    Raises
    ------
    WeightsError
        If the file or its card cannot be read, or belongs to another network.
    PlanError
        If the network cannot use tiles of the given size.
    """
    if settings.weights is not None:
        from hsfuse.nets.weights import find_weights  # imports torch, which takes seconds

        card = find_weights(os.fspath(settings.weights), settings.method)
        if find_method(settings.method).tile_step > 1:
            settings.check_tile(card.architecture.ratio)


def with_choices(settings: _Chosen, choices: Mapping[str, Any], caller: str) -> _Chosen:
    """
    Return settings with fields replaced by the keyword arguments of a public function.

    Parameters
    ----------
    settings : FusionSettings or Settings
    choices : mapping
        Names of fields and their new values.
    caller : str
        Name of the function, for the message.

    Raises
    ------
    TypeError
        If ``settings`` are none, or a field does not exist; the message suggests the nearest name.
    PlanError
        If a value is not accepted.
    """
    if not isinstance(settings, FusionSettings):
        raise TypeError(
            f"{caller}() got settings {settings!r}; expected hsfuse.Settings, or options by name, "
            "such as method='guided'"
        )
    names = [field.name for field in fields(settings)]
    for name in choices:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected {', '.join(names)}"
            raise TypeError(f"{caller}() got an unexpected option {name!r}; {hint}")
    return replace(settings, **choices)
