"""The responses of the viewer: functions of the scene and a path, which only read pixels."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, unquote

import numpy as np

from hsfuse.core.json_types import json_value
from hsfuse.core.picture import (
    describe_composite,
    false_colour_bands,
    natural_bands,
    stretch_limits,
)
from hsfuse.errors import HsfuseError
from hsfuse.io.input.labels import crs_label
from hsfuse.viewer.pictures import COLOUR_MAPS, colour_bar, composite, mapped
from hsfuse.viewer.scene import TILE, Layer, Scene
from hsfuse.viewer.spectra import spectra_at, spectra_table

__all__ = ["Response", "respond"]

_PNG, _JSON = "image/png", "application/json"
# Maximum number of pixels in one table of spectra.
_MOST_PIXELS = 100

Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Response:
    """Status, media type, body, and headers in addition to those of every response."""

    status: int
    kind: str = "text/plain; charset=utf-8"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def refusal(cls, status: int, text: str) -> Response:
        """Return a response of one line that states the reason of a refusal."""
        return cls(status, body=f"{text}\n".encode())


def respond(scene: Scene, path: str, query: str = "") -> Response:
    """
    Return the response to a GET request.

    Parameters
    ----------
    scene : Scene
    path : str
        Path after the token: empty, the name of a file of the page, or

        - ``scene.json``: description of the layers
        - ``limits.json?layer=&bands=&percentiles=2,98``: limits of the stretch, from a sample
        - ``tile/LAYER/LEVEL/ROW/COLUMN.png?bands=&low=&high=&colours=``: a tile of one or three
          bands, counted from 1; at level n a pixel has 2 ** n of the raster
        - ``spectra.json?row=&column=``: the spectra of a pixel, counted from 0
        - ``spectra.csv?pixel=ROW,COLUMN&pixel=...``: a table of the spectra of several pixels
        - ``colours/NAME.png``: a colour map
    query : str
        Query string after the question mark.

    Returns
    -------
    Response
        Status 400 for an invalid request, 404 for an unknown path, tile or pixel, 500 if the
        raster cannot be read.
    """
    name, _, rest = unquote(path).partition("/")
    action = _ACTIONS.get(name, _page_file)
    try:
        return action(scene, path if action is _page_file else rest, parse_qs(query))
    except LookupError as error:
        return Response.refusal(404, str(error.args[0]) if error.args else "not found")
    except HsfuseError as error:  # before its base classes
        return Response.refusal(500, " ".join(str(error).split()))
    except ValueError as error:
        return Response.refusal(400, str(error))


def _page_file(scene: Scene, path: str, query: Query) -> Response:
    """Return the page, or one of its files."""
    name = path or "index.html"
    place = _FILES.get(name)
    if place is None:
        raise LookupError(f"{name!r} is not part of the page")
    folder, kind = place
    body = files("hsfuse").joinpath(*folder.split("/"), *name.split("/")).read_bytes()
    return Response(200, kind, body)


def _scene(scene: Scene, rest: str, query: Query) -> Response:
    rows, columns = scene.size
    return _json(
        {
            "name": scene.name,
            "rows": rows,
            "columns": columns,
            "tile": TILE,
            "deepest": scene.deepest,
            "crs": None if scene.crs is None else crs_label(scene.crs),
            "transform": None if scene.transform is None else list(scene.transform)[:6],
            "pixel_metres": scene.pixel_metres,
            "notes": list(scene.notes),
            "layers": {name: _layer(layer) for name, layer in scene.layers.items()},
            "colour_maps": list(COLOUR_MAPS),
        }
    )


def _layer(layer: Layer) -> dict[str, Any]:
    bands = layer.bands
    natural = natural_bands(bands.wavelength, bands.good, bands.names)
    return {
        "label": layer.label,
        "units": layer.units,
        "natural": natural,
        "natural_text": describe_composite(natural, bands.wavelength, bands.names).text,
        "false": false_colour_bands(bands.wavelength, bands.good),
        "wavelength": json_value(bands.wavelength),
        "fwhm": json_value(bands.fwhm),
        "good": bands.good.tolist(),
        "names": list(bands.names),
        "rows": {"ratio": layer.rows.ratio, "origin": layer.rows.origin},
        "columns": {"ratio": layer.columns.ratio, "origin": layer.columns.origin},
    }


def _limits(scene: Scene, rest: str, query: Query) -> Response:
    layer = scene.layers[_one(query, "layer")]
    bands = _bands(query, layer)
    low, high = _numbers(query, "percentiles", 2)
    if not 0 <= low < high <= 100:
        raise ValueError(f"expected two percentiles of 0 to 100 that increase, got {low}, {high}")
    limits = stretch_limits(layer.sample(bands), (low, high))
    return _json({name: part.tolist() for name, part in zip(("low", "high"), limits, strict=True)})


def _tile(scene: Scene, rest: str, query: Query) -> Response:
    name, *places = rest.removesuffix(".png").split("/")
    if name not in scene.layers or len(places) != 3 or not rest.endswith(".png"):
        raise LookupError(f"there is no tile {rest!r}")
    level, row, column = (_whole(place) for place in places)
    bands = _bands(query, scene.layers[name])
    low, high = (_numbers(query, each, len(bands)) for each in ("low", "high"))
    if not all(a < b for a, b in zip(low, high, strict=True)):
        raise ValueError(f"expected each of low {low} below its high {high}")
    cube = scene.tile(name, bands, level, row, column)
    if len(bands) == 3:
        picture = composite(cube, low, high)
    else:
        picture = mapped(cube[0], low[0], high[0], _colours(_one(query, "colours")))
    return Response(200, _PNG, picture, {"Cache-Control": "private, max-age=3600"})


def _spectra(scene: Scene, rest: str, query: Query) -> Response:
    return _json(spectra_at(scene, *(_whole(_one(query, name)) for name in ("row", "column"))))


def _table(scene: Scene, rest: str, query: Query) -> Response:
    pixels = []
    for text in query.get("pixel", ()):
        row, _, column = text.partition(",")
        pixels.append((_whole(row), _whole(column)))
    if not 0 < len(pixels) <= _MOST_PIXELS:
        raise ValueError(f"expected 1 to {_MOST_PIXELS} pixels, got {len(pixels)}")
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in scene.name)
    headers = {"Content-Disposition": f'attachment; filename="{name}_spectra.csv"'}
    body = spectra_table(scene, pixels).encode()
    return Response(200, "text/csv; charset=utf-8", body, headers)


def _bar(scene: Scene, rest: str, query: Query) -> Response:
    return Response(200, _PNG, colour_bar(_colours(rest.removesuffix(".png"))))


def _json(facts: object) -> Response:
    return Response(200, _JSON, json.dumps(facts, allow_nan=False).encode())


def _one(query: Query, name: str) -> str:
    values = query.get(name, ())
    if len(values) != 1:
        raise ValueError(f"expected one {name!r}, got {len(values)}")
    return values[0]


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"expected a whole number, got {text!r}")
    return int(text)


def _numbers(query: Query, name: str, count: int) -> list[float]:
    text = _one(query, name)
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f"expected {count} numbers as {name!r}, got {text!r}")
    return numbers


def _bands(query: Query, layer: Layer) -> list[int]:
    """Return the indices, from 0, of one or three bands."""
    numbers = [_whole(part) for part in _one(query, "bands").split(",")]
    if len(numbers) not in (1, 3):
        raise ValueError(f"expected one band or three, got {len(numbers)}")
    count = layer.pyramid.shape[0]
    if not all(1 <= number <= count for number in numbers):
        raise LookupError(f"expected bands of 1 to {count}, got {numbers}")
    return [number - 1 for number in numbers]


def _colours(name: str) -> str:
    if name not in COLOUR_MAPS:
        raise LookupError(f"expected a colour map of {', '.join(COLOUR_MAPS)}, got {name!r}")
    return name


_HTML, _CSS = "text/html; charset=utf-8", "text/css; charset=utf-8"
_SCRIPT = "text/javascript; charset=utf-8"
#: Files of the page: name -> folder of hsfuse that contains it, and its media type.
_FILES = {
    "index.html": ("viewer/page", _HTML),
    "view.css": ("viewer/page", _CSS),
    "view.js": ("viewer/page", _SCRIPT),
    "map.js": ("viewer/page", _SCRIPT),
    "bands.js": ("viewer/page", _SCRIPT),
    "spectra.js": ("viewer/page", _SCRIPT),
    "leaflet/leaflet.js": ("viewer/page", _SCRIPT),
    "leaflet/leaflet.css": ("viewer/page", _CSS),
    "chart.js": ("report/page", _SCRIPT),
    "chart.css": ("report/page", _CSS),
}

_ACTIONS: dict[str, Callable[[Scene, str, Query], Response]] = {
    "scene.json": _scene,
    "limits.json": _limits,
    "tile": _tile,
    "spectra.json": _spectra,
    "spectra.csv": _table,
    "colours": _bar,
}
