"""
The zarr hierarchy of an output: groups, arrays and attributes, written before the first pixel.

One group holds the array ``cube`` (band, y, x), its coordinates and, if requested, the array
``standard_error`` (y, x), an ancillary variable of the cube. Georeferencing is stated in two ways,
because readers differ: by CF (xarray, rioxarray, GDAL) and by the ``proj`` and ``spatial``
conventions (GeoZarr readers). Chunks are compressed by blosc lz4 without sharding or a checksum
codec, so that GDAL 3.12 can read them.
"""

import base64
import math
import struct
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import pyproj
import zarr
from numpy.typing import NDArray
from pyproj.exceptions import CRSError
from zarr.codecs import BloscCodec
from zarr.errors import ZarrUserWarning

from hsfuse.errors import RasterError
from hsfuse.io.files.replacement import sync
from hsfuse.io.files.url import AnyPath
from hsfuse.io.files.zarr_store import zarr_store
from hsfuse.io.names import COMPLETE, CUBE, MEANING, PROVENANCE, STANDARD_ERROR
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.settings import OUTPUTS, StoredType

__all__ = [
    "CONVENTIONS",
    "Coordinate",
    "consolidate",
    "coordinates",
    "image_attributes",
    "read_layout",
    "spatial_attributes",
    "write_template",
]

_Six = tuple[float, float, float, float, float, float]

