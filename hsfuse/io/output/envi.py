"""
Export of a finished store to an ENVI file: raw numbers, band by band, with a text header.

The store is copied piece by piece, which bounds the memory. GDAL formats the CRS and the transform
(``map info``, ``coordinate system string``). The standard error is written to a separate file,
since each list of a header has one entry for each band.

Format: https://www.nv5geospatialsoftware.com/docs/ENVIHeaderFiles.html
"""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from hsfuse.io.files.replacement import exporting, move_file, sync
from hsfuse.io.files.url import AnyPath
from hsfuse.io.names import PROVENANCE_FIELD, STANDARD_ERROR, STANDARD_ERROR_FIELD, error_file
from hsfuse.io.output.band_labels import describe_band, shown_bands
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.output.planes import Piece, Planes
from hsfuse.io.output.zarr_layout import read_layout
from hsfuse.io.settings import ENVI

__all__ = [
    "divides_reflectance",
    "envi_files",
    "export_envi",
]


_TYPES = {"int16": 2, "float32": 4, "uint16": 12}
_FOOT = 0.3048  # metres
_PER_LINE = 8  # entries of a list on one line, as ENVI writes them


def envi_files(path: AnyPath) -> list[AnyPath]:
    """
    Return the files that may accompany an ENVI file, its header last.

    Examples
    --------
    >>> [str(each) for each in envi_files(Path("a.bsq"))]
    ['a_standard_error.bsq', 'a_standard_error.hdr', 'a.hdr']
    """
    error = error_file(path)
    return [error, _header(error), _header(path)]


def export_envi(
    store_path: Path,
    path: Path,
    *,
    hashes: Mapping[str, str | None] | None = None,
    on_piece: Callable[[Piece, NDArray[Any]], None] = lambda piece, values: None,
) -> Path:
    """
    Write a store as an ENVI file; its header is written last, once the pixels are on the disk.

    Parameters
    ----------
    store_path : Path
        A zarr store with every block written.
    path : Path
        Output; an existing one is replaced, with the files that :func:`envi_files` names.
    hashes : mapping of str to str or None, optional
        SHA-256 of the chunks of the store; each chunk is verified when it is read.
    on_piece : callable
        Called with every piece of the image and its stored numbers.

    Raises
    ------
    OutputError
        If writing fails, or a chunk does not match its hash.
    """
    layout = read_layout(store_path)
    planes = Planes.open(store_path, hashes)
    error = Path(error_file(path))
    files = [path, error] if layout.standard_error else [path]
    ready = [each.with_name(f"{each.name}.export.partial") for each in files]
    with exporting(path, ready):
        _write_numbers(ready, layout, planes, on_piece)
        for each in envi_files(path):  # an old header would misdescribe the new numbers
            Path(each).unlink(missing_ok=True)
        for each, target in zip(ready, files, strict=True):
            move_file(each, target)
        if layout.standard_error:
            _write_header(error, _error_layout(layout), {})
        _write_header(path, layout, _hsfuse_fields(layout))
    return path


def divides_reflectance(layout: OutputLayout) -> bool:
    """Return whether the header states a reflectance scale factor, which GDAL does not apply."""
    return "reflectance scale factor" in _scale(layout)


def _header(path: AnyPath) -> AnyPath:
    return path.with_name(f"{path.stem}.hdr")


def _write_numbers(
    paths: Sequence[Path],
    layout: OutputLayout,
    planes: Planes,
    on_piece: Callable[[Piece, NDArray[Any]], None],
) -> None:
    """Write the stored numbers in band-sequential order."""
    size = np.dtype(layout.dtype).itemsize
    for path in paths:
        path.write_bytes(b"")
    for piece in planes.strips(ENVI.piece_bytes):
        values = planes.read(piece)
        number, first = divmod(piece.planes.start, layout.bands)
        with paths[number].open("rb+") as file:
            for band, image in enumerate(values, start=first):
                whole = len(piece.columns) == layout.columns  # then the rows are contiguous
                for row, numbers in enumerate([image] if whole else image, start=piece.rows.start):
                    place = (band * layout.rows + row) * layout.columns + piece.columns.start
                    file.seek(place * size)
                    file.write(np.ascontiguousarray(numbers, dtype=f"<{layout.dtype[0]}{size}"))
        on_piece(piece, values)


def _error_layout(layout: OutputLayout) -> OutputLayout:
    """Return the layout of the file of standard errors."""
    unknown = (math.nan,)
    return replace(
        layout,
        bands=1,
        chunk=(1, *layout.chunk[1:]),
        wavelength=unknown,
        fwhm=unknown,
        good=(True,),
        covered=(True,),
        explained=unknown,
        band_name=(STANDARD_ERROR.replace("_", " "),),
        standard_error=False,
    )


