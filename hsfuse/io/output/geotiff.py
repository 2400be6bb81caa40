"""
Export of a finished store to a cloud-optimised GeoTIFF.

The file is written once, in its final order: directories, overviews from small to large, tiles of
the image. GDAL creates the directories and encodes the tiles, in memory and on all cores. GDAL
itself would write the file three times (tiles, overviews, a copy with the overviews first), and its
COG driver is several times slower on hyperspectral cubes.

The standard error of a cube is an additional last band, marked by a metadata item.
"""

import json
import math
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetWriter, MemoryFile

from hsfuse.core.stages import Stage, ignore_stage
from hsfuse.errors import OutputError, PlanError
from hsfuse.io.files.replacement import FULL, move_file
from hsfuse.io.input.tiff_directory import Directory, TiffVariant, read_directory, write_directories
from hsfuse.io.names import ITEMS, MEANING, PROVENANCE_TAG, STANDARD_ERROR
from hsfuse.io.output.band_labels import describe_band, shown_bands
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.output.overviews import build_overviews
from hsfuse.io.output.planes import Piece, Planes
from hsfuse.io.output.statistics import Statistics
from hsfuse.io.output.tiff_tiles import write_tiles
from hsfuse.io.output.zarr_layout import read_layout
from hsfuse.io.settings import GEOTIFF
from hsfuse.parallel import local_workers

__all__ = ["check_options", "creation_profile", "export_geotiff"]


_COLOURS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)

# Share of the time of an export in which the overviews are computed, before they are encoded.
_OVERVIEWS = 0.25

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
    Validate creation options; return them with names and values in upper case.

    Parameters
    ----------
    options : mapping of str to str
        As given by the user; names in any case.
    dtype : str
        Stored number type of the output.

    Raises
    ------
    PlanError
        If a name, a value or a combination is not accepted; the message lists the accepted ones.
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
    hashes: Mapping[str, str | None] | None = None,
    on_piece: Callable[[Piece, NDArray[Any]], None] | None = None,
    workers: int | None = None,
    stage: Stage | None = None,
) -> Path:
    """
    Write a store as a GeoTIFF, under a temporary name until it is complete and synchronised.

    Parameters
    ----------
    store_path : Path
        A zarr store with every block written.
    tiff_path : Path
        Output; an existing one is replaced.
    creation_options : mapping of str to str
        COMPRESS, PREDICTOR, ZSTD_LEVEL, ZLEVEL, BLOCKSIZE, BIGTIFF.
    overviews : bool
        Whether to write overviews, whose pixels are means of the pixels with data below them.
        With overviews the file is a cloud-optimised GeoTIFF, without a plain tiled one.
    hashes : mapping of str to str or None, optional
        SHA-256 of the chunks of the store; each chunk is verified when it is read.
    on_piece : callable, optional
        Called from several threads with every piece of the image that is read for overviews and
        statistics, and its stored numbers.
    workers : int, optional
        Number of threads; one per core by default.
    stage : callable, optional
        Called with the name of each stage and the share of the work done before it.

    Returns
    -------
    Path
        ``tiff_path``.

    Raises
    ------
    OutputError
        If writing fails, GDAL reports an error, or a chunk does not match its hash.
    PlanError
        If a creation option is not accepted.
    """
    layout = read_layout(store_path)
    profile = creation_profile(layout, creation_options)
    workers = local_workers(workers, "cpu")
    with _exporting(tiff_path) as (levels, ready):
        with _gdal_environment():
            image = Planes.open(store_path, hashes)
            images = [image]
            count = _Count(stage or ignore_stage, image)
            statistics = Statistics(image.count, image.fill)

            def read(piece: Piece, values: NDArray[Any]) -> None:
                statistics.add(piece, values)
                if on_piece is not None:
                    on_piece(piece, values)

            if overviews:
                images += build_overviews(
                    image,
                    lambda number, *shape: image.create(levels / str(number), *shape),
                    longest=int(profile["BLOCKSIZE"]),
                    least=GEOTIFF.tile,
                    max_error=layout.max_error,
                    workers=workers,
                    advance=count.overviews,
                    on_piece=read,
                )
            if overviews and len(images) == 1:  # not larger than a tile, so no piece was read yet
                for piece in image.pieces(GEOTIFF.tile, GEOTIFF.tile):
                    read(piece, image.read(piece))
            variant, directory = _empty_directory(layout, profile, statistics)
            smaller = [directory.overview(planes.rows, planes.columns) for planes in images[1:]]
            _write_images(
                ready, images, variant, [directory, *smaller], profile, workers=workers, count=count
            )
        move_file(ready, tiff_path)
    return tiff_path


