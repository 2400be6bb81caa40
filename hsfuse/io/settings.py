"""Constants of reading and writing rasters, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "CHECKS",
    "ENVI",
    "GEOTIFF",
    "GRIDS",
    "LEVELS",
    "NETCDF",
    "NETWORK",
    "OUTPUTS",
    "PACKING",
    "PREVIEW",
    "PYRAMID",
    "READING",
    "RESAMPLING",
    "SAMPLING",
    "STYLE",
    "WAVELENGTHS",
    "CheckSettings",
    "EnviSettings",
    "GeotiffSettings",
    "GridSettings",
    "LevelSettings",
    "NetcdfSettings",
    "NetworkSettings",
    "OutputSettings",
    "PackingSettings",
    "PreviewSettings",
    "PyramidSettings",
    "ReadingSettings",
    "ResamplingSettings",
    "SamplingSettings",
    "StoredType",
    "StyleSettings",
    "WavelengthSettings",
]

MEBIBYTE = 2**20

#: Types of the stored numbers of an output.
StoredType = Literal["float32", "int16", "uint16"]


@dataclass(frozen=True, slots=True)
class ReadingSettings:
    """Reading of pixels: memory and file handles."""

    # GDAL's block cache in bytes, the unit of rasterio. The default, 5 % of the memory of the
    # machine, would fill over a large scene; this holds the blocks that neighbouring windows share.
    cache_bytes: int = 128 * MEBIBYTE
    # Open files for each thread; a pair with masks and the files of a product need fewer.
    handles_per_thread: int = 8
    # Bytes of a dask chunk as float32, all bands.
    chunk_bytes: int = 64 * MEBIBYTE
    # Largest side of a chunk in pixels.
    longest_chunk: int = 512


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Limits beyond which a file is refused, and the extent of the checks of a file."""

    # Bytes of a stored block: reading any part of it needs as much memory.
    largest_block: int = 2**30
    # Ratio of the bytes of pixels to those of the file; compression of images stays far below.
    largest_expansion: int = 10_000
    # Pixels and bands of a raster; entries of a coordinate, which is held in memory.
    most_pixels: int = 10**12
    most_bands: int = 20_000
    most_entries: int = 10**7
    # Stored bytes of a block, as a multiple of those of its pixels and an additive constant.
    # Incompressible pixels grow less; a longer block decompresses to more than its pixels.
    longest_block: float = 2.0
    longest_header: int = 4096
    # Blocks of a TIFF whose offsets are compared with the length of the file. In a larger file only
    # blocks at the edges are: so many along an edge, of the first band and of the last bands, which
    # are written first or last.
    most_blocks: int = 5000
    edge_blocks: int = 500
    edge_bands: int = 4
    # Bytes at the end of a PNG in which its last chunk begins; text may follow the pixels.
    png_tail: int = 1024
    # Sources of a VRT that are checked.
    most_sources: int = 512
    # Depth of nested VRTs; deeper nesting is taken for a cycle.
    deepest_vrt: int = 8
    # Bytes of a VRT that are parsed, and bytes at the start of a file that identify a VRT.
    largest_vrt: int = 64 * MEBIBYTE
    vrt_head: int = 4096
    # Windows along each axis, and their side in pixels, in which a band tagged as alpha is checked.
    alpha_windows: int = 4
    alpha_side: int = 64
    # An alpha band is 0 or the maximum except at soft edges; a measured band has at least so many
    # distinct values between these, in a larger share of the pixels.
    alpha_between: float = 0.1
    alpha_values: int = 8


@dataclass(frozen=True, slots=True)
class PackingSettings:
    """Stored no-data values."""

    # Largest relative difference between a pixel and the declared no-data value: by the precision
    # of float32; and by the digits of a tag for the limits of a type (-3.4e+38), which are larger
    # than `no_measurement`.
    rounding: float = 1e-6
    no_measurement: float = 1e30
    rounding_of_limits: float = 1e-2
    # Largest number of bands of a multispectral image.
    most_colours: int = 16


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """Windows and lines in which undeclared fill and gaps are searched for."""

    # Windows along each axis; a raster with no more pixels than all windows is read completely.
    windows: int = 5
    # Side of a window in pixels, for hyperspectral images and for others: a similar number of
    # values.
    spectra_side: int = 48
    colours_side: int = 256
    # Lines along each axis, and values of the blocks read for them along each axis: half a second
    # without compression.
    most_lines: int = 32
    line_values: int = 2**26
    # Windows around pixels of lines that may be fill.
    most_suspicious: int = 8


@dataclass(frozen=True, slots=True)
class GridSettings:
    """Tolerances of grids: deviations that are rounding, or small enough for a fusion."""

    # Pixels by which a coordinate may deviate from even spacing; files store float32.
    uneven: float = 0.05
    # Largest residual of a control point of the fitted grid, in pixels: co-registration of a pair
    # corrects it.
    residual: float = 0.5
    # Pixels over the whole image; a smaller rotation is rounding.
    rotation: float = 1e-3
    # Smallest ratio of the pixel size to the largest coordinate that float64 resolves.
    least_step: float = 1e-12
    # Pixels by which the coordinates of a window may deviate from the transform of the whole
    # raster.
    window: float = 0.01


@dataclass(frozen=True, slots=True)
class ResamplingSettings:
    """Warp to another grid, and resampling by a variable displacement."""

    # Source pixels read around the needed ones: GDAL's cubic kernel extends two pixels.
    halo: int = 4
    # Tolerance of GDAL's interpolation between exactly transformed points, in source pixels: so
    # small that the result does not depend on the window. GDAL's default is 0.125.
    tolerance: float = 1e-6
    # Points on each side of an outline: enough for a fraction of a pixel on a curved outline.
    edge_points: int = 21
    # Margin around the other grid in pixels: larger than any shift by co-registration.
    margin: int = 64
    # Pixels around the needed ones for a cubic spline, whose weights fall by a factor of 3.7 a
    # pixel.
    spline: int = 12


