"""
Reader of PRISMA L2D products: both cubes of an HDF-EOS5 file as one raster on its map grid.

Layout: PRISMA Products Specification Document (ASI, PRS-SPC), as prismaread and the EnMAP-Box
(enmapboxprocessing/algorithm/importprismal2dalgorithm.py) read it:
``HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/{VNIR,SWIR}_Cube`` (northing, bands, easting) as uint16,
and attributes of the file: ``List_Cw_*``, ``List_Fwhm_*``, ``List_Cw_*_Flags``,
``L2Scale*{Min,Max}``, ``Epsg_Code``, ``Product_*corner_{easting,northing}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError

from hsfuse.errors import RasterError
from hsfuse.io.files.identity import identity
from hsfuse.io.files.location import stamp
from hsfuse.io.input.bands import BandTable
from hsfuse.io.input.pixels import Cube, Key, Opened, split_index
from hsfuse.io.products.completion import complete_bands
from hsfuse.io.products.hdf import Granule, opened
from hsfuse.io.products.settings import PRODUCTS

__all__ = ["CubePixels", "open_product"]

_SWATH = "HDFEOS/SWATHS/PRS_L2D_HCO"
_ANGLE = f"{_SWATH}/Geometric Fields/Solar_Zenith_Angle"
_DETECTORS = ("Vnir", "Swir")
_STEPS = 65535  # range of the stored numbers
_PIXEL = 30.0  # metres


class _Band(NamedTuple):
    """One band of a cube: ``reflectance = stored * scale + offset``."""

    wavelength: float
    width: float
    cube: str
    position: int
    scale: float
    offset: float


@dataclass(frozen=True)
class CubePixels:
    """
    Bands of several cubes, combined into one raster.

    Attributes
    ----------
    path : str
    state : tuple of int
        Its :func:`hsfuse.io.files.location.stamp` when it was opened.
    size : tuple of int
        Rows and columns.
    sources : tuple of (str, int)
        For each band, the name of its array (rows, bands, columns) and its index in it.
    scale, offset : tuple of float
        ``value = stored * scale + offset`` of each band.
    outside : str
        Name of the array (rows, columns) that is 0 outside the swath. If empty, a stored 0 is no
        data.
    """

    path: str
    state: tuple[int, int]
    size: tuple[int, int]
    sources: tuple[tuple[str, int], ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    outside: str = ""
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3
    __dask_tokenize__ = identity

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        return (len(self.sources), *self.size)

    def __getitem__(self, key: Key) -> Cube:
        """Read bands of a window."""
        (bands, rows, columns), rest = split_index(key, self.shape)
        values = np.empty((len(bands), len(rows), len(columns)), dtype=np.float32)
        if values.size:
            down, across = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
            with opened(self.path, self.state) as granule:
                for cube in sorted({self.sources[band][0] for band in bands}):
                    mine = [band for band in bands if self.sources[band][0] == cube]
                    indexes = [self.sources[band][1] for band in mine]
                    first = min(indexes)
                    stored = granule.array(cube, 3)[down, first : max(indexes) + 1, across]
                    for band, index in zip(mine, indexes, strict=True):
                        plane = values[band - bands.start]
                        numbers = stored[:, index - first, :]
                        plane[...] = numbers * self.scale[band] + self.offset[band]
                        if not self.outside:
                            plane[numbers == 0] = np.nan
                if self.outside:
                    values[:, granule.array(self.outside, 2)[down, across] == 0] = np.nan
        return values[rest]


def open_product(path: Path) -> Opened:
    """
    Open a PRISMA L2D product.

    Parameters
    ----------
    path : Path
        ``PRS_L2D_*.he5``.

    Returns
    -------
    Opened
        Reflectance of the acquired bands of both detectors by increasing wavelength, alternating
        where they overlap; NaN outside the swath. Bad bands are those of the sensor's table, since
        the product flags none.

    Raises
    ------
    RasterError
        If the level has no map grid, or parts of the product are missing or contradictory.
    """
    level = path.name.upper().split("_")[1]
    if level != "L2D":
        raise RasterError(
            f"{path}: is PRISMA {level}, in the geometry of the sensor; expected L2D of the same "
            "scene, which lies on a map grid"
        )
    state = stamp(str(path))
    with opened(str(path)) as granule:
        listed = [band for detector in _DETECTORS for band in _bands(granule, detector)]
        found = sorted(listed, key=lambda band: band.wavelength)
        cube = _cube(granule)
        size = (cube.shape[0], cube.shape[2])
        outside = _ANGLE if _ANGLE in granule.file else ""
        transform, crs = _grid(granule, *size)
        block = cube.chunks[::2] if cube.chunks else (1, size[1])
        kind = str(cube.dtype)
    bands, notes = complete_bands(_table(found), "prisma")
    if not outside:
        notes.append("no data is assumed where 0 is stored: no Solar_Zenith_Angle tells the swath")
    pixels = CubePixels(
        str(path),
        state,
        size,
        tuple((band.cube, band.position) for band in found),
        tuple(band.scale for band in found),
        tuple(band.offset for band in found),
        outside,
    )
    attributes: dict[str, object] = {
        "source_dtype": kind,
        "product": "PRISMA L2D",
        "sensor": "prisma",
        "notes": notes,
    }
    return Opened(pixels, block, bands, transform, crs, attributes)


def _cube(granule: Granule) -> h5py.Dataset:
    """Return the cube of the first detector, after a check that both have the same size."""
    first, second = (granule.array(_cube_name(detector), 3) for detector in _DETECTORS)
    if first.shape[::2] != second.shape[::2]:
        raise RasterError(
            f"{granule.path}: {_cube_name('Vnir')} has another size than {_cube_name('Swir')}; "
            "expected the product as it was delivered"
        )
    return first


def _cube_name(detector: str) -> str:
    return f"{_SWATH}/Data Fields/{detector.upper()}_Cube"


def _bands(granule: Granule, detector: str) -> list[_Band]:
    """Return the acquired bands of a detector, in the order of its cube."""
    name = _cube_name(detector)
    count = granule.array(name, 3).shape[1]
    wavelength = granule.numbers(f"List_Cw_{detector}", count)
    width = granule.numbers(f"List_Fwhm_{detector}", count)
    acquired = wavelength > 0
    if f"List_Cw_{detector}_Flags" in granule.file.attrs:
        acquired &= granule.numbers(f"List_Cw_{detector}_Flags", count) > 0
    if not acquired.any():
        raise RasterError(
            f"{granule.path}: List_Cw_{detector} and its flags name no band as acquired; expected "
            "a product of both detectors"
        )
    least, most = (
        float(granule.numbers(f"L2Scale{detector}{end}", 1)[0]) for end in ("Min", "Max")
    )
    if not least < most:
        raise RasterError(
            f"{granule.path}: L2Scale{detector}Min and Max are {least:g} and {most:g}; expected "
            "the reflectances of the stored 0 and 65535, which increase"
        )
    scale = (most - least) / _STEPS
    return [
        _Band(float(wavelength[index]), float(width[index]), name, int(index), scale, least)
        for index in np.flatnonzero(acquired)
    ]


def _table(found: list[_Band]) -> BandTable:
    width = np.array([band.width for band in found])
    detectors = [re.findall(r"(\w+)_Cube", band.cube)[0] for band in found]
    return BandTable(
        wavelength=np.array([band.wavelength for band in found]),
        fwhm=np.where(width > 0, width, np.nan),
        good=np.ones(len(found), dtype=bool),
        names=tuple(
            f"{detector}{band.position + 1}"
            for detector, band in zip(detectors, found, strict=True)
        ),
        source="metadata of the product",
        named=True,
    )


def _grid(granule: Granule, rows: int, columns: int) -> tuple[Affine, CRS]:
    """Return the grid. The stated corners are pixel centres, or pixel edges, by their distance."""
    left, top, right, bottom = (
        float(granule.numbers(f"Product_{corner}corner_{axis}", 1)[0])
        for corner, axis in (
            ("UL", "easting"), ("UL", "northing"), ("LR", "easting"), ("LR", "northing"),
        )
    )  # fmt: skip
    across, down = (right - left) / _PIXEL, (top - bottom) / _PIXEL
    for shift, steps in ((0.5, (columns - 1, rows - 1)), (0.0, (columns, rows))):
        if np.allclose((across, down), steps, rtol=0, atol=PRODUCTS.corner_slack):
            origin = left - shift * _PIXEL, top + shift * _PIXEL
            break
    else:
        raise RasterError(
            f"{granule.path}: its corners lie {across:g} by {down:g} pixels of {_PIXEL:g} m apart "
            f"and its cubes have {columns} by {rows}; expected the product as it was delivered"
        )
    code = granule.numbers("Epsg_Code", 1)[0]
    try:
        crs = CRS.from_epsg(int(code))
    except CRSError as error:
        raise RasterError(
            f"{granule.path}: the attribute Epsg_Code is {code:g}; expected the code of a "
            "reference system"
        ) from error
    return Affine(_PIXEL, 0.0, origin[0], 0.0, -_PIXEL, origin[1]), crs
