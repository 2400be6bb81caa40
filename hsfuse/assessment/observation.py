"""D and R of a pair: read from the record of the run that fused it, or estimated again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray

from hsfuse.core.differences import find_differences
from hsfuse.core.grid import Geometry, Span
from hsfuse.core.synthesis import SynthesisedBands
from hsfuse.core.text import along_axes, image_size
from hsfuse.fusion.lazy import open_input
from hsfuse.fusion.settings import FusionSettings
from hsfuse.io.input.missing import without_gaps
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.read import Raster, check_georeferencing
from hsfuse.pair.alignment import align_pair
from hsfuse.pair.geometry import Pair, make_pair
from hsfuse.pair.part import restrict_ms
from hsfuse.pair.radiometry import Radiometry, paired_spectra
from hsfuse.pair.recorded import recorded_pair, same_grid
from hsfuse.pair.response_estimate import ResponseEstimate
from hsfuse.pair.sampling import survey_pair
from hsfuse.parallel import one_thread
from hsfuse.sensor.catalogue import Sensor, known_sensor

__all__ = [
    "ESTIMATED",
    "ObservedPair",
    "OpenedPair",
    "observe_opened",
    "observe_pair",
    "open_pair",
    "survey_observed",
]

_LOG = logging.getLogger(__name__)

ESTIMATED = "estimated from the pair"

Record = Mapping[str, Any]


@dataclass(frozen=True)
class ObservedPair:
    """
    A pair with the degradation operators D and R of its two sensors.

    Attributes
    ----------
    pair : Pair
        The two rasters on their co-registered grids, with the PSF.
    radiometry : Radiometry
        Spectral response, gain and offset, and the bands that contain data.
    noise : ndarray of shape (bands,)
        Standard deviation of the noise of each HS band.
    synthesis : SynthesisedBands
        Estimate of each HS band from the bands of the MS image.
    source : str
        Source of D and R.
    """

    pair: Pair
    radiometry: Radiometry
    noise: NDArray[np.float64]
    synthesis: SynthesisedBands
    source: str = ESTIMATED


def observe_pair(
    hs: Raster,
    ms: Raster,
    settings: FusionSettings | None = None,
    *,
    record: Record | None = None,
    record_name: str = "the record",
) -> ObservedPair:
    """
    Return a pair with D and R, read from a record or estimated as a run would estimate them.

    Parameters
    ----------
    hs, ms : DataArray, Dataset or path
        The HS and the MS image, as for :func:`hsfuse.fuse`.
    settings : FusionSettings, optional
        Sensors, masks, nodata values, and whether the co-registration is estimated. With a
        record, use the settings of its run.
    record : mapping, optional
        Record of :func:`hsfuse.run`, with co-registration, PSF, response, gain and offset.
    record_name : str
        Name of the record in messages.

    Raises
    ------
    RasterError, PairError
        As raised by :func:`hsfuse.fuse`.
    """
    settings = settings or FusionSettings()
    opened = open_pair(hs, ms, settings)
    return observe_opened(opened, settings, record=record, record_name=record_name)


def observe_opened(
    opened: OpenedPair,
    settings: FusionSettings,
    *,
    record: Record | None = None,
    record_name: str = "the record",
) -> ObservedPair:
    """Return the observed pair of two opened rasters; see :func:`observe_pair`."""
    opened.placed(None)  # raises before pixels are read, and before a warning about the record
    with one_thread():
        opened, stated = opened.completed(), None
        if record is not None:
            try:
                stated = _recorded(opened, record)
            except _OtherPair as difference:
                _LOG.warning(
                    "%s: is not of this pair: %s; co-registration, PSF and response are estimated "
                    "anew",
                    record_name,
                    difference,
                )
        if stated is None:
            return survey_observed(opened.pair(settings.align))
        return survey_observed(*stated, source=record_name)


def survey_observed(
    pair: Pair, radiometry: Radiometry | None = None, *, source: str = ESTIMATED
) -> ObservedPair:
    """
    Return the observed pair of a pair whose grids and PSF are known.

    Parameters
    ----------
    pair : Pair
        Pair with co-registered grids and PSF.
    radiometry : Radiometry, optional
        Spectral response, gain and offset; estimated from the pair by default.
    source : str
        Source of PSF and radiometry.
    """
    with one_thread():
        survey = survey_pair(pair)
        synthesis = SynthesisedBands.fit(*paired_spectra(survey, np.ones_like(survey.good)))
        return ObservedPair(pair, radiometry or survey.radiometry, survey.noise, synthesis, source)


class OpenedPair(NamedTuple):
    """The two opened rasters, their sensors, and the part of the MS image that is used."""

    hs: xr.DataArray
    ms: xr.DataArray
    hs_sensor: Sensor | None
    ms_sensor: Sensor | None
    window: tuple[Span, Span] | None

    def completed(self) -> OpenedPair:
        """Return the pair without undeclared fill values and with missing values estimated."""
        hs, ms = (
            without_gaps(raster.drop_vars(STANDARD_ERROR, errors="ignore"), spectra=spectra).raster
            for raster, spectra in ((self.hs, True), (self.ms, False))
        )
        return self._replace(hs=hs, ms=ms)

    def pair(self, align: bool) -> Pair:
        """Return the pair, co-registered if ``align`` is true."""
        if not align:
            return self.placed(None)
        return align_pair(self.hs, self.ms, **self._arguments)[0]

    def placed(self, move: Affine | None) -> Pair:
        """Return the pair with the HS grid moved by an affine correction."""
        return make_pair(self.hs, self.ms, **self._arguments, move=move)

    @property
    def _arguments(self) -> dict[str, Any]:
        return {
            "hs_sensor": self.hs_sensor,
            "rgb_sensor": self.ms_sensor,
            "window": self.window,
        }


def open_pair(hs: Raster, ms: Raster, settings: FusionSettings) -> OpenedPair:
    """Open both rasters with the settings of a plan; no pixel is read."""
    rasters = open_input(hs, settings, "hs"), open_input(ms, settings, "rgb")
    for raster in rasters:
        check_georeferencing(raster)
    sensors = [
        known_sensor(requested, raster.attrs.get("sensor"))
        for requested, raster in zip(
            (settings.hs_sensor, settings.rgb_sensor), rasters, strict=True
        )
    ]
    restricted = restrict_ms(*rasters, sensors[1], settings.bbox, settings.bbox_crs)
    return OpenedPair(rasters[0], restricted.rgb, sensors[0], restricted.sensor, restricted.window)


class _OtherPair(Exception):
    """The record belongs to another pair; the message names the difference."""


def _recorded(opened: OpenedPair, record: Record) -> tuple[Pair, Radiometry]:
    """Return pair and radiometry from a record; raise _OtherPair if it is for another pair."""
    try:
        pair = recorded_pair(opened.placed, record)
        radiometry = _recorded_radiometry(record)
        grid = record["grid"]
        stated = {name: grid[name] for name in ("ratio", "origin", "coarse", "fine")}
    except (KeyError, TypeError, ValueError) as error:
        raise _OtherPair("it is no record of hsfuse, or of an older version") from error
    shape = opened.ms.sizes["band"], opened.hs.sizes["band"]
    if not same_grid(pair.geometry, grid) or radiometry.response.shape != shape:
        before = _describe_pair(radiometry.response.shape, stated)
        now = _describe_pair(shape, _grid(pair.geometry))
        raise _OtherPair("; ".join(find_differences(before, now)))
    return pair, radiometry


def _grid(geometry: Geometry) -> Record:
    axes = {"y": geometry.y, "x": geometry.x}
    return {
        name: {axis: getattr(values, name) for axis, values in axes.items()}
        for name in ("ratio", "origin", "coarse", "fine")
    }


def _describe_pair(bands: tuple[int, ...], grid: Record) -> dict[str, object]:
    """Return the properties that identify a pair: their name in messages -> value."""
    both = {
        name: along_axes(round(grid[name]["y"], 3), round(grid[name]["x"], 3))
        for name in ("ratio", "origin")
    }
    sizes = {name: image_size(grid[name]["y"], grid[name]["x"]) for name in ("coarse", "fine")}
    return {
        "number of MS bands": bands[0],
        "number of HS bands": bands[1],
        "ratio": both["ratio"],
        "size of the overlap in MS pixels": sizes["fine"],
        "size of the overlap in HS pixels": sizes["coarse"],
        "place of the HS image in MS pixels": both["origin"],
    }


def _recorded_radiometry(record: Record) -> Radiometry:
    stated = record["radiometry"]
    good, covered = (np.array(stated[name], dtype=bool) for name in ("good", "covered"))
    gain, offset, correlation, explained = (
        np.array(stated[name], dtype=np.float64)
        for name in ("gain", "offset", "correlation", "explained")
    )
    matrix = np.array(record["response"]["matrix"], dtype=np.float64)
    # Records of earlier versions lack the remaining entries.
    return Radiometry(
        good,
        matrix,
        gain,
        offset,
        correlation,
        covered,
        explained,
        curved=tuple(map(bool, stated.get("curved", ()))),
        estimate=_recorded_estimate(record["response"].get("estimate")),
        warning=str(record["response"].get("warning", "")),
    )


def _recorded_estimate(stated: Record | None) -> ResponseEstimate | None:
    if stated is None:
        return None
    response, centre, lowest, highest = (
        np.array(stated[name], dtype=np.float64)
        for name in ("response", "centre", "lowest", "highest")
    )
    contradicts = np.array(stated["contradicts_colour"], dtype=bool)
    return ResponseEstimate(
        response, centre, lowest, highest, contradicts, bool(stated["nanometres"])
    )
