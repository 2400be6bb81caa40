"""A colour image linked to the spectrum of the clicked pixel, by holoviews and bokeh."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from hsfuse.errors import PlanError, RasterError
from hsfuse.xarray.maps import MapGrid, grid_of_raster
from hsfuse.xarray.pictures import line_of, picture_of, value_label
from hsfuse.xarray.points import point_spectra

__all__ = ["linked_views"]

_SPECTRUM = 480, 300  # width and height in screen pixels
_MARKER = "#FFD400"  # a colour that land surfaces do not have


def linked_views(raster: xr.DataArray, width: int) -> Any:
    """
    Return image and spectrum; see :meth:`hsfuse.xarray.PlotAccessor.interactive`.

    Raises
    ------
    PlanError
        If holoviews is not installed.
    RasterError
        If the raster is rotated or not georeferenced.
    """
    try:
        import holoviews as hv
    except ImportError as error:
        raise PlanError(
            "interactive plots need the package holoviews; pip install 'hsfuse[plot]'"
        ) from error
    grid = grid_of_raster(raster)
    if grid.rotated:
        raise RasterError(
            "an interactive plot needs a grid along x and y, and this one is rotated; plot.rgb() "
            "draws it"
        )
    hv.extension("bokeh", logo=False)
    image = _image(hv, raster, grid, width)
    west, east, south, north = grid.bounds
    clicked = hv.streams.Tap(source=image, x=(west + east) / 2, y=(south + north) / 2)

    def marker(x: float, y: float) -> Any:
        place = hv.Points([(x, y)], kdims=image.kdims)
        return place.opts(marker="o", size=9, fill_alpha=0, line_color=_MARKER, line_width=2)

    def spectrum(x: float, y: float) -> Any:
        return _curve(hv, raster, x, y)

    marked = image * hv.DynamicMap(marker, streams=[clicked])
    return marked + hv.DynamicMap(spectrum, streams=[clicked])


def _image(hv: Any, raster: xr.DataArray, grid: MapGrid, width: int) -> Any:
    from bokeh.models import BasicTickFormatter

    shown = picture_of(raster)
    rows, columns = (
        (np.arange(length, dtype=np.float64) + 0.5) * shown.step for length in shown.image.shape[:2]
    )
    x, _ = grid.place(columns, np.zeros_like(columns))
    _, y = grid.place(np.zeros_like(rows), rows)
    red, green, blue = np.moveaxis(shown.image, -1, 0)
    axes = [hv.Dimension(name, label=label) for name, label in zip("xy", grid.labels, strict=True)]
    return hv.RGB((x, y, red, green, blue), kdims=axes).opts(
        title=shown.title,
        frame_width=width,
        data_aspect=1,
        tools=["tap"],
        xticks=4,
        xformatter=BasicTickFormatter(use_scientific=False),
        yformatter=BasicTickFormatter(use_scientific=False),
        fontsize={"title": "9pt"},
    )


def _curve(hv: Any, raster: xr.DataArray, x: float, y: float) -> Any:
    """Return the spectrum at a point; empty outside the raster or without data."""
    line = line_of(raster)
    spectrum = point_spectra(raster, x, y, missing="nan").to_numpy()
    return hv.Curve(
        (line.place, line.values(spectrum)),
        kdims=[hv.Dimension("along", label=line.label)],
        vdims=[hv.Dimension("value", label=value_label(raster))],
    ).opts(
        title=f"spectrum at {x:.10g}, {y:.10g}",
        width=_SPECTRUM[0],
        height=_SPECTRUM[1],
        framewise=True,
        fontsize={"title": "9pt"},
    )