@dataclass(frozen=True, slots=True)
class WavelengthSettings:
    """Limits that identify units and band numbers, in nanometres unless stated otherwise."""

    # No optical sensor measures beyond one millimetre.
    longest: float = 1e6
    # In micrometres: smaller numbers without a unit are in micrometres.
    longest_in_micrometres: float = 100.0
    # Without a unit, numbers between 100 and this are no wavelengths.
    shortest: float = 200.0
    # Bare numbers in band descriptions may be anything: nanometres from the first limit on, and
    # micrometres, if fractions, below the second.
    shortest_described: float = 300.0
    longest_described_in_micrometres: float = 15.0


@dataclass(frozen=True, slots=True)
class PreviewSettings:
    """Previews of rasters of any size."""

    # Values read at a time: 32 MB of float32, and about four times as much during averaging.
    piece_values: int = 8_000_000


@dataclass(frozen=True, slots=True)
class LevelSettings:
    """Windows at reduced resolution for interactive display."""

    # Values read at a time: 8 MB of float32, and about four times as much during averaging, for
    # each reader; up to four times as many where blocks are large.
    piece_values: int = 2_000_000
    # Values of the blocks of a window that is averaged: about one CPU second with compression. A
    # larger window of a raster without overviews is sampled with so many values.
    most_values: int = 2**27
    # Largest number of blocks of such a sample.
    most_reads: int = 1024


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """The zarr store of an output."""

    # Chunk (bands, rows, columns): the best compromise of nine measured; one band takes 37 ms, one
    # spectrum 12 ms.
    chunk: tuple[int, int, int] = (25, 256, 256)
    # Bytes of the float32 values of one block; encoding needs twice as much.
    block_bytes: int = 128 * MEBIBYTE
    # Largest side of a block in pixels.
    longest_block: int = 1024
    # Level of blosc lz4: the fastest. Floats compress little at any level.
    compression_level: int = 1
    # Threads that hash files. Hashing releases the GIL; more threads would compete for the disk.
    hashers: int = 4
    # Files that are synchronised to the disk at a time.
    syncers: int = 8


@dataclass(frozen=True, slots=True)
class PyramidSettings:
    """The multiscale pyramid of a zarr output."""

    # Largest side of the last level in pixels: one chunk.
    longest: int = 256
    # Smallest side of a piece in pixels: two chunks, which give one chunk of the next level.
    least: int = 512


@dataclass(frozen=True, slots=True)
class GeotiffSettings:
    """Export to a cloud-optimised GeoTIFF."""

    # rasterio takes GDAL_CACHEMAX in bytes, the environment variable is in megabytes.
    cache_bytes: int = 256 * MEBIBYTE
    # Bytes of the cube in memory at a time, for each thread.
    piece_bytes: int = 64 * MEBIBYTE
    # Bytes of the file that are written at a time.
    buffer: int = MEBIBYTE
    # Bytes of pixels above which image and overviews might exceed the 4 GiB of a classic TIFF.
    large: int = 2 * 10**9
    # Side of a tile in pixels, as usual for cloud-optimised GeoTIFF.
    tile: int = 512
    compression: str = "ZSTD"
    # GDAL's default 9 takes nine times as long for 13 % in size.
    zstd_level: int = 1
    # Free bytes below which an error is attributed to a full disk: a tile does not fit.
    full_disk: int = MEBIBYTE


@dataclass(frozen=True, slots=True)
class EnviSettings:
    """Export to ENVI."""

    # Bytes of the cube in memory at a time.
    piece_bytes: int = 64 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class NetcdfSettings:
    """Export to netCDF."""

    # Bytes of the cube in memory at a time.
    piece_bytes: int = 64 * MEBIBYTE
    # Level of zlib: the fastest; the usual 4 gains one percent for a fused image of floats.
    compression_level: int = 1


@dataclass(frozen=True, slots=True)
class StyleSettings:
    """QGIS style of an output."""

    # Approximate number of pixels from which the stretch of a band is computed.
    pixels: int = 250_000
    # Oldest version of QGIS with which the style is tested.
    version: str = "3.22"


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Requests to object stores and web servers; times in seconds."""

    # Retries of a request after a server error or a timeout; the delay doubles at most each time:
    # 2 to 50 s in all.
    retries: int = 8
    retry_delay: float = 0.2
    # Time after the first attempt beyond which no further attempt is made.
    retry_timeout: float = 120
    # Timeout of a whole request: a chunk of an output at 100 kB/s.
    timeout: float = 120
    connect_timeout: float = 15
    # Concurrent requests for small objects.
    requests: int = 16
    # Bytes of a part of an upload, and concurrent parts; stores accept at most 10 000 parts.
    part_bytes: int = 16 * MEBIBYTE
    parts: int = 4
    most_parts: int = 9000
    # Time for which the state of an object is cached.
    fresh: float = 10


CHECKS = CheckSettings()
ENVI = EnviSettings()
GEOTIFF = GeotiffSettings()
NETCDF = NetcdfSettings()
PYRAMID = PyramidSettings()
STYLE = StyleSettings()
GRIDS = GridSettings()
NETWORK = NetworkSettings()
OUTPUTS = OutputSettings()
PACKING = PackingSettings()
LEVELS = LevelSettings()
PREVIEW = PreviewSettings()
READING = ReadingSettings()
RESAMPLING = ResamplingSettings()
SAMPLING = SamplingSettings()
WAVELENGTHS = WavelengthSettings()
