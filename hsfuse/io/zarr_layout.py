"""
The zarr hierarchy of an output: all that is written before the first pixel.

One group holds the array ``cube`` (band, y, x), its coordinates and, where there is one, the
array ``standard_error`` (y, x), which the cube names as its ancillary variable. Georeferencing is
said twice, because readers differ: by CF (xarray, rioxarray, GDAL) and by the ``proj``
and ``spatial`` conventions (GeoZarr readers). Chunks are plain blosc lz4 without
sharding or a checksum codec, which keeps GDAL 3.12 able to read them.
"""

import base64
import math
import struct
import warnings
from typing import Any, cast

import numpy as np
import pyproj
import zarr
from numpy.typing import NDArray
from pyproj.exceptions import CRSError
from zarr.codecs import BloscCodec
from zarr.errors import ZarrUserWarning

from hsfuse.errors import RasterError
from hsfuse.io.layout import STANDARD_ERROR, OutputLayout
from hsfuse.io.replacement import sync
from hsfuse.io.settings import OUTPUTS, StoredType
from hsfuse.io.url import AnyPath
from hsfuse.io.zarr_store import zarr_store

__all__ = [
    "COMPLETE",
    "CUBE",
    "MEANING",
    "PROVENANCE",
    "consolidate",
    "read_layout",
    "write_template",
]

CUBE = "cube"
COMPLETE = "hsfuse:complete"
PROVENANCE = "hsfuse:provenance"

#: What a standard error is, for the readers of a file.
MEANING = (
    "standard error of the spectrum: of 90 % of the pixels the root mean square error over the "
    "good bands is below 1.645 of it"
)

_Six = tuple[float, float, float, float, float, float]

_CONVENTIONS = [
    {
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
    )
]


def _parse_crs(layout: OutputLayout) -> pyproj.CRS | None:
    if layout.crs_wkt is None:
        return None
    try:
        return pyproj.CRS.from_wkt(layout.crs_wkt)
    except CRSError:  # PROJ refuses some local systems; their WKT is kept word for word
        return None


def _grid_mapping(layout: OutputLayout, crs: pyproj.CRS | None) -> dict[str, object]:
    attributes: dict[str, object] = {} if crs is None else dict(crs.to_cf())
    if layout.crs_wkt is not None:
        attributes |= {"crs_wkt": layout.crs_wkt, "spatial_ref": layout.crs_wkt}
    gdal_order = layout.affine.to_gdal()
    return attributes | {"GeoTransform": " ".join(repr(float(number)) for number in gdal_order)}


def _conventions(layout: OutputLayout, crs: pyproj.CRS | None) -> dict[str, object]:
    a, b, c, d, e, f = layout.transform
    corners = [(column, row) for column in (0, layout.columns) for row in (0, layout.rows)]
    xs = [a * column + b * row + c for column, row in corners]
    ys = [d * column + e * row + f for column, row in corners]
    attributes: dict[str, object] = {
        "zarr_conventions": _CONVENTIONS[1:] if crs is None else _CONVENTIONS,
        "spatial:dimensions": ["y", "x"],
        "spatial:transform": list(layout.transform),
        "spatial:bbox": [min(xs), min(ys), max(xs), max(ys)],
        "spatial:shape": [layout.rows, layout.columns],
        "spatial:registration": "pixel",
    }
    if crs is not None:
        authority = crs.to_authority(min_confidence=100)
        key, value = ("proj:wkt2", crs.to_wkt()) if authority is None else ("proj:code", "")
        attributes[key] = value or ":".join(authority or ())
    return attributes


def _cube_attributes(layout: OutputLayout) -> dict[str, object]:
    names = f"band wavelength fwhm good covered explained {_place(layout)}"
    attributes: dict[str, object] = {"coordinates": names}
    if layout.standard_error:
        attributes["ancillary_variables"] = STANDARD_ERROR
    return attributes | _number_attributes(layout)


def _place(layout: OutputLayout) -> str:
    """Return the coordinates that place a pixel; a rotated grid has none of each column."""
    rotated = layout.transform[1] != 0 or layout.transform[3] != 0
    return "spatial_ref" if rotated else "spatial_ref y x"


