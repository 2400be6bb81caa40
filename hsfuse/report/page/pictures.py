"""Pictures of the three images over the area of the fused raster, as PNG of bounded size."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.image import imsave
from numpy.typing import NDArray

from hsfuse.core.grid import Span
from hsfuse.core.picture import (
    Composite,
    Limits,
    busiest_window,
    describe_composite,
    false_colour_bands,
    natural_bands,
    stretch_limits,
    stretched,
)
from hsfuse.io.input.labels import raster_band_names
from hsfuse.io.levels import preview_file
from hsfuse.io.preview import preview_raster, read_window
from hsfuse.report.page.subject import Subject

__all__ = [
    "Layer",
    "Picture",
    "Pictures",
    "composite_names",
    "draw_pictures",
    "encode_png",
    "hs_extent",
]

Image = NDArray[np.float32]
Extent = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Settings of the pictures."""

    # Maximum pixels of the longer side of a picture of the whole raster.
    longest: int = 900
    # Side in pixels of the detail shown at full resolution, if the whole is not.
    detail: int = 256
    # Maximum bytes of all pictures together.
    most_bytes: int = 5_000_000
    # Compression level of PNG: the default of 6 takes twice as long and saves 3 % in size.
    png_level: int = 3


_SETTINGS = _Settings()


class Picture(NamedTuple):
    """
    A PNG and its extent.

    ``extent`` is left, top, right and bottom in pixels of the fused raster; ``shown`` describes the
    bands shown, for example by their wavelengths.
    """

    composite: str
    shown: Composite
    png: bytes
    extent: Extent


class Layer(NamedTuple):
    """Named image with the pictures of its composites; later pictures are drawn on earlier ones."""

    name: str
    pictures: tuple[Picture, ...]


class Pictures(NamedTuple):
    """
    The layers of the HS, MS and fused image.

    ``detail`` is the window (rows, columns) of the fused raster shown at full resolution, None if
    the whole is; ``centre`` is a window with many edges, the initial view.
    """

    layers: tuple[Layer, ...]
    detail: tuple[Span, Span] | None
    centre: tuple[Span, Span]


class _Preview(NamedTuple):
    """Bands of a raster, or of a window of it, at the resolution of a picture."""

    image: Image
    extent: Extent


@dataclass(frozen=True)
class _Source:
    """
    A raster to draw: its name, the bands of its composites, and its previews.

    ``bands`` are the bands of ``parts``; ``limits`` are their limits of the contrast stretch.
    """

    name: str
    raster: xr.DataArray
    composites: Mapping[str, list[int]]
    bands: list[int]
    parts: tuple[_Preview, ...]
    limits: Limits


