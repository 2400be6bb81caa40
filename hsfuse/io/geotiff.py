"""
A finished store as one cloud-optimised GeoTIFF.

GDAL's COG driver is five to ten times slower on hyperspectral cubes than this route, and
cannot interleave by band before GDAL 3.11: tiles by band, then overviews, then a GTiff
copy that puts the overviews first. GDAL can lose data on a full disk without a word
(https://github.com/geopandas/pyogrio/pull/284), so tiles are written whole, by one
thread, and the result is compared with the store before it gets its name.

The standard error of a cube is a band after its own; an item of the band says so.
"""

import json
import math
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import zarr
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from hsfuse.core.stages import Stage, ignore_stage
from hsfuse.errors import OutputError, PlanError
from hsfuse.io.layout import ITEMS, STANDARD_ERROR, OutputLayout
from hsfuse.io.replacement import move_file
from hsfuse.io.settings import GEOTIFF
from hsfuse.io.zarr_layout import CUBE, MEANING, read_layout

__all__ = ["check_options", "creation_profile", "export_geotiff"]


# Share of an export's time before its stages: overviews, copy, comparison.
_OVERVIEWS, _COPY, _COMPARE = 0.4, 0.55, 0.9

_ACCEPTED = {
    "COMPRESS": "NONE|LZW|DEFLATE|ZSTD",
    "PREDICTOR": "1|2|3",
    "ZSTD_LEVEL": "[1-9]|1[0-9]|2[0-2]",
    "ZLEVEL": "[1-9]",
    "BLOCKSIZE": "[0-9]+",
    "BIGTIFF": "YES|NO|IF_NEEDED|IF_SAFER",
}
_HINTS = {"ZSTD_LEVEL": "1 to 22", "ZLEVEL": "1 to 9", "BLOCKSIZE": "a multiple of 16"}


def check_options(options: Mapping[str, str], dtype: str) -> dict[str, str]:
    """
    Return creation options as GDAL spells them.

    Parameters
    ----------
    options : mapping of str to str
        What the user asks for; names in any case.
    dtype : str
        Stored number type of the output.

    Raises
    ------
    PlanError
        If a name, a value or a combination is not accepted; the message lists those that are.
    """
    asked = {name.upper(): str(value).upper() for name, value in options.items()}
    for name, value in asked.items():
        if name not in _ACCEPTED:
            raise PlanError(
                f"creation option {name} is not accepted; accepted are {', '.join(_ACCEPTED)}"
            )
        if not re.fullmatch(_ACCEPTED[name], value):
            accepted = _HINTS.get(name, _ACCEPTED[name].replace("|", ", "))
            raise PlanError(f"creation option {name} is {accepted}, got {value}")
    if int(asked.get("BLOCKSIZE", "16")) % 16 or int(asked.get("BLOCKSIZE", "16")) == 0:
        raise PlanError(f"creation option BLOCKSIZE is a multiple of 16, got {asked['BLOCKSIZE']}")
    if asked.get("PREDICTOR") == "3" and dtype != "float32":
        raise PlanError(f"creation option PREDICTOR=3 is for float32, the output is {dtype}")
    compress = asked.get("COMPRESS", GEOTIFF.compression)
    for name, needs in (
        ("ZSTD_LEVEL", ("ZSTD",)),
        ("ZLEVEL", ("DEFLATE",)),
        ("PREDICTOR", ("LZW", "DEFLATE", "ZSTD")),
    ):
        if name in asked and compress not in needs:
            raise PlanError(
                f"creation option {name} needs COMPRESS={'|'.join(needs)}, it is {compress}"
            )
    return asked


