"""
Reader of EMIT L2A reflectance and L1B radiance: netCDF of a swath with a geometry lookup table.

Layout: EMIT L2A Algorithm and User Guide (LP DAAC), as emit-sds/emit-utils writes it
(emit_utils/daac_converter.py): ``reflectance (downtrack, crosstrack, bands)``,
``sensor_band_parameters/{wavelengths, fwhm, good_wavelengths}``, ``location/{glt_x, glt_y}``
(ortho_y, ortho_x), the columns and lines of the swath from 1, with 0 for no data, and the
attributes ``geotransform`` (in GDAL's order) and ``spatial_ref``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from hsfuse.core.text import image_size
from hsfuse.errors import RasterError
from hsfuse.io.files.identity import identity
from hsfuse.io.files.location import stamp
from hsfuse.io.input.bands import BandTable
from hsfuse.io.input.pixels import Cube, Key, Opened, split_index
from hsfuse.io.products.completion import complete_bands
from hsfuse.io.products.hdf import Granule, opened
from hsfuse.io.products.settings import PRODUCTS

__all__ = ["OrthoPixels", "open_product"]

_CUBES = {"RFL": "reflectance", "RAD": "radiance"}
_PARAMETERS = "sensor_band_parameters"
_NODATA = -9999.0


@dataclass(frozen=True)
class OrthoPixels:
    """
    The pixels of a swath on its map grid, by its lookup table.

    Attributes
    ----------
    path : str
    state : tuple of int
        Its :func:`hsfuse.io.files.location.stamp` when it was opened.
    cube : str
        Name of the array (downtrack, crosstrack, bands).
    shape : tuple of int
        Bands, and rows and columns of the map grid.
    nodata : float
        Stored no-data value.
    """

    path: str
    state: tuple[int, int]
    cube: str
    shape: tuple[int, int, int]
    nodata: float
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3
    __dask_tokenize__ = identity

    def __getitem__(self, key: Key) -> Cube:
        """Read bands of a window of the map grid."""
        (bands, rows, columns), rest = split_index(key, self.shape)
        values = np.full((len(bands), len(rows), len(columns)), np.nan, dtype=np.float32)
        if values.size:
            window = np.s_[rows.start : rows.stop, columns.start : columns.stop]
            with opened(self.path, self.state) as granule:
                line, sample = (
                    granule.array(f"location/{name}", 2)[window].astype(np.int64) - 1
                    for name in ("glt_y", "glt_x")
                )
                swath = granule.array(self.cube, 3)
                known = (line >= 0) & (sample >= 0)
                if np.any(line >= swath.shape[0]) or np.any(sample >= swath.shape[1]):
                    raise RasterError(
                        f"{self.path}: the lookup table points beyond the swath of "
                        f"{image_size(*swath.shape[:2])}; expected the product as it was delivered"
                    )
                _gather(swath, bands, (line, sample, known), values)
            values[values == np.float32(self.nodata)] = np.nan
        return values[rest]


def _gather(
    swath: h5py.Dataset,
    bands: range,
    lookup: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]],
    values: Cube,
) -> None:
    """
    Fill ``values`` (bands, rows, columns) by the lookup, from the bounding part of the swath.

    A map grid is rotated against the swath, so the bounding part of a long window can be nearly
    the whole swath: such a window is halved first.
    """
    line, sample, known = lookup
    pixels = np.count_nonzero(known)
    if not pixels:
        return
    top, bottom = line[known].min(), line[known].max() + 1
    left, right = sample[known].min(), sample[known].max() + 1
    if (bottom - top) * (right - left) > max(PRODUCTS.most_waste * pixels, PRODUCTS.small_part):
        axis = int(line.shape[1] > line.shape[0])
        middle = line.shape[axis] // 2
        for half in (slice(None, middle), slice(middle, None)):
            part = (slice(None),) * axis + (half,)
            _gather(swath, bands, (line[part], sample[part], known[part]), values[:, *part])
        return
    stored = swath[top:bottom, left:right, bands.start : bands.stop]
    values[:, known] = stored[line[known] - top, sample[known] - left].T


def open_product(path: Path) -> Opened:
    """
    Open an EMIT granule.

    Parameters
    ----------
    path : Path
        ``EMIT_L2A_RFL_*.nc`` or ``EMIT_L1B_RAD_*.nc``.

    Returns
    -------
    Opened
        On the map grid of the lookup table, NaN where it has no entry. Bad bands are those that
        the product does not flag as good.

    Raises
    ------
    RasterError
        If parts of the product are missing or contradictory.
    """
    state = stamp(str(path))
    level, kind = re.findall(r"EMIT_(L\w\w)_(\w{3})_", path.name.upper())[0]
    with opened(str(path)) as granule:
        cube = granule.array(_CUBES[kind], 3)
        rows, columns = granule.array("location/glt_x", 2).shape
        if granule.array("location/glt_y", 2).shape != (rows, columns):
            raise RasterError(
                f"{path}: location/glt_y has another shape than location/glt_x; expected the "
                "product as it was delivered"
            )
        bands, notes = _bands(granule, cube.shape[2])
        nodata = float(np.ravel(cube.attrs.get("_FillValue", _NODATA))[0])
        if "_FillValue" not in cube.attrs:
            notes.append(f"no data is assumed to be {_NODATA:g}: the cube states none")
        attributes: dict[str, object] = {
            "source_dtype": str(cube.dtype),
            "nodata": nodata,
            "product": f"EMIT {level}",
            "sensor": "emit",
            "notes": notes,
        }
        transform, crs = _grid(granule)
    pixels = OrthoPixels(str(path), state, _CUBES[kind], (len(bands.names), rows, columns), nodata)
    return Opened(pixels, (1, 1), bands, transform, crs, attributes)


def _bands(granule: Granule, count: int) -> tuple[BandTable, list[str]]:
    def column(name: str) -> NDArray[np.float64] | None:
        if f"{_PARAMETERS}/{name}" not in granule.file:
            return None
        values = granule.array(f"{_PARAMETERS}/{name}", 1)[...].astype(np.float64)
        if values.size != count:
            raise RasterError(
                f"{granule.path}: {_PARAMETERS}/{name} holds {values.size} numbers; expected one "
                f"for each of the {count} bands"
            )
        return values

    unknown = np.full(count, np.nan)
    wavelength, width, good = (column(name) for name in ("wavelengths", "fwhm", "good_wavelengths"))
    bands = BandTable(
        wavelength=unknown if wavelength is None else wavelength,
        fwhm=unknown if width is None else width,
        good=np.ones(count, dtype=bool) if good is None else good > 0,
        names=tuple(f"B{index:03d}" for index in range(1, count + 1)),
        source="none" if wavelength is None else "metadata of the product",
        named=True,
    )
    return complete_bands(bands, "emit", windows=good is None)


def _grid(granule: Granule) -> tuple[Affine, CRS]:
    transform = Affine.from_gdal(*granule.numbers("geotransform", 6))
    text = granule.text("spatial_ref")
    try:
        return transform, CRS.from_wkt(text)
    except CRSError as error:
        raise RasterError(
            f"{granule.path}: the attribute spatial_ref is {text[:60]!r}; expected the WKT of a "
            "reference system"
        ) from error
