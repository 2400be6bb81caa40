"""The numbers of reading and writing rasters that may be chosen; each value with its reason."""

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
    """Of memory and handles while pixels are read."""

    # GDAL's block cache, in bytes as rasterio wants it. The default, a twentieth of the machine's
    # memory, would fill over a large scene; this holds the blocks that neighbouring windows share.
    cache_bytes: int = 128 * MEBIBYTE
    # Of files a thread keeps open; a pair with masks and the files of a product need fewer.
    handles_per_thread: int = 8
    # Of a dask chunk as float32, all bands.
    chunk_bytes: int = 64 * MEBIBYTE
    # Pixels a side of a chunk, where blocks and bands leave the choice.
    longest_chunk: int = 512


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Limits of what is read at all, and how much of a file is looked at before."""

    # Bytes of a block as stored: no part of it can be read without as much memory.
    largest_block: int = 2**30
    # Bytes of pixels for a byte of file; compression of images stays far below.
    largest_expansion: int = 10_000
    # Pixels and bands of a raster; entries of a coordinate, which is held in memory.
    most_pixels: int = 10**12
    most_bands: int = 20_000
    most_entries: int = 10**7
    # Stored bytes of a block, of those of its pixels and besides: compression that fails adds less,
    # and what is longer unpacks to more than the block.
    longest_block: float = 2.0
    longest_header: int = 4096
    # Blocks of a TIFF whose places are compared with the length of the file. Of more, those of
    # the edges: so many along an edge, of the first band and the last ones, which are written
    # first or last.
    most_blocks: int = 5000
    edge_blocks: int = 500
    edge_bands: int = 4
    # Bytes in which the last chunk of a PNG begins; text may follow the pixels.
    png_tail: int = 1024
    # Sources of a VRT that are looked at.
    most_sources: int = 512
    # VRTs within VRTs: more are a circle.
    deepest_vrt: int = 8
    # Bytes of a VRT that are parsed, and in which any file says that it is one.
    largest_vrt: int = 64 * MEBIBYTE
    vrt_head: int = 4096
    # Windows along each axis, and pixels a side of one, in which a band tagged as alpha is looked
    # at.
    alpha_windows: int = 4
    alpha_side: int = 64
    # An alpha band is 0 or full but at soft edges; a measurement has at least so many values in a
    # larger share of the pixels.
    alpha_between: float = 0.1
    alpha_values: int = 8


@dataclass(frozen=True, slots=True)
class PackingSettings:
    """Of stored numbers that mean no data."""

    # How far a pixel and the declared no-data number may differ, as a share of it: by the digits
    # of float32; and by those of a tag for the limits of a type (-3.4e+38), which nothing
    # measures and which are larger than `no_measurement`.
    rounding: float = 1e-6
    no_measurement: float = 1e30
    rounding_of_limits: float = 1e-2
    # Bands of a multispectral image at most; a raster of more is hyperspectral.
    most_colours: int = 16


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """Of the windows and lines in which undeclared fill and gaps are looked for."""

    # Windows along each axis; a raster of no more pixels than all of them is looked at as a whole.
    windows: int = 5
    # Pixels a side of a window, of spectra and of a few bands: about as many values.
    spectra_side: int = 48
    colours_side: int = 256
    # Lines along each axis, and values of the blocks that are read for them, of rows and of
    # columns: half a second where they are not compressed.
    most_lines: int = 32
    line_values: int = 2**26
    # Windows about pixels of lines that may be fill.
    most_suspicious: int = 8


@dataclass(frozen=True, slots=True)
class GridSettings:
    """Of deviations from a regular grid that are rounding, or small enough for a fusion."""

    # Of a pixel: how far a coordinate may be off an even spacing; files state float32.
    uneven: float = 0.05
    # Pixels that a control point may lie off the grid that fits all of them: what co-registration
    # of a pair finds again.
    residual: float = 0.5
    # Pixels over the whole image: a rotation below is rounding.
    rotation: float = 1e-3
    # Smallest pixel over the largest coordinate: float64 tells neighbours apart.
    least_step: float = 1e-12
    # Pixels by which coordinates may be off the stated transform of which a raster is a window.
    window: float = 0.01


@dataclass(frozen=True, slots=True)
class ResamplingSettings:
    """Of the warp onto another grid, and of a shift that changes over a raster."""

    # Source pixels read around those that are hit: GDAL's cubic kernel reaches two.
    halo: int = 4
    # Of GDAL's interpolation between exactly transformed points, in source pixels: so small that
    # the result does not depend on where a window starts. GDAL's default is an eighth.
    tolerance: float = 1e-6
    # On each side of an outline: enough to follow a curved one to a fraction of a pixel.
    edge_points: int = 21
    # Pixels kept around the other grid: more than any co-registration shifts.
    margin: int = 64
    # Pixels around those that are hit that a cubic spline needs: its memory of one falls by 3.7 a
    # pixel.
    spline: int = 12


@dataclass(frozen=True, slots=True)
class WavelengthSettings:
    """Of numbers whose unit is not stated, or which may count bands. Nanometres if not said."""

    # Beyond a millimetre no optical sensor sees.
    longest: float = 1e6
    # Micrometres: a number below is in micrometres where no unit is stated.
    longest_in_micrometres: float = 100.0
    # Where no unit is stated, a smaller number above 100 is no wavelength.
    shortest: float = 200.0
    # Of bare numbers in descriptions of bands, which may be anything: nanometres from here on, and
    # micrometres, fractions, below.
    shortest_described: float = 300.0
    longest_described_in_micrometres: float = 15.0


@dataclass(frozen=True, slots=True)
class PreviewSettings:
    """Of reduced images of rasters of any size."""

    # Values read at a time: 32 MB of float32, some four times that at work.
    piece_values: int = 8_000_000


@dataclass(frozen=True, slots=True)
class LevelSettings:
    """Of windows that are read at reduced resolution while someone waits."""

    # Values read at a time: 8 MB of float32, some four times that at work, for each reader; up to
    # four times as many where blocks are large.
    piece_values: int = 2_000_000
    # Values of the blocks that a window is averaged from: a CPU second or so where they are
    # compressed. A larger window of a raster without overviews is sampled by so many values.
    most_values: int = 2**27
    # Blocks of such a sample.
    most_reads: int = 1024


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """Of the store in which an output grows."""

    # Chunk (bands, rows, columns): best all-round of nine measured: one band 37 ms, one spectrum
    # 12 ms.
    chunk: tuple[int, int, int] = (25, 256, 256)
    # Of float32 values of one write; twice this is alive while it is encoded.
    block_bytes: int = 128 * MEBIBYTE
    # Pixels a side of a write.
    longest_block: int = 1024
    # Of blosc lz4: the fastest. A store of floats compresses little at any.
    compression_level: int = 1
    # Threads that hash: hashing releases the interpreter lock; more only compete for the disk.
    hashers: int = 4


@dataclass(frozen=True, slots=True)
class PyramidSettings:
    """Of the levels of a zarr output."""

    # Pixels a side of the last level at most: one chunk.
    longest: int = 256
    # Pixels a side that are read at a time at least: two chunks, of which one of a level is made.
    least: int = 512


@dataclass(frozen=True, slots=True)
class GeotiffSettings:
    """Of the export to a cloud-optimised GeoTIFF."""

    # rasterio takes GDAL_CACHEMAX in bytes, the environment in megabytes.
    cache_bytes: int = 256 * MEBIBYTE
    # Of the cube in memory at a time, for each thread.
    piece_bytes: int = 64 * MEBIBYTE
    # Of the file that are written at a time.
    buffer: int = MEBIBYTE
    # Bytes of pixels from which a classic TIFF, of 4 GiB, might not hold file and overviews.
    large: int = 2 * 10**9
    # Pixels a side: what readers of cloud-optimised GeoTIFF expect.
    tile: int = 512
    compression: str = "ZSTD"
    # GDAL's default 9 takes nine times as long for 13 % in size.
    zstd_level: int = 1
    # Free bytes below which an error is put down to a full disk: a tile does not fit.
    full_disk: int = MEBIBYTE


@dataclass(frozen=True, slots=True)
class EnviSettings:
    """Of the export to ENVI."""

    # Bytes of the cube in memory at a time.
    piece_bytes: int = 64 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class NetcdfSettings:
    """Of the export to netCDF."""

    # Bytes of the cube in memory at a time.
    piece_bytes: int = 64 * MEBIBYTE
    # Of zlib: the fastest; 4, which is usual, gains one percent on a fused image of floats.
    compression_level: int = 1


@dataclass(frozen=True, slots=True)
class StyleSettings:
    """Of the QGIS style beside an output."""

    # Pixels of a band from which its stretch is computed, about.
    pixels: int = 250_000
    # Of QGIS: the oldest that is tried.
    version: str = "3.22"


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Of requests to object stores and web servers; seconds."""

    # Of a request that is answered by a server error, or by none: with twice the delay each time,
    # some 50 s in all.
    retries: int = 8
    retry_delay: float = 0.2
    # From the first try on, after which none is begun.
    retry_timeout: float = 120
    # Of a request as a whole: a chunk of an output at 100 kB/s.
    timeout: float = 120
    connect_timeout: float = 15
    # Requests for small objects at a time.
    requests: int = 16
    # Bytes of a part of an upload, and parts at a time; a store takes at most 10 000 of them.
    part_bytes: int = 16 * MEBIBYTE
    parts: int = 4
    most_parts: int = 9000
    # For which the state of an object is taken for unchanged.
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
