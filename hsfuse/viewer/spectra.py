"""Spectra of the fused raster, the HS image and the MS image at a pixel."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from hsfuse.core.json_types import json_value
from hsfuse.viewer.scene import Scene

__all__ = ["longitude_latitude", "spectra_at", "spectra_table"]

# Columns of the table: pixel of the fused raster, image and its pixel, band, value.
_COLUMNS = (
    *("row", "column", "x", "y", "longitude", "latitude"),
    *("image", "image_row", "image_column"),
    *("band", "band_name", "wavelength_nm"),
    *("value", "standard_error"),
)


def spectra_at(scene: Scene, row: int, column: int) -> dict[str, Any]:
    """
    Return the spectra of all images at a pixel of the fused raster.

    Parameters
    ----------
    scene : Scene
    row, column : int
        Indices of the pixel, from 0.

    Returns
    -------
    dict
        In JSON types, None for no data: ``row``, ``column``, ``x`` and ``y`` of the centre,
        ``longitude`` and ``latitude``; ``fused``, ``hs`` and ``ms`` with ``row``, ``column`` and
        unmodified ``values`` of their pixels; for ``ms`` also ``in_hs_units``, converted by gain
        and offset of the run; ``standard_error``.

    Raises
    ------
    LookupError
        If the pixel is outside the raster.
    """
    rows, columns = scene.size
    if not (0 <= row < rows and 0 <= column < columns):
        raise LookupError(
            f"expected a row of 0 to {rows - 1} and a column of 0 to {columns - 1}, "
            f"got {row} and {column}"
        )
    spectra: dict[str, Any] = {"row": row, "column": column, **_place(scene, row, column)}
    for name, layer in scene.layers.items():
        place = layer.pixel_at(row, column)
        if place is None:
            continue
        values = layer.spectrum(*place)
        if name == "standard_error":
            spectra[name] = json_value(values[0])
            continue
        spectra[name] = {"row": place[0], "column": place[1], "values": json_value(values)}
        if name == "ms" and scene.relation is not None:
            scaled = (values - scene.relation.offset) / scene.relation.gain
            spectra[name]["in_hs_units"] = json_value(scaled)
    return spectra


def spectra_table(scene: Scene, pixels: Iterable[tuple[int, int]]) -> str:
    """
    Return the spectra of some pixels as CSV, a line for each value.

    Raises
    ------
    LookupError
        If the pixel is outside the raster.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row, column in pixels:
        spectra = spectra_at(scene, row, column)
        place = [spectra[name] for name in ("row", "column", "x", "y", "longitude", "latitude")]
        for image in ("fused", "hs", "ms"):
            if image not in spectra:
                continue
            bands, part = scene.layers[image].bands, spectra[image]
            error = spectra.get("standard_error") if image == "fused" else None
            for index, value in enumerate(part["values"]):
                wavelength = json_value(bands.wavelength[index])
                band = [index + 1, bands.names[index], wavelength]
                writer.writerow([*place, image, part["row"], part["column"], *band, value, error])
    return text.getvalue()


def longitude_latitude(scene: Scene, x: float, y: float) -> tuple[float, float] | None:
    """Return longitude and latitude (WGS 84) of coordinates in the CRS; None where unknown."""
    if scene.crs is None:
        return None
    transformer = _transformer(scene.crs.to_wkt())
    if transformer is None:
        return None
    longitude, latitude = transformer.transform(x, y)
    known = math.isfinite(longitude) and math.isfinite(latitude)
    return (float(longitude), float(latitude)) if known else None


def _place(scene: Scene, row: int, column: int) -> dict[str, float | None]:
    """Return the centre of a pixel in the CRS, and in longitude and latitude."""
    place: dict[str, float | None] = dict.fromkeys(("x", "y", "longitude", "latitude"))
    if scene.transform is not None:
        x, y = scene.transform * (column + 0.5, row + 0.5)
        place |= {"x": float(x), "y": float(y)}
        degrees = longitude_latitude(scene, x, y)
        if degrees is not None:
            place |= {"longitude": degrees[0], "latitude": degrees[1]}
    return place


@lru_cache(maxsize=4)
def _transformer(wkt: str) -> Transformer | None:
    try:
        return Transformer.from_crs(CRS.from_wkt(wkt), CRS.from_epsg(4326), always_xy=True)
    except ProjError:  # a local system, which lies nowhere on the earth
        return None
