"""
Quicklook of a run: HS, MS and fused image, a full-size detail of each, spectra, and a map.

The fused image is drawn with the bands and the contrast stretch of the HS image, so that the
two differ by the fusion alone. Memory stays bounded for outputs of any size.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.picture import (
    NO_DATA,
    Limits,
    busiest_window,
    describe_composite,
    natural_bands,
    stretch_limits,
    stretched,
)
from hsfuse.core.spectra import spectrum_line
from hsfuse.core.text import along_axes, image_size, round_length
from hsfuse.fusion.consistency import finite_in, hs_bands
from hsfuse.io.files.url import AnyPath
from hsfuse.io.input.labels import raster_band_names
from hsfuse.io.levels import preview_file
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.preview import preview_raster, read_file_window, read_window
from hsfuse.io.read import open_raster
from hsfuse.observe import Degrade
from hsfuse.report.record import grid_of
from hsfuse.report.srf_panel import draw_srf, srf_title

if TYPE_CHECKING:
    from hsfuse.fusion.plan import Plan

__all__ = ["draw_quicklook", "quicklook_figure"]

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Style:
    """Style of the quicklook."""

    # Maximum pixels of a panel's longer side, about what a screen shows.
    longest: int = 800
    # Side of the full-size detail in HS pixels, and its limits in output pixels.
    detail_hs_pixels: int = 14
    detail: tuple[int, int] = (64, 128)
    # Colours of the three spectra, colour-blind safe (Okabe and Ito).
    colours: tuple[str, str, str] = ("#D55E00", "#0072B2", "#009E73")
    # Margin of the detail without markers, as a share of its side: markers are not clipped.
    dot_margin: float = 0.04
    # Colour of the frame of the detail, which land surfaces do not have.
    frame: str = "#FFD400"
    # Maximum length of a scale bar as a share of the panel width.
    scale_bar: float = 0.3
    # Colour map: perceptually uniform, colour-blind safe.
    map_colours: str = "cividis"
    # Figure size in inches, pixels per inch, and font size in points: legible at screen width.
    width: float = 12.6
    dpi: int = 110
    text: float = 9.5
    headline: float = 11
    # Mean width of a character of a title relative to the font size, on the safe side; and inches
    # beside a panel for labels of axes and colour bars.
    character: float = 0.58
    beside: float = 0.55


_STYLE = _Style()


@dataclass(frozen=True)
class _Detail:
    """
    The detail at full size: fine span, HS span, and the pixels of both inputs and the output.

    ``degraded`` is D applied to the output, NaN at HS pixels whose PSF reaches beyond the window.
    """

    rows: Span
    columns: Span
    coarse_rows: Span
    coarse_columns: Span
    hs: Image
    rgb: Image
    fused: Image
    degraded: Image


def draw_quicklook(plan: Plan, path: AnyPath) -> bytes:
    """
    Return the quicklook of a finished run as PNG.

    Parameters
    ----------
    plan : Plan
        Plan of the run.
    path : Path or Url
        Output of the run.

    Raises
    ------
    RasterError
        If an input or the output cannot be read.
    """
    figure = quicklook_figure(plan, path)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": f"hsfuse {version('hsfuse')}"})
    return stream.getvalue()


def quicklook_figure(plan: Plan, path: AnyPath) -> Figure:
    """Return the figure of :func:`draw_quicklook`."""
    pair, geometry = plan.pair, plan.pair.geometry
    hs_bands = natural_bands(pair.hs["wavelength"].values, plan.radiometry.good)
    rgb_bands = natural_bands(
        pair.rgb["wavelength"].values, pair.rgb["good"].values, raster_band_names(pair.rgb)
    )
    hs = preview_raster(pair.hs, hs_bands, _STYLE.longest)
    rgb = preview_raster(pair.rgb, rgb_bands, _STYLE.longest)
    fused = preview_file(path, hs_bands, _STYLE.longest)
    hs_limits, rgb_limits = stretch_limits(hs), stretch_limits(rgb)
    side = int(np.clip(round(_STYLE.detail_hs_pixels * geometry.ratio), *_STYLE.detail))
    window = busiest_window(stretched(rgb, rgb_limits), geometry.fine_shape, side)
    detail = _detail(plan, path, Span(*window[0]), Span(*window[1]))

    width = _STYLE.width / 3
    height = width * min(max(geometry.y.fine / geometry.x.fine, 0.4), 1.6)
    heights = [height, width, 2.7, 1.6]
    figure = Figure(
        figsize=(_STYLE.width, sum(heights) + 1.9), dpi=_STYLE.dpi, layout="constrained"
    )
    FigureCanvasAgg(figure)
    headline = _wrapped(_headline(plan, path), 0.95 * _STYLE.width, _STYLE.headline)
    figure.suptitle(headline, x=0.01, ha="left", fontsize=_STYLE.headline)
    cells = figure.add_gridspec(4, 3, height_ratios=heights)
    overviews = [figure.add_subplot(cells[0, place]) for place in range(3)]
    details = [figure.add_subplot(cells[1, place]) for place in range(3)]
    coarse = Span(0, geometry.y.coarse), Span(0, geometry.x.coarse)
    _show(overviews[0], stretched(hs, hs_limits), _extent(geometry, *coarse))
    fine_extent = (0.0, float(geometry.x.fine), float(geometry.y.fine), 0.0)
    _show(overviews[1], stretched(rgb, rgb_limits), fine_extent)
    _show(overviews[2], stretched(fused, hs_limits), fine_extent)
    for axes, title in zip(overviews, _titles(plan, hs_bands, rgb_bands), strict=True):
        axes.set(xlim=(0, geometry.x.fine), ylim=(geometry.y.fine, 0))
        _title(axes, title)
        axes.add_patch(_frame(detail))
    _draw_detail(details, plan, detail, ((hs_bands, hs_limits), (rgb_bands, rgb_limits)))
    for axes, columns in ((overviews[2], Span(0, geometry.x.fine)), (details[2], detail.columns)):
        _draw_scale_bar(axes, plan, columns)
    _draw_spectra(figure.add_subplot(cells[2, :2]), details, plan, detail)
    _draw_map(figure, figure.add_subplot(cells[2, 2]), plan, path, detail)
    responses = figure.add_subplot(cells[3, :])
    draw_srf(responses, plan, _STYLE.text)
    _title(responses, srf_title(plan), columns=3)
    return figure


def _detail(plan: Plan, path: AnyPath, rows: Span, columns: Span) -> _Detail:
    geometry = plan.pair.geometry
    coarse = geometry.y.coarse_span(rows), geometry.x.coarse_span(columns)
    psf = plan.pair.psf
    wide = tuple(
        axis.fine_span(span, reach)
        for axis, span, reach in zip((geometry.y, geometry.x), coarse, psf.reach, strict=True)
    )
    fused = read_file_window(path, *wide)[: plan.pair.hs.sizes["band"]]
    window = Geometry(geometry.y.cut(wide[0], coarse[0]), geometry.x.cut(wide[1], coarse[1]))
    known = finite_in(fused, np.flatnonzero(plan.radiometry.good))
    return _Detail(
        rows,
        columns,
        *coarse,
        read_window(plan.pair.hs, None, *coarse),
        read_window(plan.pair.rgb, None, rows, columns),
        fused[:, rows.within(wide[0]), columns.within(wide[1])],
        hs_bands(fused, Degrade.between(window, psf), known),
    )


def _extent(geometry: Geometry, rows: Span, columns: Span) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top of HS pixels in fine coordinates."""
    left, right = (
        geometry.x.origin + edge * geometry.x.ratio for edge in (columns.start, columns.stop)
    )
    top, bottom = (geometry.y.origin + edge * geometry.y.ratio for edge in (rows.start, rows.stop))
    return left, right, bottom, top