def creation_profile(layout: OutputLayout, options: Mapping[str, str]) -> dict[str, str]:
    """
    Return the creation options of an export, defaults included.

    Parameters
    ----------
    layout : OutputLayout
        The output.
    options : mapping of str to str
        As for :func:`check_options`.

    Raises
    ------
    PlanError
        As :func:`check_options`.

    Examples
    --------
    >>> layout = OutputLayout(3, 40, 64, (1, 0, 0, 0, -1, 0))
    >>> creation_profile(layout, {"compress": "none"})
    {'COMPRESS': 'NONE', 'BLOCKSIZE': '64', 'BIGTIFF': 'IF_SAFER'}
    """
    asked = check_options(options, layout.dtype)
    small = 16 * math.ceil(max(layout.rows, layout.columns) / 16)
    profile = {
        "COMPRESS": asked.get("COMPRESS", GEOTIFF.compression),
        "BLOCKSIZE": str(min(GEOTIFF.tile, small)),
        "BIGTIFF": "YES" if layout.bytes > GEOTIFF.large else "IF_SAFER",
    }
    if profile["COMPRESS"] != "NONE":
        profile["PREDICTOR"] = "3" if layout.dtype == "float32" else "2"
    if profile["COMPRESS"] == "ZSTD":
        profile["ZSTD_LEVEL"] = str(GEOTIFF.zstd_level)
    return profile | asked


def export_geotiff(
    store_path: Path,
    tiff_path: Path,
    *,
    creation_options: Mapping[str, str],
    overviews: bool = True,
    stage: Stage | None = None,
) -> Path:
    """
    Write a store as a GeoTIFF, compare the two, and only then give it its name.

    Parameters
    ----------
    store_path : Path
        A zarr store with every block written.
    tiff_path : Path
        Is replaced if it exists.
    creation_options : mapping of str to str
        COMPRESS, PREDICTOR, ZSTD_LEVEL, ZLEVEL, BLOCKSIZE, BIGTIFF.
    overviews : bool
        With overviews the file is a cloud-optimised GeoTIFF; without, a plain tiled one.
    stage : callable, optional
        Called with the name of each stage, and the share of all that was done before it.

    Returns
    -------
    Path
        ``tiff_path``.

    Raises
    ------
    OutputError
        If GDAL reports an error, or the file differs from the store (a full disk).
    PlanError
        If a creation option is not accepted.
    """
    layout = read_layout(store_path)
    profile = creation_profile(layout, creation_options)
    stage = stage or ignore_stage
    tiles = tiff_path.with_name(tiff_path.name + ".tiles.partial.tif")
    ready = tiff_path.with_name(tiff_path.name + ".partial.tif")
    try:
        with ExitStack() as stack:
            stack.enter_context(_environment(profile))
            # A raster without georeferencing stays one; rasterio warns of it at every open.
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            planes = _Planes(store_path, layout)
            _write_tiles(planes, layout, tiles if overviews else ready, profile, stage=stage)
            if overviews:
                stage("overviews", _OVERVIEWS)
                _build_overviews(tiles, int(profile["BLOCKSIZE"]))
                stage("copy with the overviews first", _COPY)
                options = _gdal_options(profile)
                options |= {"COPY_SRC_OVERVIEWS": "YES", "COPY_SRC_MDD": "YES"}
                rasterio.shutil.copy(tiles, ready, driver="GTiff", **options)
                tiles.unlink()
            _compare(planes, layout, ready, int(profile["BLOCKSIZE"]), stage=stage)
        move_file(ready, tiff_path)
    except (RasterioError, CPLE_BaseError, OSError) as error:
        if isinstance(error, OutputError):
            raise
        full = shutil.disk_usage(tiff_path.parent).free < GEOTIFF.full_disk
        reason = "the disk is full" if full else str(error)
        raise OutputError(f"{tiff_path}: could not be written: {reason}") from error
    finally:
        tiles.unlink(missing_ok=True)
        ready.unlink(missing_ok=True)
    return tiff_path


