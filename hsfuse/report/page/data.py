"""The data embedded in a page: pictures, sampled spectra and maps, of bounded size."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.band_labels import band_labels
from hsfuse.core.grid import Span
from hsfuse.core.picture import natural_bands
from hsfuse.io.input.labels import raster_band_labels, raster_band_names
from hsfuse.report.page.charts import axis_label
from hsfuse.report.page.packing import Packed, largest_error, pack_cube
from hsfuse.report.page.pictures import Extent, Pictures, composite_names, draw_pictures
from hsfuse.report.page.quality import Quality, assess_subject
from hsfuse.report.page.sampling import (
    Region,
    area_of,
    choose_pixels,
    read_region,
    thin_region,
)
from hsfuse.report.page.subject import Subject
from hsfuse.report.record import grid_of
from hsfuse.report.srf_curves import SpectralAxis, ms_centres, spectral_axis

__all__ = ["ReportData", "page_data"]

# Maximum characters of the packed spectra of the whole image and of the detail. With the pictures
# (bounded in pictures.py) and the maps, a page stays below 15 MB.
_WHOLE, _DETAIL = 5_000_000, 1_500_000
# Approximate characters per value: deflate leaves 0.6 of its two bytes, base64 adds a third.
_CHARACTERS = 1.6


class ReportData(NamedTuple):
    """
    The data embedded in a page.

    Attributes
    ----------
    content : dict
        Data for main.js, in JSON types.
    composites : dict of str to str
        Names of the composites for a menu.
    quality : Quality
        Assessment and quality maps.
    pictures_note, spectra_note : str
        Sentences on the reduction of pictures and spectra.
    """

    content: dict[str, Any]
    composites: dict[str, str]
    quality: Quality
    pictures_note: str
    spectra_note: str


class _PackedRegion(NamedTuple):
    """A packed region and the maximum error of its spectra."""

    region: Region
    content: dict[str, Any]
    error: float


def page_data(subject: Subject) -> ReportData:
    """Return the data embedded in a page."""
    fused = subject.fused
    shape = fused.sizes["y"], fused.sizes["x"]
    pictures = draw_pictures(subject)
    quality = assess_subject(subject)
    windows = [(Span(0, shape[0]), Span(0, shape[1]))]
    if pictures.detail is not None:
        windows.append(pictures.detail)
    regions = [
        _packed_region(subject, window, most)
        for window, most in zip(windows, (_WHOLE, _DETAIL), strict=False)
    ]
    pair = subject.observed.pair
    axis = spectral_axis(pair)
    grid = grid_of(fused)
    sizes = grid["pixel_size"]
    pixel = sizes if isinstance(sizes, list) else [1.0, 1.0]
    content = {
        "size": {"rows": shape[0], "columns": shape[1], "aspect": pixel[0] / pixel[1]},
        "pixelSize": pixel[1],
        "unit": (grid["unit"] or "units") if isinstance(sizes, list) else "pixels",
        "transform": grid["transform"],
        "layers": _layers(pictures, quality),
        "detail": None if pictures.detail is None else _box(pictures.detail),
        "start": _start(regions[-1].region, pictures.centre, subject.good),
        "regions": [each.content for each in regions],
        "axes": {"x": axis_label(axis), "y": _value_label(subject)},
        "bands": {
            "x": axis.place.round(3).tolist(),
            "names": _band_names(subject, axis),
            "good": subject.good.tolist(),
            "named": _named_bands(subject, axis),
        },
        "msBands": {
            "x": ms_centres(pair, subject.observed.radiometry).round(3).tolist(),
            "names": raster_band_labels(pair.rgb),
        },
    }
    return ReportData(
        content,
        composite_names(pictures.layers),
        quality,
        _pictures_note(subject, pictures),
        _note(subject, regions),
    )


def _packed_region(subject: Subject, window: tuple[Span, Span], most: int) -> _PackedRegion:
    """Return the sampled spectra of a window, thinned to at most ``most`` characters."""
    bands = subject.fused.sizes["band"]
    ratio = subject.geometry.y.ratio * subject.geometry.x.ratio
    values = most / _CHARACTERS / bands
    # HS pixels below the sampled pixels are embedded too, at most one per sampled pixel.
    hs = 2 * area_of(window) / ratio
    count = values - hs if hs < 2 * values / 3 else values / 3
    pixels = choose_pixels(window, bands, max(int(count), 1))
    region = read_region(subject, window, pixels)
    step = _stored_step(subject)
    while True:
        packed = {
            "fused": pack_cube(region.fused, step),
            "hs": pack_cube(region.hs, step),
            "ms": pack_cube(region.ms),
        }
        if region.degraded is not None:
            packed["degraded"] = pack_cube(region.degraded)
        if region.error is not None:
            packed["error"] = pack_cube(region.error)
        single = region.pixels.rows.size < 2 and region.pixels.columns.size < 2
        if sum(len(each.data) for each in packed.values()) <= most or single:
            break
        region = thin_region(region)
    error = max(largest_error(packed[name], step) for name in ("fused", "hs"))
    return _PackedRegion(region, _region_content(region, packed), error)


def _stored_step(subject: Subject) -> float:
    """Return the scale of the integers in which the fused raster is stored; 0 for floats."""
    attributes = subject.fused.attrs
    if np.dtype(str(np.ravel(attributes.get("source_dtype", "float32"))[0])).kind not in "iu":
        return 0.0
    scale = attributes.get("source_scale", 1.0)
    return float(scale) if isinstance(scale, int | float) else 0.0


def _region_content(region: Region, packed: dict[str, Packed]) -> dict[str, Any]:
    def places(indexes: NDArray[np.intp]) -> list[int | None]:
        return [None if index < 0 else int(index) for index in indexes]

    return {
        "window": _box(region.window),
        "rows": region.pixels.rows.tolist(),
        "columns": region.pixels.columns.tolist(),
        "hsRow": places(region.hs_rows),
        "hsColumn": places(region.hs_columns),
        **{name: cube._asdict() for name, cube in packed.items()},
    }


def _box(window: tuple[Span, Span]) -> list[int]:
    """Return left, top, right and bottom of a window."""
    rows, columns = window
    return [columns.start, rows.start, columns.stop, rows.stop]


def _layers(pictures: Pictures, quality: Quality) -> list[dict[str, Any]]:
    layers = [
        {
            "name": layer.name,
            "pictures": [
                _picture(each.composite, each.shown.text, each.png, each.extent)
                for each in layer.pictures
            ],
        }
        for layer in pictures.layers
    ]
    for each in quality.maps:
        label = f"{each.low:.3g} (dark) to {each.high:.3g} {each.units} (light)"
        picture = _picture("map", label, each.png, each.extent)
        layers.append({"name": f"Map: {each.title}", "pictures": [picture]})
    return layers


def _picture(composite: str, label: str, png: bytes, extent: Extent) -> dict[str, Any]:
    source = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    return {"composite": composite, "label": label, "source": source, "extent": list(extent)}


def _start(region: Region, window: tuple[Span, Span], good: NDArray[np.bool_]) -> list[int]:
    """Return column and row of the valid sampled pixel nearest to the centre of a window."""
    rows, columns = region.pixels.rows, region.pixels.columns
    known = np.isfinite(region.fused[good]).all(axis=0)
    down, across = (
        (indexes - (span.start + span.stop) / 2) ** 2
        for indexes, span in zip((rows, columns), window, strict=True)
    )
    distance = np.where(known, down[:, None] + across, np.inf)
    row, column = np.unravel_index(int(np.argmin(distance)), distance.shape)
    return [int(columns[column]), int(rows[row])]


def _value_label(subject: Subject) -> str:
    units = subject.units
    return units[:1].upper() + units[1:] if units else "Value (the file states no unit)"


def _band_names(subject: Subject, axis: SpectralAxis) -> list[str]:
    names = raster_band_names(subject.observed.pair.hs)
    return list(band_labels(axis.place if axis.nanometres else np.full(len(names), np.nan), names))


def _named_bands(subject: Subject, axis: SpectralAxis) -> list[dict[str, Any]]:
    """Return the bands whose values are shown at the crosshair, with their labels."""
    wavelength = subject.observed.pair.hs["wavelength"].values
    return [
        {
            "band": band,
            "name": f"{wavelength[band]:.0f} nm" if axis.nanometres else f"band {band + 1}",
        }
        for band in natural_bands(wavelength, subject.good)
    ]


def _pictures_note(subject: Subject, pictures: Pictures) -> str:
    if pictures.detail is None:
        return "The pictures have every pixel of the three images."
    rows, columns = pictures.detail
    return (
        "The pictures of the whole are reduced (means of pixels); the framed window, rows "
        f"{rows.start} to {rows.stop - 1} and columns {columns.start} to {columns.stop - 1}, has "
        "every pixel."
    )


def _note(subject: Subject, regions: list[_PackedRegion]) -> str:
    """Return the sentence on the sampling and the precision of the embedded spectra."""
    whole, *details = [each.region.pixels for each in regions]
    text = f"Spectra are embedded of {_share(whole.step)}"
    if whole.parts is not None:
        text += f" within {whole.parts[0]} x {whole.parts[1]} areas of the image"
    for detail in details:
        text += f", and of {_share(detail.step)} in the framed window"
    if whole.step > 1 or whole.parts or details:
        text += "; the crosshair goes to the nearest of these pixels"
    error = max(each.error for each in regions)
    exact = (
        "The values are those of the rasters"
        if error == 0
        else f"The values are those of the rasters, rounded by at most {error:.2g} {subject.units}"
    )
    return f"{text}. {exact.strip()}; none is an average."


def _share(step: int) -> str:
    return "every pixel" if step == 1 else f"one pixel of {step} x {step}"