def _show(axes: Axes, picture: Image, extent: tuple[float, float, float, float]) -> None:
    axes.imshow(picture, extent=extent, interpolation="nearest", aspect="equal")
    axes.set(xticks=[], yticks=[], facecolor=(NO_DATA,) * 3)


def _title(axes: Axes, text: str, columns: float = 1) -> None:
    """Set the title of a panel that is some columns of the figure wide, in as many lines."""
    wrapped = _wrapped(text, columns * (_STYLE.width / 3 - _STYLE.beside), _STYLE.text)
    axes.set_title(wrapped, loc="left", fontsize=_STYLE.text)


def _wrapped(text: str, width: float, size: float) -> str:
    """Break a text to a width in inches, at a font size in points."""
    characters = int(72 * width / (_STYLE.character * size))
    return textwrap.fill(text, characters, break_on_hyphens=False)


def _frame(detail: _Detail) -> Rectangle:
    return Rectangle(
        (detail.columns.start, detail.rows.start),
        len(detail.columns),
        len(detail.rows),
        fill=False,
        edgecolor=_STYLE.frame,
        linewidth=1.4,
    )


def _draw_detail(
    details: Sequence[Axes],
    plan: Plan,
    detail: _Detail,
    shown: tuple[tuple[list[int], Limits], tuple[list[int], Limits]],
) -> None:
    (hs_bands, hs_limits), (rgb_bands, rgb_limits) = shown
    geometry = plan.pair.geometry
    fine = (
        float(detail.columns.start),
        float(detail.columns.stop),
        float(detail.rows.stop),
        float(detail.rows.start),
    )
    coarse = _extent(geometry, detail.coarse_rows, detail.coarse_columns)
    _show(details[0], stretched(detail.hs[hs_bands], hs_limits), coarse)
    _show(details[1], stretched(detail.rgb[rgb_bands], rgb_limits), fine)
    _show(details[2], stretched(detail.fused[hs_bands], hs_limits), fine)
    for axes in details:
        axes.set(xlim=fine[:2], ylim=fine[2:])
        axes.spines[:].set(color=_STYLE.frame, linewidth=1.6)
    size = image_size(len(detail.rows), len(detail.columns))
    _title(details[0], f"detail (frame), {size} of the output")