def _number_attributes(layout: OutputLayout) -> dict[str, object]:
    """Return what the stored numbers of the cube, and of its standard error, mean."""
    attributes: dict[str, object] = {"grid_mapping": "spatial_ref"}
    if layout.attributes.get("units"):
        attributes["units"] = layout.attributes["units"]
    if layout.dtype == "float32":
        # xarray writes the fill value of zarr v3 floats as base64, JSON having no NaN
        attributes["_FillValue"] = base64.b64encode(struct.pack("<d", layout.fill)).decode()
        return attributes
    attributes |= {"_FillValue": int(layout.fill), "scale_factor": layout.scale}
    if layout.offset:  # xarray decodes to float64 as soon as there is an offset, even 0
        attributes["add_offset"] = layout.offset
    return attributes


def write_template(root: AnyPath, layout: OutputLayout) -> None:
    """
    Write the group, its coordinates and the empty cube.

    Parameters
    ----------
    root : Path or Url
        A folder that does not exist yet, or holds an unfinished template.
    layout : OutputLayout
        What to write.
    """
    crs = _parse_crs(layout)
    places = _conventions(layout, crs)
    attributes = {
        "Conventions": "CF-1.11",
        COMPLETE: False,
        PROVENANCE: layout.provenance,
        **places,
    }
    group = zarr.create_group(
        zarr_store(root), attributes=attributes, zarr_format=3, overwrite=True
    )
    images: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
        CUBE: (("band", "y", "x"), _cube_attributes(layout))
    }
    if layout.standard_error:
        error = {"coordinates": _place(layout), "long_name": MEANING} | _number_attributes(layout)
        images[STANDARD_ERROR] = (("y", "x"), error)
    for image, (dimensions, facts) in images.items():
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
            attributes=facts | places,  # type: ignore[arg-type]
        )

    def add(
        name: str, values: NDArray[np.generic], dimension: str | None, **attributes: object
    ) -> None:
        array = group.create_array(
            name,
            data=values,
            chunks="auto" if dimension is None else values.shape,
            fill_value=math.nan if values.dtype.kind == "f" else 0,
            dimension_names=None if dimension is None else (dimension,),
            config={"write_empty_chunks": True},
        )
        array.update_attributes(attributes)  # type: ignore[arg-type]

    # Names are an attribute: GDAL cannot read zarr v3 strings and would refuse the group.
    add("band", np.arange(1, layout.bands + 1), "band", band_name=list(layout.band_name))
    radiation = {"units": "nm", "standard_name": "radiation_wavelength"}
    add("wavelength", np.array(layout.wavelength), "band", **radiation)
    add("fwhm", np.array(layout.fwhm), "band", units="nm", long_name="full width at half maximum")
    add("good", np.array(layout.good), "band", long_name="band can be trusted")
    add("covered", np.array(layout.covered), "band", long_name="an MS band sees this band")
    explained = "share of the band's variance that the MS bands explain"
    add("explained", np.array(layout.explained), "band", units="1", long_name=explained)
    add("spatial_ref", np.array(0), None, **_grid_mapping(layout, crs))
    a, b, c, d, e, f = layout.transform
    if b == 0 and d == 0:  # a rotated grid has no coordinate per column
        axes = {} if crs is None else {axis["axis"]: axis for axis in crs.cs_to_cf()}
        add("x", c + a * (np.arange(layout.columns) + 0.5), "x", **axes.get("X", {"axis": "X"}))
        add("y", f + e * (np.arange(layout.rows) + 0.5), "y", **axes.get("Y", {"axis": "Y"}))


def consolidate(root: AnyPath) -> None:
    """
    Copy the metadata of all arrays of a finished store into that of its group.

    xarray looks for this copy and warns where it is absent. The specification of zarr v3 does
    not know it; readers that do not either may ignore it (``must_understand`` is false).
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata is", ZarrUserWarning)
        zarr.consolidate_metadata(zarr_store(root), zarr_format=3)
    sync(root / "zarr.json")


def read_layout(root: AnyPath) -> OutputLayout:
    """
    Read back the layout of a store that hsfuse wrote.

    Raises
    ------
    RasterError
        If the folder is not such a store.
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
