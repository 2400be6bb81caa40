"""
QGIS style of an output, so that QGIS displays it in red, green and blue with a stretch.

QGIS applies the file of the same name with the suffix ``.qml``; omitted elements have the defaults
of QGIS. The limits are the 2nd and 98th percentile, as in the stretch of QGIS, of pixels spread
over the image, so that QGIS need not read the image when the layer is added.

Format: ``QgsMultiBandColorRenderer::writeXml`` and ``QgsRasterMinMaxOrigin::writeXml`` of QGIS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.picture import stretch_limits
from hsfuse.io.files.replacement import write_file
from hsfuse.io.output.planes import Piece
from hsfuse.io.settings import STYLE

__all__ = ["StretchSample", "style_path", "write_style", "written_style"]

_COLOURS = ("red", "green", "blue")
_MARK = "written by hsfuse"


def style_path(path: Path) -> Path:
    """
    Return the path of the QGIS style of a raster.

    Examples
    --------
    >>> str(style_path(Path("a.b.tif")))
    'a.b.qml'
    """
    return path.with_suffix(".qml")


class StretchSample:
    """
    Stored numbers of the displayed bands, at pixels spread over the image.

    Threads may add pieces of different planes at the same time.

    Parameters
    ----------
    bands : sequence of int
        Indexes of the bands shown as red, green and blue; or empty.
    shape : tuple of int
        Rows and columns of the image.
    fill : float
        Stored no-data value.
    """

    def __init__(self, bands: Sequence[int], shape: tuple[int, int], fill: float) -> None:
        self.bands, self.fill = tuple(bands), fill
        self.step = math.ceil(math.sqrt(math.prod(shape) / STYLE.pixels))
        self.parts: dict[int, list[NDArray[np.float32]]] = {band: [] for band in bands}

    def add(self, piece: Piece, values: NDArray[Any]) -> None:
        """Add a piece of the image (planes, rows, columns)."""
        rows, columns = -piece.rows.start % self.step, -piece.columns.start % self.step
        for band in self.parts:
            if piece.planes.start <= band < piece.planes.stop:
                plane = values[band - piece.planes.start, rows :: self.step, columns :: self.step]
                known = plane[np.isfinite(plane) & (plane != self.fill)]
                self.parts[band].append(known.astype(np.float32))

    def limits(self) -> list[tuple[float, float]]:
        """Return the lower and upper limit of the stretch of each band, as stored numbers."""
        limits = []
        for band in self.bands:
            low, high = stretch_limits(np.concatenate([*self.parts[band], []])[None, None])
            limits.append((float(low[0]), float(high[0])))
        return limits


def written_style(path: Path) -> Path | None:
    """Return the style of a raster if hsfuse wrote it; None if there is none, or a user's."""
    style = style_path(path)
    if not style.is_file() or _MARK not in style.read_text(encoding="utf-8", errors="replace"):
        return None
    return style


def write_style(path: Path, sample: StretchSample, scale: float = 1.0, offset: float = 0.0) -> None:
    """
    Write the style of a raster; a style made by the user is not replaced.

    Parameters
    ----------
    path : Path
        The raster.
    sample : StretchSample
        No style is written where it has no bands.
    scale, offset : float
        Scale and offset of the stored numbers that GDAL applies.
    """
    style = style_path(path)
    if style.exists() and written_style(path) is None:
        return
    if not sample.bands:
        style.unlink(missing_ok=True)
        return
    limits = [tuple(scale * each + offset for each in pair) for pair in sample.limits()]
    root = Xml.Element("qgis", version=STYLE.version)
    root.append(Xml.Comment(f" {_MARK} "))
    bands = {f"{c}Band": str(b + 1) for c, b in zip(_COLOURS, sample.bands, strict=True)}
    renderer = Xml.SubElement(
        Xml.SubElement(root, "pipe"),
        "rasterrenderer",
        {"type": "multibandcolor", "opacity": "1", "alphaBand": "-1", **bands},
    )
    origin = {
        "limits": "CumulativeCut",
        "extent": "WholeRaster",
        "statAccuracy": "Estimated",
        "cumulativeCutLower": "0.02",
        "cumulativeCutUpper": "0.98",
    }
    _add(renderer, "minMaxOrigin", origin)
    for colour, (low, high) in zip(_COLOURS, limits, strict=True):
        stretch = {
            "minValue": f"{low:.7g}",
            "maxValue": f"{high:.7g}",
            "algorithm": "StretchToMinimumMaximum",
        }
        _add(renderer, f"{colour}ContrastEnhancement", stretch)
    Xml.indent(root)
    text = Xml.tostring(root, encoding="unicode")
    content = f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}\n"
    write_file(style, content.encode())


def _add(parent: Xml.Element, name: str, parts: dict[str, str]) -> None:
    element = Xml.SubElement(parent, name)
    for part, text in parts.items():
        Xml.SubElement(element, part).text = text
