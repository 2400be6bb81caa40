"""
Export of a finished store to a netCDF-4 file by the CF conventions, chunked and compressed.

The file has the arrays, coordinates and attributes of the store
(:mod:`hsfuse.io.output.zarr_layout`), and the band names as a variable. Chunks are compressed by
zlib after a byte shuffle, the only compression that every netCDF library reads.

Conventions: https://cfconventions.org/Data/cf-conventions/cf-conventions-1.11/cf-conventions.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
from numpy.typing import NDArray

from hsfuse.io.files.replacement import exporting, move_file
from hsfuse.io.names import CUBE, PROVENANCE_ATTRIBUTE, STANDARD_ERROR
from hsfuse.io.output.band_labels import describe_band
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.output.planes import Piece, Planes
from hsfuse.io.output.zarr_layout import coordinates, image_attributes, read_layout
from hsfuse.io.settings import NETCDF

__all__ = ["export_netcdf"]


def export_netcdf(
    store_path: Path,
    path: Path,
    *,
    hashes: Mapping[str, str | None] | None = None,
    on_piece: Callable[[Piece, NDArray[Any]], None] = lambda piece, values: None,
) -> Path:
    """
    Write a store as a netCDF file, under a temporary name until it is complete and synchronised.

    Parameters
    ----------
    store_path : Path
        A zarr store with every block written.
    path : Path
        Output; an existing one is replaced.
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
    ready = path.with_name(f"{path.name}.export.partial")
    with exporting(path, [ready], RuntimeError):  # h5py raises either on a full disk
        with h5netcdf.File(ready, "w") as file:
            images = _create(file, layout)
            for piece in planes.strips(NETCDF.piece_bytes):
                values = planes.read(piece)
                place = piece.rows.slice, piece.columns.slice
                if piece.planes.start == layout.bands:
                    images[STANDARD_ERROR][place] = values[0]
                else:
                    images[CUBE][(piece.planes, *place)] = values
                on_piece(piece, values)
        move_file(ready, path)
    return path


def _create(file: h5netcdf.File, layout: OutputLayout) -> dict[str, Any]:
    """Create dimensions, coordinates and attributes; return the variables of the pixels."""
    file.dimensions = {"band": layout.bands, "y": layout.rows, "x": layout.columns}
    file.attrs["Conventions"] = "CF-1.11"
    file.attrs["title"] = "hyperspectral image fused by hsfuse"
    file.attrs[PROVENANCE_ATTRIBUTE] = json.dumps(layout.provenance, sort_keys=True)
    for each in coordinates(layout):
        dimensions = () if each.dimension is None else (each.dimension,)
        boolean = each.values.dtype == bool  # netCDF has no booleans
        values = each.values.astype(np.int8) if boolean else each.values
        variable = file.create_variable(each.name, dimensions, values.dtype, data=values)
        flags = {"flag_values": np.array([0, 1], np.int8), "flag_meanings": "no yes"}
        for key, value in (each.attributes | (flags if boolean else {})).items():
            variable.attrs[key] = value
    pairs = zip(layout.wavelength, layout.band_name, strict=True)
    names = np.array([describe_band(nm, name) for nm, name in pairs], dtype=object)
    variable = file.create_variable("band_name", ("band",), h5py.string_dtype(), data=names)
    variable.attrs["long_name"] = "name of the band"
    return {name: _create_image(file, layout, name) for name in image_attributes(layout)}


def _create_image(file: h5netcdf.File, layout: OutputLayout, name: str) -> Any:
    axes = ("band", "y", "x") if name == CUBE else ("y", "x")
    fill = np.array(layout.fill).astype(layout.dtype)[()]
    variable = file.create_variable(
        name,
        axes,
        layout.dtype,
        chunks=layout.chunk[-len(axes) :],
        fillvalue=fill,
        compression="gzip",
        compression_opts=NETCDF.compression_level,
        shuffle=True,
    )
    attributes = image_attributes(layout)[name]
    if name == CUBE:
        attributes["coordinates"] = f"{attributes['coordinates']} band_name"
    for key, value in attributes.items():
        variable.attrs[key] = value
    return variable
