"""
Everything that is decided before a pixel is fused.

Eager and cheap: pair the grids, survey the scene, let the method prepare, lay out the
tiles. The result is frozen and picklable; pixels come later (:mod:`hsfuse.fusion.block`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.fill import MeasuredRange
from hsfuse.core.stages import Stage, ignore_stage
from hsfuse.core.tiles import Tiling
from hsfuse.errors import PlanError, WeightsError
from hsfuse.fusion.digest import digest, identify
from hsfuse.fusion.settings import FusionSettings, check_weights, with_choices
from hsfuse.fusion.tiling import tile_pair
from hsfuse.fusion.value_range import find_lower_limit
from hsfuse.io.missing import without_gaps
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.read import Raster, as_raster, check_georeferencing
from hsfuse.methods import Fuser, Options, find_method, load_method, methods_with, place
from hsfuse.nets.weights import find_weights
from hsfuse.pair.alignment import Alignment, align_pair
from hsfuse.pair.geometry import Pair, make_pair, transform
from hsfuse.pair.part import restrict_ms
from hsfuse.pair.pixels import PixelCache
from hsfuse.pair.radiometry import Radiometry
from hsfuse.pair.response import check_hs_sensor, suggest_hs_sensor
from hsfuse.pair.survey import Survey, survey_pair
from hsfuse.parallel import one_thread, pick_device
from hsfuse.sensor.catalogue import known_sensor

__all__ = ["Plan", "plan_fusion", "survey_for"]


@dataclass(frozen=True)
class Plan:
    """
    All that is decided before a pixel is fused.

    Attributes
    ----------
    pair : Pair
        The two lazy rasters on their grids; ``pair.rgb``'s grid is the output's.
    alignment : Alignment or None
        Estimates of shift and PSF; None where not asked for, or where there are none.
    radiometry : Radiometry
        Response, gain and offset, and the bands that hold data.
    fuser : Fuser
        The method, prepared for this pair.
    lower_limit : ndarray of shape (HS bands,)
        Smallest value of the output; -inf where there is no limit.
    rows, columns : Tiling
        The tiles along y and x; one tile's core is one block of the output.
    options : Options
        Device and precision; a device that is ``auto`` is decided where blocks are fused.
    notes : tuple of str
        What was assumed or chosen, a sentence each.
    inputs : tuple of str
        Hashes of the two rasters as they were given.
    measured : tuple of (MeasuredRange or None)
        Of the sample of the two rasters in which undeclared fill was looked for; None where the
        no-data number was given.
    """

    pair: Pair
    alignment: Alignment | None
    radiometry: Radiometry
    fuser: Fuser
    lower_limit: NDArray[np.float32]
    rows: Tiling
    columns: Tiling
    options: Options
    notes: tuple[str, ...]
    inputs: tuple[str, str]
    measured: tuple[MeasuredRange | None, MeasuredRange | None]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows and columns of the fused cube."""
        return self.pair.hs.sizes["band"], self.rows.length, self.columns.length

    @property
    def planes(self) -> int:
        """The bands of the cube, and after them the standard error where it is asked for."""
        return self.shape[0] + self.fuser.gives_standard_error

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Index of every block, row by row."""
        return [(i, j) for i in range(self.rows.count) for j in range(self.columns.count)]

    def on(self, device: str) -> Plan:
        """Return the plan for blocks that are fused on ``cpu`` or ``cuda``."""
        options = replace(self.options, device=device)
        return replace(self, options=options, fuser=place(self.fuser, device))

    @cached_property
    def digest(self) -> str:
        """Hash of all that decides the pixels: inputs, grids, method, tiles, device, versions."""
        return digest(self.inputs, self.parts, self.options)

    @cached_property
    def parts(self) -> dict[str, str]:
        """Hash of each part that was found by planning, by its name."""
        pair = self.pair
        found = {
            "place of the output": tuple(transform(pair.rgb))[:6],
            "grids, PSF or R": (pair.fine_geometry, pair.output, pair.psf.fwhm, pair.response),
            "co-registration": self.alignment,
            "radiometry": self.radiometry,
            "prepared method": self.fuser,
            "value range": self.lower_limit,
            "tiles": (self.rows, self.columns),
        }
        return {name: digest(part) for name, part in found.items()}


def plan_fusion(
    hs: Raster,
    rgb: Raster,
    settings: FusionSettings | None = None,
    *,
    stage: Stage | None = None,
    **choices: Any,
) -> Plan:
    """
    Return the plan of a fusion: grids, survey, prepared method and tiles.

    Parameters
    ----------
    hs, rgb : DataArray, Dataset or path
        As :func:`hsfuse.fuse` takes them; of :func:`hsfuse.fusion.lazy.open_input`, masked and
        with the bands that are asked for.
    settings : FusionSettings, optional
        What is asked.
    stage : callable, optional
        Called with the name of each stage of planning, and the share of all done before it.
    **choices
        Fields of :class:`FusionSettings` that replace those of ``settings``.

    Raises
    ------
    RasterError, PairError, PlanError, WeightsError
        One line each.
    """
    settings = with_choices(settings or FusionSettings(), choices, "plan_fusion")
    method, options = load_method(settings.method), settings.options
    check_weights(settings)  # before the pair is surveyed, which takes longer
    hs, rgb = (
        # The standard error of an image that was fused itself has no part in this fusion.
        as_raster(raster, role, sensor=sensor).drop_vars(STANDARD_ERROR, errors="ignore")
        for raster, role, sensor in (
            (hs, "HS", settings.hs_sensor),
            (rgb, "RGB", settings.rgb_sensor),
        )
    )
    inputs = identify(hs), identify(rgb)
    for raster in (hs, rgb):
        check_georeferencing(raster)
    hs_sensor = known_sensor(settings.hs_sensor, hs.attrs.get("sensor"))
    restricted = restrict_ms(
        hs,
        rgb,
        known_sensor(settings.rgb_sensor, rgb.attrs.get("sensor")),
        settings.bbox,
        settings.bbox_crs,
    )
    rgb = restricted.rgb
    known: dict[str, Any] = {
        "hs_sensor": hs_sensor,
        "rgb_sensor": restricted.sensor,
        "psf": settings.psf,
        "window": restricted.window,
    }
    _check_fit(hs, rgb, settings, known)
    # A sensor that a product names itself is part of what was read, and has no such check.
    asked = hs_sensor if settings.hs_sensor is not None else None
    sensor_notes = suggest_hs_sensor(hs) if asked is None else check_hs_sensor(hs, asked)
    device, cache = pick_device(options.device), PixelCache()
    stage = stage or ignore_stage
    with one_thread():  # a plan resumed on another machine is the same
        stage("fill values", 0.1)
        completed = without_gaps(hs, spectra=True), without_gaps(rgb, spectra=False)
        hs, rgb = (each.raster for each in completed)
        for name, each in zip(("hs", "fine"), completed, strict=True):
            if each.whole is not None:
                cache.hold(name, each.whole)
        stage("co-registration" if settings.align else "grids", 0.2)
        pair, alignment = (
            align_pair(hs, rgb, **known, cache=cache)
            if settings.align
            else (make_pair(hs, rgb, **known), None)
        )
        stage("radiometry", 0.4)
        survey, radiometry = survey_for(pair, cache)
        cache.clear()  # the survey holds what it needs
        stage(f"preparation of {settings.method}", 0.5)
        fuser = method.prepare(survey, replace(options, device=device))
        lower_limit = find_lower_limit(survey)
    if options.uncertainty and not fuser.gives_standard_error:
        raise PlanError(
            f"{fuser.name} would fuse this pair and gives no standard error; "
            f"{methods_with('gives_standard_error')} does, with weights for any sensor that fit "
            "the pair, such as those that come with hsfuse"
        )
    rows, columns = tile_pair(pair, fuser, settings.tile, settings.overlap)
    notes = (*sensor_notes, *pair.notes, *radiometry.notes, *fuser.notes)
    return Plan(
        pair,
        alignment,
        radiometry,
        fuser,
        lower_limit,
        rows,
        columns,
        options,
        notes,
        inputs,
        (completed[0].measured, completed[1].measured),
    )


def _check_fit(
    hs: xr.DataArray, rgb: xr.DataArray, settings: FusionSettings, known: Mapping[str, Any]
) -> None:
    """Refuse weights of a network for other bands or another ratio, before a pixel is read."""
    if settings.weights is None or not find_method(settings.method).needs_weights:
        return
    card = find_weights(os.fspath(settings.weights), settings.method)
    axes = make_pair(hs, rgb, **known).geometry
    wavelength = np.asarray(hs["wavelength"].values, dtype=np.float64)
    # Which bands are good the survey finds out; the method looks at them then.
    good = np.ones(wavelength.size, dtype=bool)
    reason = card.domain.misfit(wavelength, good, rgb.sizes["band"], (axes.y.ratio, axes.x.ratio))
    if reason is not None:
        raise WeightsError(
            f"{settings.weights}: these weights do not fit the pair: {card.name} {reason}"
        )


def survey_for(pair: Pair, cache: PixelCache | None = None) -> tuple[Survey, Radiometry]:
    """Return the survey of a pair that methods are prepared with, and what it tells of R."""
    survey = survey_pair(pair, cache=cache)
    return survey.with_response(), survey.radiometry