#: Conventions that a store declares, by name: https://github.com/zarr-conventions
CONVENTIONS = {
    name: {
        "schema_url": f"https://raw.githubusercontent.com/zarr-conventions/{name}/refs/tags/v0.1/schema.json",
        "spec_url": f"https://github.com/zarr-conventions/{name}/blob/v0.1/README.md",
        "uuid": uuid,
        "name": name,
        "description": description,
    }
    for name, uuid, description in (
        (
            "proj",
            "f17cb550-5864-4468-aeb7-f3180cfb622f",
            "Coordinate reference system information for geospatial data",
        ),
        ("spatial", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
        (
            "multiscales",
            "d35379db-88df-4056-af3a-620245f8e347",
            "Multiscale layout of zarr datasets",
        ),
    )
}


def _parse_crs(layout: OutputLayout) -> pyproj.CRS | None:
    if layout.crs_wkt is None:
        return None
    try:
        return pyproj.CRS.from_wkt(layout.crs_wkt)
    except CRSError:  # PROJ refuses some local systems; their WKT is stored unchanged
        return None


def _grid_mapping(layout: OutputLayout, crs: pyproj.CRS | None) -> dict[str, object]:
    attributes: dict[str, object] = {} if crs is None else dict(crs.to_cf())
    if layout.crs_wkt is not None:
        attributes |= {"crs_wkt": layout.crs_wkt, "spatial_ref": layout.crs_wkt}
    gdal_order = layout.affine.to_gdal()
    return attributes | {"GeoTransform": " ".join(repr(float(number)) for number in gdal_order)}


def spatial_attributes(layout: OutputLayout) -> dict[str, object]:
    """Return the attributes of the convention ``spatial``: transform, shape and bounding box."""
    a, b, c, d, e, f = layout.transform
    corners = [(column, row) for column in (0, layout.columns) for row in (0, layout.rows)]
    xs = [a * column + b * row + c for column, row in corners]
    ys = [d * column + e * row + f for column, row in corners]
    return {
        "spatial:dimensions": ["y", "x"],
        "spatial:transform": list(layout.transform),
        "spatial:bbox": [min(xs), min(ys), max(xs), max(ys)],
        "spatial:shape": [layout.rows, layout.columns],
        "spatial:registration": "pixel",
    }


def _conventions(layout: OutputLayout, crs: pyproj.CRS | None) -> dict[str, object]:
    names = ("spatial",) if crs is None else ("proj", "spatial")
    attributes: dict[str, object] = {"zarr_conventions": [CONVENTIONS[name] for name in names]}
    attributes |= spatial_attributes(layout)
    if crs is not None:
        authority = crs.to_authority(min_confidence=100)
        key, value = ("proj:wkt2", crs.to_wkt()) if authority is None else ("proj:code", "")
        attributes[key] = value or ":".join(authority or ())
    return attributes


def image_attributes(layout: OutputLayout) -> dict[str, dict[str, object]]:
    """Return the CF attributes of the arrays of an output by name, without fill values."""
    rotated = layout.transform[1] != 0 or layout.transform[3] != 0
    place = "spatial_ref" if rotated else "spatial_ref y x"
    numbers: dict[str, object] = {"grid_mapping": "spatial_ref"}
    if layout.attributes.get("units"):
        numbers["units"] = layout.attributes["units"]
    if layout.dtype != "float32":
        numbers["scale_factor"] = layout.scale
        if layout.offset:  # xarray decodes to float64 if there is an offset, even 0
            numbers["add_offset"] = layout.offset
    bands = f"band wavelength fwhm good covered explained {place}"
    images = {CUBE: {"coordinates": bands, **numbers}}
    if layout.standard_error:
        images[CUBE]["ancillary_variables"] = STANDARD_ERROR
        images[STANDARD_ERROR] = {"coordinates": place, "long_name": MEANING, **numbers}
    return images


def _fill_value(layout: OutputLayout) -> str | int:
    """Return the fill value as the attribute ``_FillValue`` that xarray reads."""
    if layout.dtype == "float32":
        # xarray encodes the fill value of floats in zarr v3 as base64, since JSON has no NaN
        return base64.b64encode(struct.pack("<d", layout.fill)).decode()
    return int(layout.fill)


def write_template(
    root: AnyPath, layout: OutputLayout, state: Mapping[str, object] | None = None
) -> None:
    """
    Write the group, its coordinates and the empty arrays of pixels.

    Parameters
    ----------
    root : Path or Url
        Folder that does not exist yet, or holds an incomplete template.
    layout : OutputLayout
        Layout of the output.
    state : mapping, optional
        Attributes of the group; by default its provenance and the flag that it is incomplete.
    """
    crs = _parse_crs(layout)
    places = _conventions(layout, crs)
    if state is None:
        state = {COMPLETE: False, PROVENANCE: layout.provenance}
    attributes = {"Conventions": "CF-1.11", **state, **places}
    group = zarr.create_group(
        zarr_store(root), attributes=attributes, zarr_format=3, overwrite=True
    )
    for image, facts in image_attributes(layout).items():
        dimensions = ("band", "y", "x") if image == CUBE else ("y", "x")
        group.create_array(
            image,
            shape=layout.shape[-len(dimensions) :],
            chunks=layout.chunk[-len(dimensions) :],
            dtype=layout.dtype,
            fill_value=layout.fill if layout.dtype == "float32" else int(layout.fill),
            compressors=BloscCodec(
                cname="lz4", clevel=OUTPUTS.compression_level, shuffle="shuffle"
            ),
            dimension_names=dimensions,
            attributes=facts | {"_FillValue": _fill_value(layout)} | places,  # type: ignore[arg-type]
        )

    for each in coordinates(layout):
        # Names are an attribute: GDAL 3.12 reports an error for arrays of strings in zarr v3.
        names = {"band_name": list(layout.band_name)} if each.name == "band" else {}
        array = group.create_array(
            each.name,
            data=each.values,
            chunks="auto" if each.dimension is None else each.values.shape,
            fill_value=math.nan if each.values.dtype.kind == "f" else 0,
            dimension_names=None if each.dimension is None else (each.dimension,),
            config={"write_empty_chunks": True},
        )
        array.update_attributes(each.attributes | names)  # type: ignore[arg-type]


class Coordinate(NamedTuple):
    """A CF coordinate of an output; the one without dimension is the grid mapping."""

    name: str
    values: NDArray[np.generic]
    dimension: str | None
    attributes: dict[str, object]


def coordinates(layout: OutputLayout) -> list[Coordinate]:
    """Return the coordinates of an output: of bands, of pixels, and the grid mapping."""
    crs = _parse_crs(layout)
    explained = "share of the band's variance that the MS bands explain"
    facts: dict[str, tuple[NDArray[np.generic], dict[str, object]]] = {
        "band": (np.arange(1, layout.bands + 1), {}),
        "wavelength": (
            np.array(layout.wavelength),
            {"units": "nm", "standard_name": "radiation_wavelength"},
        ),
        "fwhm": (
            np.array(layout.fwhm),
            {"units": "nm", "long_name": "full width at half maximum"},
        ),
        "good": (np.array(layout.good), {"long_name": "band can be trusted"}),
        "covered": (np.array(layout.covered), {"long_name": "an MS band sees this band"}),
        "explained": (np.array(layout.explained), {"units": "1", "long_name": explained}),
    }
    coordinates = [Coordinate(name, values, "band", more) for name, (values, more) in facts.items()]
    coordinates.append(Coordinate("spatial_ref", np.array(0), None, _grid_mapping(layout, crs)))
    a, b, c, d, e, f = layout.transform
    if b == 0 and d == 0:  # a rotated grid has no 1-D coordinates
        axes = {} if crs is None else {axis["axis"]: axis for axis in crs.cs_to_cf()}
        x, y = c + a * (np.arange(layout.columns) + 0.5), f + e * (np.arange(layout.rows) + 0.5)
        coordinates.append(Coordinate("x", x, "x", dict(axes.get("X", {"axis": "X"}))))
        coordinates.append(Coordinate("y", y, "y", dict(axes.get("Y", {"axis": "Y"}))))
    return coordinates


def consolidate(root: AnyPath) -> None:
    """
    Write consolidated metadata: a copy of the metadata of all arrays in that of the group.

    xarray reads this copy and warns where it is absent. It is not part of the specification of
    zarr v3, but readers may ignore it (``must_understand`` is false).
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is", ZarrUserWarning)
        zarr.consolidate_metadata(zarr_store(root), zarr_format=3)
    sync(root / "zarr.json")


def read_layout(root: AnyPath) -> OutputLayout:
    """
    Read the layout of a store that hsfuse wrote.

    Raises
    ------
    RasterError
        If the folder is no such store.
    """
    try:
        group = zarr.open_group(zarr_store(root), mode="r", zarr_format=3)
        cube = _array(group, CUBE)
        band = _array(group, "band").attrs.asdict()
        reference = _array(group, "spatial_ref").attrs.asdict()
        gdal_order = [float(number) for number in str(reference["GeoTransform"]).split()]
        wavelength, fwhm, good, covered, explained = (
            tuple(np.asarray(_array(group, name)[:]).tolist())
            for name in ("wavelength", "fwhm", "good", "covered", "explained")
        )
    except (KeyError, OSError) as error:
        raise RasterError(f"{root}: not a zarr store written by hsfuse") from error
    bands, rows, columns = cube.shape
    attributes = cast("dict[str, Any]", cube.attrs.asdict())
    provenance = cast("dict[str, Any]", group.attrs.asdict().get(PROVENANCE, {}))
    wkt = reference.get("crs_wkt")
    return OutputLayout(
        bands=bands,
        rows=rows,
        columns=columns,
        transform=cast("_Six", tuple(gdal_order[place] for place in (1, 2, 0, 4, 5, 3))),
        crs_wkt=None if wkt is None else str(wkt),
        dtype=cast("StoredType", str(cube.dtype)),
        scale=attributes.get("scale_factor", 1.0),
        offset=attributes.get("add_offset", 0.0),
        nodata=float(cube.fill_value),
        chunk=cast("tuple[int, int, int]", cube.chunks),
        wavelength=wavelength,
        fwhm=fwhm,
        good=good,
        covered=covered,
        explained=explained,
        band_name=tuple(cast("list[str]", band["band_name"])),
        standard_error=STANDARD_ERROR in group,
        max_error=float(provenance.pop("max_error", 0.0)),
        attributes=provenance,
    )


def _array(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise KeyError(name)
    return array
