"""
Reader of airborne cubes in ENVI format, recognised by their names: AVIRIS, AVIRIS-NG, HySpex.

The header is read as for any ENVI file; this module adds what only the documentation states.
AVIRIS Distribution Document 030217 (``*.readme`` of each flight line): radiance is stored times the
gain of each band, listed in ``*.gain`` in two columns (gain, channel). AVIRIS-NG Data Product
Distribution Document: floating point, -9999 for no data. HySpex: names of HySpex GROUND and AIR,
``*_VNIR_1800_SN00841_*_rad``, headers without widths.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hsfuse.errors import RasterError
from hsfuse.io.input.checks import header_of, locate
from hsfuse.io.input.gdal_reader import open_dataset
from hsfuse.io.input.pixels import Opened
from hsfuse.io.products.completion import complete_bands

__all__ = ["open_product"]

#: Pattern of the start of a name -> instrument, and its sensor if there is a table of it.
_INSTRUMENTS = {
    r"f\d{6}t": ("AVIRIS", "aviris"),
    r"ang\d{8}t": ("AVIRIS-NG", "aviris-ng"),
    r".*(VNIR|SWIR)_": ("HySpex", ""),
}
_NODATA = -9999.0
_OUTSIDE = -50.0  # beyond the swath of an orthorectified AVIRIS scene of radiance
_SCALE = 1e-4
_RADIANCE = "uW cm-2 nm-1 sr-1"


def open_product(path: Path) -> Opened | None:
    """
    Open an airborne cube.

    Parameters
    ----------
    path : Path
        Data file or header.

    Returns
    -------
    Opened or None
        None where there is no ENVI header.

    Raises
    ------
    RasterError
        If the data are missing or damaged, or the gains do not fit them.
    """
    if path.is_dir() or (path.suffix.lower() != ".hdr" and header_of(path) is None):
        return None
    data = Path(locate(path).file)
    opened = open_dataset(data)
    instrument, sensor = next(
        found for start, found in _INSTRUMENTS.items() if re.match(start, data.name, re.IGNORECASE)
    )
    notes: list[str] = []
    if instrument.startswith("AVIRIS"):
        opened = _scaled(opened, data, notes)
    bands = opened.bands
    if sensor:
        bands, added = complete_bands(bands, sensor, windows=bool(bands.good.all()))
        notes += added
    elif not np.isfinite(bands.fwhm).any():
        notes.append("the header states no width of its bands: each is taken for one step wide")
    notes = [*opened.notes, *notes]
    attributes = opened.attributes | {"product": instrument, "sensor": sensor, "notes": notes}
    return opened._replace(bands=bands, attributes=attributes)


def _scaled(opened: Opened, data: Path, notes: list[str]) -> Opened:
    """Return AVIRIS data in physical units; assumptions are appended to the notes."""
    pixels, attributes = opened.pixels, dict(opened.attributes)
    integers = "float" not in str(attributes["source_dtype"])
    radiance = "rdn" in data.name.lower()
    if radiance:
        attributes.setdefault("units", _RADIANCE)
    unscaled = all(scale == 1 for scale in pixels.scale)
    if integers and unscaled and radiance:
        gain = _gain(data, len(pixels.scale))
        if gain is None:
            del attributes["units"]
            notes.append(
                "holds radiance times the gain of each band, and no *.gain lies beside it: it is "
                "left as stored"
            )
        else:
            pixels = replace(pixels, scale=tuple((1 / gain).tolist()))
    elif integers and unscaled:
        pixels = replace(pixels, scale=(_SCALE,) * len(pixels.scale))
        notes.append(f"a scale of {_SCALE:g} is assumed: the header states none")
    if all(number is None for number in pixels.nodata):
        outside = (_OUTSIDE,) if integers and radiance else ()
        pixels = replace(pixels, nodata=(_NODATA,) * len(pixels.nodata), invalid=outside)
        attributes["nodata"] = _NODATA
        numbers = " and ".join(f"{number:g}" for number in (_NODATA, *outside))
        notes.append(f"no data is assumed to be {numbers}: the header states none")
    return opened._replace(pixels=pixels, attributes=attributes)


def _gain(data: Path, count: int) -> NDArray[np.float64] | None:
    """Return the factor by which radiance is stored (bands,); None without the ``*.gain`` file."""
    flight = re.split(r"_(?:sc\d+|ort|img)", data.name, maxsplit=1)[0]
    path = data.with_name(f"{flight}.gain")
    if not path.is_file():
        return None
    rows = [line.split() for line in path.read_text(encoding="latin-1").splitlines()]
    try:
        gain = np.array([float(row[0]) for row in rows if row])
    except ValueError as error:
        raise RasterError(
            f"{path}: {error}; expected two columns, the gain and the number of the band"
        ) from error
    if gain.size != count or not np.all(gain > 0):
        raise RasterError(
            f"{path}: holds {np.count_nonzero(gain > 0)} gains above 0 and {data.name} has {count} "
            "bands; expected one for each of them"
        )
    return gain
