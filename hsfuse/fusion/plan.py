"""
The plan of a fusion: all decisions before the first pixel is fused.

Planning relates the grids, surveys the scene, prepares the method and divides the output into
tiles. The plan is immutable and picklable; :mod:`hsfuse.fusion.block` fuses the pixels.
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

from hsfuse.core.excess import BrightRange
from hsfuse.core.fill import MeasuredRange
from hsfuse.core.stages import Stage, ignore_stage
from hsfuse.core.synthesis import SynthesisedBands
from hsfuse.core.tiles import Tiling
from hsfuse.errors import PlanError, WeightsError
from hsfuse.fusion.digest import digest, identify
from hsfuse.fusion.settings import FusionSettings, SensorLike, check_weights, with_choices
from hsfuse.fusion.tiling import tile_pair
from hsfuse.fusion.value_range import find_bright_range, find_lower_limit
from hsfuse.io.input.missing import without_gaps
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.read import Raster, as_raster, check_georeferencing
from hsfuse.methods import Fuser, Options, find_method, load_method, methods_with, place
from hsfuse.nets.weights import find_weights
from hsfuse.pair.alignment import Alignment, align_pair
from hsfuse.pair.geometry import Pair, make_pair, transform
from hsfuse.pair.part import restrict_ms
from hsfuse.pair.pixels import PixelCache
from hsfuse.pair.radiometry import Radiometry, paired_spectra
from hsfuse.pair.response import check_hs_sensor, suggest_hs_sensor
from hsfuse.pair.sampling import survey_pair
from hsfuse.pair.survey import Survey
from hsfuse.parallel import has_bfloat16_products, one_thread, pick_device
from hsfuse.sensor.catalogue import known_sensor

__all__ = ["Plan", "plan_fusion", "survey_for"]


@dataclass(frozen=True)
class Plan:
    """
    The plan of a fusion.

    Attributes
    ----------
    pair : Pair
        The two lazy rasters on their grids; the output has the grid of ``pair.rgb``.
    alignment : Alignment or None
        Estimates of shift and PSF; None where not requested, or not possible.
    radiometry : Radiometry
        Response, gain, offset and good bands.
    fuser : Fuser
        The prepared method.
    lower_limit : ndarray of shape (HS bands,)
        Smallest value of each band of the output; -inf for no limit.
    rows, columns : Tiling
        Tiles along y and x; the core of a tile is one block of the output.
    options : Options
        Device and precision; the device ``auto`` is resolved where blocks are fused.
    notes : tuple of str
        Assumptions and choices, one sentence each.
    inputs : tuple of str
        Hashes of the two rasters as given.
    measured : tuple of (MeasuredRange or None)
        Value ranges of the samples of the two rasters, for the detection of undeclared fill; None
        where the no-data value was given.
    noise : ndarray of shape (HS bands,)
        Standard deviation of the noise of the HS image, for the assessment.
    synthesis : SynthesisedBands
        Regression of the HS bands on the MS bands, for the assessment.
    bright : BrightRange
        Medians and largest values of both images, to count fused values far above them.
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
    noise: NDArray[np.float64]
    synthesis: SynthesisedBands
    bright: BrightRange

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows and columns of the fused cube."""
        return self.pair.hs.sizes["band"], self.rows.length, self.columns.length

    @property
    def planes(self) -> int:
        """Number of bands, plus one for the standard error if requested."""
        return self.shape[0] + self.fuser.gives_standard_error

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Index of every block, row by row."""
        return [(i, j) for i in range(self.rows.count) for j in range(self.columns.count)]

    def on(self, device: str) -> Plan:
        """Return the plan for the device ``cpu`` or ``cuda``."""
        options = replace(self.options, device=device)
        return replace(self, options=options, fuser=place(self.fuser, device))

    @cached_property
    def digest(self) -> str:
        """Hash of all that determines the pixels: inputs, plan, options, versions."""
        return digest(self.inputs, self.parts, self.options)

    @cached_property
    def parts(self) -> dict[str, str]:
        """Hash of each result of planning, by its name."""
        pair = self.pair
        values = {
            "place of the output": tuple(transform(pair.rgb))[:6],
            "grids, PSF or R": (pair.fine_geometry, pair.output, pair.psf.fwhm, pair.response),
            "co-registration": self.alignment,
            "radiometry": self.radiometry,
            "prepared method": self.fuser,
            "value range": self.lower_limit,
            "tiles": (self.rows, self.columns),
        }
        return {name: digest(part) for name, part in values.items()}


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
        As in :func:`hsfuse.fuse`; from :func:`hsfuse.fusion.lazy.open_input`, which applies masks
        and selects bands.
    settings : FusionSettings, optional
        Settings of the fusion.
    stage : callable, optional
        Called with the name of each stage of planning and the share of the work done before it.
    **choices
        Fields of :class:`FusionSettings` that replace those of ``settings``.

    Raises
    ------
    RasterError, PairError, PlanError, WeightsError
        If the inputs, the pair, the settings or the weights are not valid.
    """
    settings = with_choices(settings or FusionSettings(), choices, "plan_fusion")
    method, options = load_method(settings.method), settings.options
    check_weights(settings)  # before the pair is surveyed, which takes longer
    hs, rgb = _open(hs, settings.hs_sensor, "HS"), _open(rgb, settings.rgb_sensor, "MS")
    inputs = identify(hs), identify(rgb)
    rgb, pair_options, sensor_notes = _pair_options(hs, rgb, settings)
    device, cache = pick_device(options.device), PixelCache()
    options = replace(options, precision=_pick_precision(settings, device))
    stage = stage or ignore_stage
    with one_thread():  # a plan resumed on another machine is the same
        stage("fill values", 0.1)
        completed = without_gaps(hs, spectra=True), without_gaps(rgb, spectra=False)
        for name, completion in zip(("hs", "fine"), completed, strict=True):
            if completion.whole is not None:
                cache.hold(name, completion.whole)
        stage("co-registration" if settings.align else "grids", 0.2)
        pair, alignment = (
            align_pair(completed[0].raster, completed[1].raster, **pair_options, cache=cache)
            if settings.align
            else (make_pair(completed[0].raster, completed[1].raster, **pair_options), None)
        )
        stage("radiometry", 0.4)
        survey, radiometry = survey_for(pair, cache)
        cache.clear()  # the survey has copies
        stage(f"preparation of {settings.method}", 0.5)
        fuser = method.prepare(survey, replace(options, device=device))
        lower_limit, bright = find_lower_limit(survey), find_bright_range(survey)
        noise = survey.noise
        synthesis = SynthesisedBands.fit(*paired_spectra(survey, np.ones_like(survey.good)))
    _check_uncertainty(fuser, options)
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
        noise,
        synthesis,
        bright,
    )


def _pick_precision(settings: FusionSettings, device: str) -> str:
    """Return ``float32`` or ``bfloat16``, the arithmetic of networks."""
    if settings.precision != "auto":
        return settings.precision
    # Networks correct an estimate by little, and the weights of hsfuse lose less than 0.001 dB.
    # Those of others may predict the cube itself.
    shipped = find_method(settings.method).takes_weights and settings.weights is None
    return "bfloat16" if shipped and has_bfloat16_products(device) else "float32"


def _open(raster: Raster, sensor: SensorLike | None, role: str) -> xr.DataArray:
    """Interpret an input and check its georeferencing."""
    opened = as_raster(raster, role, sensor=sensor)
    check_georeferencing(opened)
    # The standard error of an image that was fused itself is not used.
    return opened.drop_vars(STANDARD_ERROR, errors="ignore")


def _pair_options(
    hs: xr.DataArray, rgb: xr.DataArray, settings: FusionSettings
) -> tuple[xr.DataArray, dict[str, Any], list[str]]:
    """Return the restricted MS image, the options of :func:`make_pair`, and notes on sensors."""
    hs_sensor = known_sensor(settings.hs_sensor, hs.attrs.get("sensor"))
    rgb_sensor = known_sensor(settings.rgb_sensor, rgb.attrs.get("sensor"))
    restricted = restrict_ms(hs, rgb, rgb_sensor, settings.bbox, settings.bbox_crs)
    options: dict[str, Any] = {
        "hs_sensor": hs_sensor,
        "rgb_sensor": restricted.sensor,
        "psf": settings.psf,
        "window": restricted.window,
    }
    _check_fit(hs, restricted.rgb, settings, options)
    # The sensor that a product states itself needs no check.
    requested = hs_sensor if settings.hs_sensor is not None else None
    notes = suggest_hs_sensor(hs) if requested is None else check_hs_sensor(hs, requested)
    return restricted.rgb, options, notes


def _check_fit(
    hs: xr.DataArray, rgb: xr.DataArray, settings: FusionSettings, pair_options: Mapping[str, Any]
) -> None:
    """Refuse weights for other bands or another ratio, before a pixel is read."""
    if settings.weights is None or not find_method(settings.method).needs_weights:
        return
    card = find_weights(os.fspath(settings.weights), settings.method)
    axes = make_pair(hs, rgb, **pair_options).geometry
    wavelength = np.asarray(hs["wavelength"].values, dtype=np.float64)
    # The survey determines the good bands; the method checks them then.
    good = np.ones(wavelength.size, dtype=bool)
    reason = card.domain.misfit(wavelength, good, rgb.sizes["band"], (axes.y.ratio, axes.x.ratio))
    if reason is not None:
        raise WeightsError(
            f"{settings.weights}: these weights do not fit the pair: {card.name} {reason}"
        )


def _check_uncertainty(fuser: Fuser, options: Options) -> None:
    """Refuse standard errors where the prepared method gives none."""
    if options.uncertainty and not fuser.gives_standard_error:
        raise PlanError(
            f"{fuser.name} would fuse this pair and gives no standard error; "
            f"{methods_with('gives_standard_error')} does, with weights for any sensor that fit "
            "the pair, such as those that come with hsfuse"
        )


def survey_for(pair: Pair, cache: PixelCache | None = None) -> tuple[Survey, Radiometry]:
    """Return the survey of a pair for the preparation of methods, and its radiometry."""
    survey = survey_pair(pair, cache=cache)
    return survey.with_response(), survey.radiometry
