"""Compare a fused raster with its two inputs, block by block."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from dataclasses import fields
from functools import reduce
from itertools import product
from operator import add
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray

from hsfuse.assessment.figures import (
    Assessment,
    BandGroup,
    BandNames,
    consistency,
    indices,
    usable_bands,
)
from hsfuse.assessment.findings import ImagePair, findings_of
from hsfuse.assessment.observation import (
    ESTIMATED,
    ObservedPair,
    OpenedPair,
    observe_opened,
    open_pair,
)
from hsfuse.assessment.sums import MAPS, WINDOW, Placed, Sums, take_sums
from hsfuse.core.grid import Span, spread_evenly
from hsfuse.errors import PairError
from hsfuse.fusion.settings import FusionSettings
from hsfuse.io.files.url import as_path
from hsfuse.io.input.labels import raster_band_labels, raster_label
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.output.provenance import is_record_of
from hsfuse.io.output.records import read_record, record_path
from hsfuse.io.read import Raster, as_raster
from hsfuse.pair.geometry import transform
from hsfuse.pair.lattice import common_bands, lattice_offset
from hsfuse.parallel import each, local_workers, one_thread

__all__ = ["assess", "assess_fused", "observed_for", "record_of"]

_LOG = logging.getLogger(__name__)

# Number of values of the fused raster in a block, halo excluded: 32 MB of float32.
_BLOCK_VALUES = 8_000_000
# The same where a sample is assessed: smaller blocks cover more parts of the scene.
_SAMPLE_VALUES = 4_000_000
# Options of assess; those in _DECISIVE determine D and R.
_DECISIVE = ("hs_sensor", "rgb_sensor", "align")
_CHOICES = (*_DECISIVE, "hs_mask", "rgb_mask", "hs_nodata", "rgb_nodata")
_PART = ("bbox", "bbox_crs", "bands")


def assess(fused: Raster, hs: Raster, ms: Raster, **choices: Any) -> Assessment:
    """
    Return the quality of a fused raster without a reference: QNR, HQNR and consistency.

    An output of :func:`hsfuse.run` is assessed with the co-registration, PSF and spectral response
    of that run, read from the record beside it. For any other raster they are estimated from the
    pair, as a run would estimate them. All three rasters are read block by block, so that none has
    to fit in memory. To assess several fused rasters of one pair, or to obtain maps, use
    :func:`hsfuse.assessment.observe_pair` and :func:`hsfuse.assessment.assess_fused`.

    Parameters
    ----------
    fused : DataArray, Dataset or path
        Raster on the pixels of the MS image, or on part of them, with the bands of the HS image.
    hs, ms : DataArray, Dataset or path
        The HS and the MS image, as for :func:`hsfuse.fuse`.
    **choices
        hs_sensor, rgb_sensor, align, hs_mask, rgb_mask, hs_nodata, rgb_nodata, as for
        :func:`hsfuse.fuse`. If one of the first three is given, the record is not used.

    Returns
    -------
    Assessment
        All figures, and their interpretation.

    Raises
    ------
    PairError
        If the grids or bands of the rasters do not match.
    RasterError
        If a file cannot be read.
    TypeError
        If an option is unknown.
    """
    for name in choices:
        if name not in _CHOICES:
            raise TypeError(
                f"assess() got an unexpected option {name!r}; expected {', '.join(_CHOICES)}"
            )
    return assess_fused(fused, observed_for(fused, hs, ms, choices))[0]


def observed_for(fused: Raster, hs: Raster, ms: Raster, choices: Mapping[str, Any]) -> ObservedPair:
    """Return the pair with D and R: from the record of the fused raster, or estimated."""
    record, name, note = record_of(fused)
    whole = record.get("settings", {})
    if any(choices.get(option) is not None for option in _DECISIVE):
        record = {}
    names = {f.name for f in fields(FusionSettings)} & set(_CHOICES)
    settings = {key: value for key, value in record.get("settings", {}).items() if key in names}
    # The part of the pair that the raster covers does not depend on the options.
    settings |= {key: value for key, value in whole.items() if key in _PART}
    chosen = {key: value for key, value in choices.items() if value is not None}
    given = FusionSettings(**(settings | chosen))
    opened = open_pair(hs, ms, given)
    _check_fused(fused, opened)
    if note:  # only now: an error says all that there is to say
        _LOG.warning("%s", note)
    return observe_opened(opened, given, record=record or None, record_name=name)


def _check_fused(fused: Raster, opened: OpenedPair) -> None:
    """Refuse a raster that cannot be fused from the pair, before pixels are read."""
    raster, hs = as_raster(fused, "fused"), opened.hs
    label = raster_label(raster, "fused raster")
    if raster.sizes["band"] != hs.sizes["band"]:
        raise PairError(
            f"{label}: has {raster.sizes['band']} bands and the HS image "
            f"{raster_label(hs, 'array')} {hs.sizes['band']}; expected the fused raster, with the "
            "bands of the HS image, then the HS image, then the MS image"
        )
    ms = opened.placed(None).rgb
    lattice_offset(ms, raster, f"{raster_label(ms, 'MS image')} and {label}")


class FoundRecord(NamedTuple):
    """The record beside a fused file, its path, and why it is not used; empty if there is none."""

    record: Mapping[str, Any]
    name: str
    note: str = ""


def record_of(fused: Raster) -> FoundRecord:
    """Return the record beside a fused file, if it is one of this file."""
    source = fused if isinstance(fused, str | os.PathLike) else None
    if isinstance(fused, xr.DataArray | xr.Dataset):
        source = fused.attrs.get("source")
    if not source:
        return FoundRecord({}, "")
    path = as_path(source)
    record = read_record(path)
    name = str(record_path(path))
    if record and not is_record_of(record, path):
        return FoundRecord({}, name, f"{name}: does not belong to {path}; it is not used")
    return FoundRecord(record or {}, name)


def assess_fused(
    fused: Raster, observed: ObservedPair, *, maximum_values: int | None = None
) -> tuple[Assessment, xr.DataArray]:
    """
    Return the quality of a fused raster, and maps of its quality.

    Parameters
    ----------
    fused : DataArray, Dataset or path
        Fused raster, as in :func:`assess`.
    observed : ObservedPair
        Result of :func:`observe_pair`.
    maximum_values : int, optional
        Approximate maximum number of values of the fused raster to compare. Of a larger raster
        only evenly spaced blocks are compared. All values by default.

    Returns
    -------
    tuple of Assessment and DataArray of shape (maps, rows, columns)
        The maps lie on the co-registered pixels of the HS image; the coordinate ``band_name``
        names them (:data:`hsfuse.assessment.sums.MAPS`). NaN where nothing was compared. They are
        held in memory: six values per HS pixel.

    Raises
    ------
    PairError
        If the raster is not on the pixels of the MS image, or has other bands.
    """
    placed = _place_fused(fused, observed)
    maps = np.full((len(MAPS), *observed.pair.geometry.coarse_shape), np.nan, np.float32)
    total = _total_sums(observed, placed, maps, maximum_values)
    if not total.hs.pixels or not total.ms.pixels:
        raise PairError(
            f"{_both_names(placed.raster, observed)}: no pixel has data in all "
            f"{len(placed.bands)} good bands of both"
        )
    return _assessment(total, placed, observed), _maps_raster(maps, observed)


def _place_fused(fused: Raster, observed: ObservedPair) -> Placed:
    raster = as_raster(fused, "fused").drop_vars(STANDARD_ERROR, errors="ignore")
    raster = raster.transpose("band", "y", "x")
    both = _both_names(raster, observed)
    hs = observed.pair.hs.assign_coords(good=("band", observed.radiometry.good))
    bands = common_bands(hs, raster, both)
    row, column = lattice_offset(
        observed.pair.rgb, raster, f"{raster_label(observed.pair.rgb)} and {raster_label(raster)}"
    )
    return Placed(raster, row, column, bands)


def _both_names(fused: xr.DataArray, observed: ObservedPair) -> str:
    return f"{raster_label(observed.pair.hs)} and {raster_label(fused, 'fused')}"


def _blocks(
    observed: ObservedPair, placed: Placed, maximum_values: int | None
) -> list[tuple[Span, Span]]:
    """Return the blocks of HS pixels to compare: all, or an evenly spaced subset."""
    geometry = observed.pair.geometry
    fine = geometry.y.ratio * geometry.x.ratio * placed.raster.sizes["band"]
    sampled = maximum_values is not None and placed.raster.size > maximum_values
    values = _SAMPLE_VALUES if sampled else _BLOCK_VALUES
    edge = max(int(math.sqrt(values / fine)) // WINDOW, 1) * WINDOW
    down, across = (
        [Span(start, min(start + edge, length)) for start in range(0, length, edge)]
        for length in geometry.coarse_shape
    )
    if maximum_values is not None and sampled:
        share = math.sqrt(maximum_values / (edge**2 * fine) / (len(down) * len(across)))
        down, across = (
            [spans[index] for index in spread_evenly(len(spans), round(share * len(spans)))]
            for spans in (down, across)
        )
    return list(product(down, across))


def _total_sums(
    observed: ObservedPair, placed: Placed, maps: NDArray[np.float32], maximum_values: int | None
) -> Sums:
    """Return the sums over all blocks, added in block order; write the maps in place."""
    places = _blocks(observed, placed, maximum_values)

    def numbered(number: int) -> tuple[int, Sums]:
        rows, columns = places[number]
        with one_thread():
            sums, part = take_sums(observed, placed, rows, columns)
        maps[:, rows.slice, columns.slice] = part
        return number, sums

    by_number = dict(each(numbered, range(len(places)), workers=local_workers(None, "cpu")))
    return reduce(add, (by_number[number] for number in range(len(places))))


def _band_names(raster: xr.DataArray, bands: NDArray[np.intp]) -> BandNames:
    names, labels = raster["band_name"].values, raster_band_labels(raster)
    return BandNames(tuple(str(names[b]) for b in bands), tuple(labels[b] for b in bands))


def _assessment(total: Sums, placed: Placed, observed: ObservedPair) -> Assessment:
    pair, distortion = observed.pair, total.distortion
    names = _band_names(pair.hs, placed.bands)
    ms_names = _band_names(pair.rgb, np.arange(pair.rgb.sizes["band"]))
    by_band = distortion.spectral(), distortion.spatial()
    limits = indices(total.noise)
    figures = indices(distortion) | {
        "qnr_limit": limits["qnr"],
        "hqnr_limit": limits["hqnr"],
    }
    hs = consistency(total.hs, total.hs_angle, names, str(pair.hs.attrs.get("units") or ""))
    ms = consistency(total.ms, total.ms_angle, ms_names, str(pair.fine.attrs.get("units") or ""))
    noise = observed.noise[placed.bands]
    chosen = usable_bands(total.hs, noise)
    usable = BandGroup.of(total.hs, noise, chosen)
    noisy = None if chosen.all() else BandGroup.of(total.hs, noise, ~chosen)
    return Assessment(
        **figures,
        band_d_lambda=tuple(by_band[0].tolist()),
        band_d_s=tuple(by_band[1].tolist()),
        windows=distortion.windows,
        hs=hs,
        ms=ms,
        usable=usable,
        noisy=noisy,
        observed=observed.source,
        findings=findings_of(figures, (usable, noisy), ms, _images(observed)),
    )


def _images(observed: ObservedPair) -> ImagePair:
    radiometry, source = observed.radiometry, observed.pair.response_source
    stated = radiometry.estimate is None and source not in ("", ESTIMATED)
    correlation = float(np.min(radiometry.correlation, initial=1.0))
    return ImagePair(stated, any(radiometry.curved), correlation)


def _maps_raster(maps: NDArray[np.float32], observed: ObservedPair) -> xr.DataArray:
    """Return the maps on the co-registered grid of the HS image."""
    pair, (rows, columns) = observed.pair, maps.shape[1:]
    y, x = pair.geometry.y, pair.geometry.x
    grid = (
        transform(pair.rgb)
        * Affine.translation(x.origin, y.origin)
        * Affine.scale(x.ratio, y.ratio)
    )
    raster = xr.DataArray(
        maps,
        dims=("band", "y", "x"),
        coords={"band": np.arange(1, len(MAPS) + 1), "band_name": ("band", list(MAPS))},
        attrs={"long_name": "assessment of a fused raster"},
    )
    if grid.is_rectilinear:
        raster = raster.assign_coords(
            x=grid.c + (np.arange(columns) + 0.5) * grid.a,
            y=grid.f + (np.arange(rows) + 0.5) * grid.e,
        )
    raster = raster.rio.write_transform(grid)
    return raster if pair.rgb.rio.crs is None else raster.rio.write_crs(pair.rgb.rio.crs)