def _environment(profile: Mapping[str, str]) -> rasterio.Env:
    overview = {
        f"{name}_OVERVIEW": profile[name]
        for name in ("COMPRESS", "PREDICTOR", "ZSTD_LEVEL", "ZLEVEL")
        if name in profile
    }
    # Threads would hide write errors, so GDAL_NUM_THREADS of the environment is overruled.
    return rasterio.Env(
        GDAL_CACHEMAX=GEOTIFF.cache_bytes,
        GDAL_NUM_THREADS="1",
        GDAL_TIFF_OVR_BLOCKSIZE=profile["BLOCKSIZE"],
        INTERLEAVE_OVERVIEW="BAND",
        BIGTIFF_OVERVIEW=profile["BIGTIFF"],
        **overview,
    )


def _gdal_options(profile: Mapping[str, str]) -> dict[str, str]:
    options = {name: value for name, value in profile.items() if name != "BLOCKSIZE"}
    size = profile["BLOCKSIZE"]
    return options | {
        "TILED": "YES",
        "BLOCKXSIZE": size,
        "BLOCKYSIZE": size,
        "INTERLEAVE": "BAND",
    }


class _Planes:
    """The bands of a store's cube, and after them its standard error if it has one."""

    def __init__(self, store: Path, layout: OutputLayout) -> None:
        self._bands = layout.bands
        names = (CUBE, STANDARD_ERROR) if layout.standard_error else (CUBE,)
        self._arrays: list[zarr.Array[Any]] = [
            zarr.open_array(store, path=name, mode="r", zarr_format=3) for name in names
        ]

    def read(self, bands: slice, window: Window) -> np.ndarray:
        """Return planes of one array, (planes, rows, columns)."""
        rows, columns = window.toslices()
        if bands.start == self._bands:
            return np.asarray(self._arrays[1][rows, columns])[None]
        return np.asarray(self._arrays[0][bands, rows, columns])


def _write_tiles(
    planes: _Planes,
    layout: OutputLayout,
    path: Path,
    profile: Mapping[str, str],
    *,
    stage: Stage,
) -> None:
    georeferencing: dict[str, object] = {"crs": layout.crs_wkt}
    if not layout.affine.is_identity:  # the identity is how GDAL says there is none
        georeferencing["transform"] = layout.affine
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=layout.columns,
        height=layout.rows,
        count=layout.planes,
        dtype=layout.dtype,
        nodata=layout.fill,
        **georeferencing,
        **_gdal_options(profile),
    ) as target:
        _describe(target, layout)
        for share, bands, window in _shares(layout, int(profile["BLOCKSIZE"])):
            stage("tiles", _OVERVIEWS * share)
            target.write(planes.read(bands, window), _indexes(bands), window=window)


def _describe(target: DatasetWriter, layout: OutputLayout) -> None:
    """Say the wavelengths in the three places that GDAL, QGIS and EnMAP-Box look for them."""
    per_band = zip(
        layout.wavelength,
        layout.fwhm,
        layout.band_name,
        layout.covered,
        layout.explained,
        strict=True,
    )
    for index, (nm, fwhm, name, covered, share) in enumerate(per_band, start=1):
        imagery = {"CENTRAL_WAVELENGTH_UM": nm, "FWHM_UM": fwhm}
        known = {key: f"{value / 1000:.9g}" for key, value in imagery.items() if value == value}
        target.update_tags(index, ns="IMAGERY", **known)
        facts = {} if math.isnan(share) else {"EXPLAINED_BY_MS_BANDS": f"{share:.3f}"}
        if not covered:
            facts["COVERED_BY_MS_BANDS"] = "NO"
        target.update_tags(index, ns=ITEMS, **facts)
        description = _description(nm, name)
        if description:
            target.set_band_description(index, description)
    if layout.standard_error:
        target.update_tags(layout.planes, ns=ITEMS, ROLE=STANDARD_ERROR, MEANING=MEANING)
        target.set_band_description(layout.planes, STANDARD_ERROR.replace("_", " "))
    # A list holds a number for every band of the file, else readers do not take it; standard
    # errors are no bad band, and have no wavelength.
    more = (True,) * layout.standard_error
    envi = {"bbl": "{" + ", ".join(str(int(flag)) for flag in (*layout.good, *more)) + "}"}
    for key, values in (("wavelength", layout.wavelength), ("fwhm", layout.fwhm)):
        if not (more or any(map(math.isnan, values))):  # with gaps it would shift in most readers
            envi[key] = "{" + ", ".join(f"{value:.9g}" for value in values) + "}"
    if "wavelength" in envi:
        envi["wavelength_units"] = "Nanometers"
    target.update_tags(ns="ENVI", **envi)
    target.update_tags(HSFUSE_PROVENANCE=json.dumps(dict(layout.attributes), sort_keys=True))
    if layout.attributes.get("units"):
        target.units = [str(layout.attributes["units"])] * layout.planes
    if layout.dtype != "float32":
        target.scales = [layout.scale] * layout.planes
        target.offsets = [layout.offset] * layout.planes