def _hsfuse_fields(layout: OutputLayout) -> dict[str, str]:
    """Return the header fields that only hsfuse reads."""
    fields = {STANDARD_ERROR_FIELD: "1"} if layout.standard_error else {}
    return fields | {PROVENANCE_FIELD: json.dumps(layout.provenance, sort_keys=True)}


def _write_header(path: Path, layout: OutputLayout, extra: Mapping[str, str]) -> None:
    fields = {
        "description": _format_list(["hyperspectral image fused by hsfuse"]),
        "samples": layout.columns,
        "lines": layout.rows,
        "bands": layout.bands,
        "header offset": 0,
        "file type": "ENVI Standard",
        "data type": _TYPES[layout.dtype],
        "interleave": "bsq",
        "byte order": 0,
        **_place(layout),
        "data ignore value": f"{layout.fill:g}",
        **_scale(layout),
        **_bands(layout),
        **extra,
    }
    text = "".join(f"{name} = {value}\n" for name, value in fields.items())
    header = Path(_header(path))
    ready = header.with_name(f"{header.name}.partial")
    ready.write_text(f"ENVI\n{text}", encoding="utf-8")
    move_file(ready, header)
    sync(header.parent)


def _place(layout: OutputLayout) -> dict[str, str]:
    """Return the fields of map info and CRS as GDAL writes them, which hold no image size."""
    georeferencing: dict[str, object] = {"crs": layout.crs_wkt}
    if not layout.affine.is_identity:  # GDAL's convention for "no transform"
        georeferencing["transform"] = layout.affine
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        path = Path(folder) / "a.dat"
        with rasterio.open(
            path, "w", driver="ENVI", width=1, height=1, count=1, dtype="uint8", **georeferencing
        ):
            pass
        lines = path.with_suffix(".hdr").read_text(encoding="utf-8").splitlines()
    wanted = ("map info", "projection info", "coordinate system string")
    pairs = (line.partition("=") for line in lines)
    return {
        name.strip(): _with_unit_of_crs(value.strip(), layout.crs_wkt)
        for name, _, value in pairs
        if name.strip() in wanted and (layout.crs_wkt or not layout.affine.is_identity)
    }


def _with_unit_of_crs(entry: str, crs_wkt: str | None) -> str:
    """
    Return map info without feet that are not those of the CRS.

    GDAL writes feet for US survey feet too, and reads them as international feet in place of the
    unit of the coordinate system string.
    """
    if crs_wkt and ", units=Feet" in entry:
        factor = rasterio.crs.CRS.from_wkt(crs_wkt).linear_units_factor[1]
        return entry if factor == _FOOT else entry.replace(", units=Feet", "")
    return entry


def _scale(layout: OutputLayout) -> dict[str, str]:
    """Return the fields of scale and offset; for reflectance the scale factor, a divisor."""
    if layout.dtype == "float32":
        return {}
    divisor = f"{1 / layout.scale:.10g}"
    plain = layout.offset == 0 and 1 / float(divisor) == layout.scale
    if plain and layout.attributes.get("units") == "reflectance":
        return {"reflectance scale factor": divisor}
    gains = {"data gain values": _numbers([layout.scale] * layout.bands)}
    if layout.offset:
        gains["data offset values"] = _numbers([layout.offset] * layout.bands)
    return gains


def _bands(layout: OutputLayout) -> dict[str, str]:
    fields: dict[str, str] = {}
    shown = shown_bands(layout)
    if shown:
        fields["default bands"] = _numbers([band + 1 for band in shown])
    for name, values in (("wavelength", layout.wavelength), ("fwhm", layout.fwhm)):
        if not any(map(math.isnan, values)):  # most readers misalign a list with gaps
            fields[name] = _numbers(values)
    if "wavelength" in fields:
        fields["wavelength units"] = "Nanometers"
    # Readers append the wavelength to the name where the header lists wavelengths.
    pairs = enumerate(zip(layout.wavelength, layout.band_name, strict=True), start=1)
    fields["band names"] = _format_list(
        [
            _plain(name if "wavelength" in fields else describe_band(nm, name)) or f"Band {number}"
            for number, (nm, name) in pairs
        ]
    )
    fields["bbl"] = _numbers([int(flag) for flag in layout.good])
    return fields


def _plain(name: str) -> str:
    """Return a name without the delimiters of a list."""
    return " ".join(name.translate(str.maketrans(",{}\n", ";() ")).split())


def _numbers(values: Sequence[float]) -> str:
    return _format_list([f"{value:.9g}" for value in values])


def _format_list(entries: Sequence[str]) -> str:
    lines = [
        ", ".join(entries[first : first + _PER_LINE]) for first in range(0, len(entries), _PER_LINE)
    ]
    return "{" + ",\n ".join(lines) + "}"