def draw_pictures(subject: Subject) -> Pictures:
    """
    Return the pictures of a report.

    The fused image is drawn with the bands and the contrast stretch of the HS image, so that the
    two differ by the fusion alone.

    Raises
    ------
    RasterError
        If a file cannot be read.
    """
    pair, fused = subject.observed.pair, subject.fused
    shape = fused.sizes["y"], fused.sizes["x"]
    hs = _source("HS image", pair.hs, subject.good, hs_extent(subject))
    left, top = -float(subject.column), -float(subject.row)
    rgb = pair.rgb
    ms_good = np.asarray(rgb["good"].values, dtype=bool)
    ms_extent = (left, top, left + rgb.sizes["x"], top + rgb.sizes["y"])
    ms = _source("MS image", rgb, ms_good, ms_extent)
    whole = _fused_preview(subject, hs.bands)
    own = replace(hs, name="fused image", raster=fused, parts=(whole,))
    natural = [own.bands.index(band) for band in own.composites["natural"]]
    picture = stretched(whole.image[natural], _picked(hs.limits, natural))
    side = min(_SETTINGS.detail, *shape)
    rows, columns = (Span(*span) for span in busiest_window(picture, shape, side))
    reduced = whole.image.shape[1] < shape[0]
    sources = [hs, ms, own]
    if reduced:
        sources[1] = _with_detail(ms, rows.shifted(subject.row), columns.shifted(subject.column))
        sources[2] = _with_detail(own, rows, columns)
        moved = (float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
        ms_part = sources[1].parts[-1]._replace(extent=moved)
        sources[1] = replace(sources[1], parts=(ms.parts[0], ms_part))
    layers = _bounded(sources)
    return Pictures(layers, (rows, columns) if reduced else None, (rows, columns))


def hs_extent(subject: Subject) -> Extent:
    """Return the extent of the HS image in pixels of the fused raster."""
    (top, bottom), (left, right) = (
        (axis.origin, axis.origin + axis.coarse * axis.ratio)
        for axis in (subject.geometry.y, subject.geometry.x)
    )
    return left, top, right, bottom


def _source(name: str, raster: xr.DataArray, good: NDArray[np.bool_], extent: Extent) -> _Source:
    wavelength = raster["wavelength"].values
    names = raster_band_names(raster)
    composites = {"natural": natural_bands(wavelength, good, names)}
    false = false_colour_bands(wavelength, good)
    if false is not None:
        composites["false"] = false
    bands = sorted({band for each in composites.values() for band in each})
    image = preview_raster(raster, bands, _SETTINGS.longest)
    part = _Preview(image, _over(extent, raster, image))
    return _Source(name, raster, composites, bands, (part,), stretch_limits(image))


def _fused_preview(subject: Subject, bands: list[int]) -> _Preview:
    fused = subject.fused
    extent = (0.0, 0.0, float(fused.sizes["x"]), float(fused.sizes["y"]))
    if not subject.held and subject.path.suffix.lower() in (".tif", ".tiff", ".zarr"):
        image = preview_file(subject.path, bands, _SETTINGS.longest)  # from its overviews
        # Those of a file are stretched to its edges, those of a store are whole squares.
        return _Preview(image, _over(extent, fused, image) if subject.path.is_dir() else extent)
    image = preview_raster(fused, bands, _SETTINGS.longest)
    return _Preview(image, _over(extent, fused, image))


def _over(extent: Extent, raster: xr.DataArray, image: Image) -> Extent:
    """Return the extent of a reduced image, whose last pixels may reach beyond the raster."""
    left, top, right, bottom = extent
    lengths = []
    for length, count, span in zip(
        (raster.sizes["y"], raster.sizes["x"]), image.shape[1:], (bottom - top, right - left),
        strict=True,
    ):  # fmt: skip
        step = -(-length // count)
        lengths.append(span * step * count / length)
    return left, top, left + lengths[1], top + lengths[0]


def _with_detail(source: _Source, rows: Span, columns: Span) -> _Source:
    """Return a source with a window at full resolution added, clipped to the raster."""
    image = read_window(source.raster, source.bands, rows, columns)
    extent = (float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
    return replace(source, parts=(*source.parts, _Preview(image, extent)))


def _bounded(sources: Sequence[_Source]) -> tuple[Layer, ...]:
    """Return the layers; pictures of the whole are thinned if the total size is too large."""
    while True:
        layers = tuple(_layer(source) for source in sources)
        size = sum(len(picture.png) for layer in layers for picture in layer.pictures)
        if size <= _SETTINGS.most_bytes:
            return layers
        sources = [_thinned(source) for source in sources]


def _thinned(source: _Source) -> _Source:
    whole, *details = source.parts
    image = whole.image[:, ::2, ::2]
    if max(image.shape[1:]) < _SETTINGS.detail // 2:
        return source
    left, top, right, bottom = whole.extent
    down, across = (
        2 * count / length for count, length in zip(image.shape[1:], whole.image.shape[1:],
                                                    strict=True)
    )  # fmt: skip
    extent = (left, top, left + (right - left) * across, top + (bottom - top) * down)
    return replace(source, parts=(_Preview(image, extent), *details))


def _layer(source: _Source) -> Layer:
    pictures = []
    for name, bands in source.composites.items():
        places = [source.bands.index(band) for band in bands]
        limits = _picked(source.limits, places)
        raster = source.raster
        shown = describe_composite(bands, raster["wavelength"].values, raster_band_names(raster))
        pictures += [
            Picture(name, shown, encode_png(stretched(part.image[places], limits)), part.extent)
            for part in source.parts
        ]
    return Layer(source.name, tuple(pictures))


def _picked(limits: Limits, places: list[int]) -> Limits:
    return limits[0][places], limits[1][places]


def composite_names(layers: Iterable[Layer]) -> dict[str, str]:
    """Return the name of each composite of some layers for a menu."""
    kinds: dict[str, set[str]] = {}
    for layer in layers:
        for picture in layer.pictures:
            kinds.setdefault(picture.composite, set()).add(picture.shown.kind)
    natural = kinds["natural"]
    if natural == {"natural"}:
        name = "natural colours"
    elif "natural" in natural:
        name = "three bands, natural where known"
    elif natural == {"unknown"}:
        name = "three bands (no wavelengths)"
    else:
        name = "three bands (no natural colours)"
    names = {"natural": name}
    if "false" in kinds:
        names["false"] = "false colours (near infrared as red)"
    return names


def encode_png(picture: NDArray[np.float32]) -> bytes:
    """Encode a picture, shape (rows, columns, 3 or 4), values 0 to 1, as PNG."""
    stream = io.BytesIO()
    pixels = np.round(np.ascontiguousarray(picture) * 255).astype(np.uint8)
    imsave(stream, pixels, format="png", pil_kwargs={"compress_level": _SETTINGS.png_level})
    return stream.getvalue()