@contextmanager
def _exporting(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield temporary paths, of overviews and of the file; report errors, and remove both."""
    levels = path.with_name(path.name + ".overviews.partial")
    ready = path.with_name(path.name + ".partial.tif")
    try:
        yield levels, ready
    except (RasterioError, CPLE_BaseError, OSError) as error:
        if isinstance(error, OutputError):
            raise
        full = shutil.disk_usage(path.parent).free < GEOTIFF.full_disk
        reason = FULL if full else str(error)
        raise OutputError(f"{path}: could not be written: {reason}") from error
    finally:
        shutil.rmtree(levels, ignore_errors=True)
        ready.unlink(missing_ok=True)


@contextmanager
def _gdal_environment() -> Iterator[None]:
    """Limit the cache of GDAL; rasterio would warn of no georeferencing, which is allowed."""
    with (
        rasterio.Env(GDAL_CACHEMAX=GEOTIFF.cache_bytes, GDAL_NUM_THREADS=1),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


class _Count:
    """The share of an export done before each of its stages."""

    def __init__(self, stage: Stage, planes: Planes) -> None:
        self.stage, self.read, self.written = stage, 0, 0
        # Values of the image and all overviews, each a quarter of the one before.
        self.all = 4 / 3 * planes.count * planes.rows * planes.columns
        stage("overviews", 0.0)

    def overviews(self, values: int) -> None:
        """Add a number of values from which overviews were computed."""
        self.stage("overviews", _OVERVIEWS * min(self.read / self.all, 1))
        self.read += values

    def tiles(self, values: int) -> None:
        """Add a number of values that were written."""
        self.stage("tiles", _OVERVIEWS + (1 - _OVERVIEWS) * min(self.written / self.all, 1))
        self.written += values


def _write_images(
    path: Path,
    images: list[Planes],
    variant: TiffVariant,
    directories: list[Directory],
    profile: Mapping[str, str],
    *,
    workers: int,
    count: _Count,
) -> None:
    """Write directories, overviews (smallest first), image, then the directories with offsets."""
    with path.open("wb", buffering=GEOTIFF.buffer) as file, ThreadPoolExecutor(workers) as pool:
        file.write(write_directories(variant, directories))
        for planes, own in reversed(list(zip(images, directories, strict=True))):
            write_tiles(
                file,
                variant,
                planes,
                own,
                options=_gdal_options(profile),
                side=_side(planes, int(profile["BLOCKSIZE"])),
                pool=pool,
                ahead=workers + 1,
                advance=count.tiles,
            )
        file.seek(0)
        file.write(write_directories(variant, directories))


def _side(planes: Planes, tile: int) -> tuple[int, int]:
    """Return the rows and columns to read at a time: whole tiles, if possible whole chunks."""
    depth = min(int(planes.cube.chunks[0]), planes.count)
    common = [math.lcm(tile, chunk) for chunk in planes.chunk]
    if depth * math.prod(common) * planes.cube.dtype.itemsize > GEOTIFF.piece_bytes:
        common = [tile * math.ceil(chunk / tile) for chunk in planes.chunk]
    rows, columns = (side * max(1, GEOTIFF.tile // side) for side in common)
    return rows, columns


def _gdal_options(profile: Mapping[str, str]) -> dict[str, str]:
    options = {name: value for name, value in profile.items() if name != "BLOCKSIZE"}
    size = profile["BLOCKSIZE"]
    return options | {
        "TILED": "YES",
        "BLOCKXSIZE": size,
        "BLOCKYSIZE": size,
        "INTERLEAVE": "BAND",
    }


def _empty_directory(
    layout: OutputLayout, profile: Mapping[str, str], statistics: Statistics
) -> tuple[TiffVariant, Directory]:
    """Return the directory that GDAL writes for an image without tiles."""
    georeferencing: dict[str, object] = {"crs": layout.crs_wkt}
    if not layout.affine.is_identity:  # GDAL's convention for "no transform"
        georeferencing["transform"] = layout.affine
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=layout.columns,
            height=layout.rows,
            count=layout.planes,
            dtype=layout.dtype,
            nodata=layout.fill,
            SPARSE_OK="TRUE",
            **georeferencing,
            **_gdal_options(profile),
        ) as target:
            _write_metadata(target, layout)
            for plane in range(layout.planes):
                target.update_tags(plane + 1, **statistics.items(plane))
        return read_directory(memory.getbuffer(), layout.planes)


def _write_metadata(target: DatasetWriter, layout: OutputLayout) -> None:
    """Write provenance, and band metadata in three forms, for GDAL, QGIS and EnMAP-Box."""
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
        description = describe_band(nm, name)
        if description:
            target.set_band_description(index, description)
    if layout.standard_error:
        target.update_tags(layout.planes, ns=ITEMS, ROLE=STANDARD_ERROR, MEANING=MEANING)
        target.set_band_description(layout.planes, STANDARD_ERROR.replace("_", " "))
    # Readers ignore a list that has not one number for every band of the file. The band of
    # standard errors is not a bad band, and has no wavelength.
    extra = (True,) * layout.standard_error
    envi = {"bbl": "{" + ", ".join(str(int(flag)) for flag in (*layout.good, *extra)) + "}"}
    for key, values in (("wavelength", layout.wavelength), ("fwhm", layout.fwhm)):
        if not (extra or any(map(math.isnan, values))):  # most readers misalign a list with gaps
            envi[key] = "{" + ", ".join(f"{value:.9g}" for value in values) + "}"
    if "wavelength" in envi:
        envi["wavelength_units"] = "Nanometers"
    shown = shown_bands(layout)
    if shown:
        envi["default_bands"] = "{" + ", ".join(str(band + 1) for band in shown) + "}"
        interpretation = list(target.colorinterp)
        for band, colour in zip(shown, _COLOURS, strict=True):
            interpretation[band] = colour
        target.colorinterp = interpretation
    target.update_tags(ns="ENVI", **envi)
    target.update_tags(**{PROVENANCE_TAG: json.dumps(layout.provenance, sort_keys=True)})
    if layout.attributes.get("units"):
        target.units = [str(layout.attributes["units"])] * layout.planes
    if layout.dtype != "float32":
        target.scales = [layout.scale] * layout.planes
        target.offsets = [layout.offset] * layout.planes