def _description(nm: float, name: str) -> str:
    """
    Describe a band by its wavelength, and by its name where that says more.

    Examples
    --------
    >>> _description(650.0, "Red"), _description(650.0, "band 7"), _description(650.0, "650 nm")
    ('Red (650.0 nm)', '650.0 nm', '650 nm')
    """
    name = name.strip()
    if math.isnan(nm) or re.search(r"\d\s*(nm|nanomet|um|µm|micromet)", name, re.IGNORECASE):
        return name
    wavelength = f"{nm:.1f} nm"
    meaningless = re.fullmatch(r"(band|b|channel)?[ _#-]*\d*(\.\d+)?", name, re.IGNORECASE)
    return wavelength if meaningless else f"{name} ({wavelength})"


def _pieces(layout: OutputLayout, size: int) -> Iterator[tuple[slice, Window]]:
    """Cut the planes into whole tiles and whole chunk depths, a bounded number at a time."""
    depth, chunk_rows, _ = layout.chunk
    rows = size * math.ceil(chunk_rows / size)
    strip = depth * rows * np.dtype(layout.dtype).itemsize  # bytes of one column
    columns = rows * max(1, GEOTIFF.piece_bytes // (strip * rows))
    for row in range(0, layout.rows, rows):
        for column in range(0, layout.columns, columns):
            height, width = min(rows, layout.rows - row), min(columns, layout.columns - column)
            for band in range(0, layout.bands, depth):
                bands = slice(band, min(band + depth, layout.bands))
                yield bands, Window(column, row, width, height)
            if layout.standard_error:
                last = slice(layout.bands, layout.planes)
                yield last, Window(column, row, width, height)


def _shares(layout: OutputLayout, size: int) -> Iterator[tuple[float, slice, Window]]:
    """Return the pieces, each with the share of all that is before it."""
    done = 0
    for bands, window in _pieces(layout, size):
        yield done / (layout.planes * layout.rows * layout.columns), bands, window
        done += (bands.stop - bands.start) * window.height * window.width


def _indexes(bands: slice) -> list[int]:
    return list(range(bands.start + 1, bands.stop + 1))


def _build_overviews(path: Path, size: int) -> None:
    with rasterio.open(path, "r+") as target:
        longest = max(target.width, target.height)
        factors = [2**power for power in range(1, 32) if longest > size * 2 ** (power - 1)]
        if factors:
            target.build_overviews(factors, Resampling.average)


def _compare(
    planes: _Planes,
    layout: OutputLayout,
    path: Path,
    size: int,
    *,
    stage: Stage = ignore_stage,
) -> None:
    with rasterio.open(path) as source:
        for share, bands, window in _shares(layout, size):
            stage("comparison with the store", _COMPARE + (1 - _COMPARE) * share)
            written = source.read(_indexes(bands), window=window)
            if not np.array_equal(written, planes.read(bands, window), equal_nan=True):
                raise OutputError(
                    f"{path}: differs from what was written, from band {bands.start + 1}, row "
                    f"{window.row_off}, column {window.col_off} on; is the disk full?"
                )