def _draw_scale_bar(axes: Axes, plan: Plan, columns: Span) -> None:
    """Draw a scale bar of round length in the unit of the grid, or in output pixels."""
    grid = grid_of(plan.pair.rgb)
    sizes, unit = grid["pixel_size"], str(grid["unit"] or "units")
    pixel, unit = (sizes[1], unit) if isinstance(sizes, list) else (1.0, "pixels")
    length = round_length(_STYLE.scale_bar * len(columns) * pixel)
    text = f"{length / 1000:g} km" if unit == "m" and length >= 1000 else f"{length:g} {unit}"
    start = columns.start + 0.04 * len(columns)
    low, high = axes.get_ylim()
    y = low + 0.05 * (high - low)
    outline = [withStroke(linewidth=3, foreground="black")]
    axes.plot(
        [start, start + length / pixel], [y, y], color="white", linewidth=2.5,
        path_effects=[withStroke(linewidth=4.5, foreground="black")],
    )  # fmt: skip
    axes.text(
        start, y + 0.02 * (high - low), text, color="white", fontsize=_STYLE.text,
        path_effects=outline,
    )  # fmt: skip


def _draw_map(figure: Figure, axes: Axes, plan: Plan, path: AnyPath, detail: _Detail) -> None:
    """Draw the standard error of the output, or the difference of the detail from the HS image."""
    geometry, units = plan.pair.geometry, str(plan.pair.hs.attrs.get("units") or "")
    if plan.fuser.gives_standard_error:
        error = open_raster(path)[STANDARD_ERROR].expand_dims("band")
        plane = preview_raster(error, [0], _STYLE.longest)[0]
        extent = (0.0, float(geometry.x.fine), float(geometry.y.fine), 0.0)
        title = "standard error of the fused pixels"
    else:
        good = plan.radiometry.good
        plane = np.sqrt(((detail.degraded - detail.hs)[good] ** 2).mean(axis=0))
        extent = _extent(geometry, detail.coarse_rows, detail.coarse_columns)
        title = "detail: output blurred by PSF against HS, RMSE"
    drawn = axes.imshow(
        plane, extent=extent, interpolation="nearest", aspect="equal", cmap=_STYLE.map_colours
    )
    axes.set(xticks=[], yticks=[], facecolor=(NO_DATA,) * 3)
    _title(axes, title, columns=0.9)  # less the colour bar
    bar = figure.colorbar(drawn, ax=axes)
    bar.set_label(units or "value (the file states no units)", fontsize=_STYLE.text)
    bar.ax.tick_params(labelsize=_STYLE.text)


def _draw_spectra(axes: Axes, details: Sequence[Axes], plan: Plan, detail: _Detail) -> None:
    """Draw the spectra of three dissimilar HS pixels, and of the output at their centres."""
    hs = plan.pair.hs
    line = spectrum_line(hs["wavelength"].values, plan.radiometry.good)
    pixels = _dissimilar_pixels(plan, detail)
    for colour, (row, column, fine_row, fine_column) in zip(_STYLE.colours, pixels, strict=False):
        for values, style, width, alpha in (
            (detail.hs[:, row, column], "-", 4.0, 0.35),
            (detail.degraded[:, row, column], "-", 1.3, 1.0),
            (detail.fused[:, fine_row, fine_column], ":", 1.1, 1.0),
        ):
            axes.plot(
                line.place, line.values(values), style, color=colour, linewidth=width, alpha=alpha
            )
        place = detail.columns.start + fine_column + 0.5, detail.rows.start + fine_row + 0.5
        for panel in (details[0], details[2]):
            panel.plot(*place, "o", markersize=7, color=colour, markeredgecolor="white")
    units = str(hs.attrs.get("units") or "") or "value (the file states no units)"
    _title(
        axes,
        "spectra at the dots: HS pixel (thick line), output blurred by the PSF to it (thin line), "
        "output pixel at its centre (dotted)",
        columns=2,
    )
    axes.set_xlabel(line.label, fontsize=_STYLE.text)
    axes.set_ylabel(units, fontsize=_STYLE.text)
    axes.tick_params(labelsize=_STYLE.text)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.margins(x=0.01)


def _dissimilar_pixels(plan: Plan, detail: _Detail) -> list[tuple[int, int, int, int]]:
    """Return the HS pixels with the most different spectra, and the output pixels in them."""
    geometry, good = plan.pair.geometry, plan.radiometry.good
    places: list[tuple[int, int, int, int]] = []
    rows = np.floor(geometry.y.centres(detail.coarse_rows)).astype(int) - detail.rows.start
    columns = np.floor(geometry.x.centres(detail.coarse_columns)).astype(int) - detail.columns.start
    for row, fine_row in enumerate(rows):
        for column, fine_column in enumerate(columns):
            inside = all(
                _STYLE.dot_margin <= (place + 0.5) / len(span) <= 1 - _STYLE.dot_margin
                for place, span in ((fine_row, detail.rows), (fine_column, detail.columns))
            )
            if (
                inside
                and np.isfinite(detail.hs[good, row, column]).all()
                and np.isfinite(detail.degraded[good, row, column]).all()
                and np.isfinite(detail.fused[good, fine_row, fine_column]).all()
            ):
                places.append((row, column, int(fine_row), int(fine_column)))
    if not places:
        return []
    spectra = np.array([detail.hs[good, row, column] for row, column, *_ in places])
    chosen = [int(np.argmax(np.linalg.norm(spectra - np.median(spectra, axis=0), axis=1)))]
    while len(chosen) < min(len(_STYLE.colours), len(places)):
        apart = np.linalg.norm(spectra[:, None] - spectra[chosen][None], axis=2).min(axis=1)
        chosen.append(int(np.argmax(apart)))
    return [places[index] for index in chosen]


def _headline(plan: Plan, path: AnyPath) -> str:
    (bands, rows, columns), geometry = plan.shape, plan.pair.geometry
    return (
        f"{path.name}: {bands} bands, {image_size(rows, columns)}, {plan.fuser.name}, "
        f"ratio {along_axes(geometry.y.ratio, geometry.x.ratio)}"
    )


def _titles(plan: Plan, hs_bands: list[int], rgb_bands: list[int]) -> list[str]:
    geometry, hs, rgb = plan.pair.geometry, plan.pair.hs, plan.pair.rgb
    seen = [math.ceil(axis.fine / axis.ratio - 1e-6) for axis in (geometry.y, geometry.x)]
    return [
        f"HS, {image_size(*seen)}, {_colours(hs, hs_bands)}",
        f"MS, {image_size(geometry.y.fine, geometry.x.fine)}, {_colours(rgb, rgb_bands)}",
        "fused, bands and stretch of the HS image",
    ]


def _colours(raster: xr.DataArray, bands: list[int]) -> str:
    return describe_composite(bands, raster["wavelength"].values, raster_band_names(raster)).text
