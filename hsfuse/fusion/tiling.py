"""Division of the output into tiles, and the memory that a worker needs for a tile."""

from __future__ import annotations

import math
from itertools import product

from hsfuse.core.grid import Span
from hsfuse.core.tiles import Tiling
from hsfuse.errors import PlanError
from hsfuse.methods import Fuser
from hsfuse.pair.geometry import Pair

__all__ = ["WORKER_BUDGET", "tile_pair", "worker_bytes"]

Tilings = tuple[Tiling, Tiling]

# Side of a chunk of the store in pixels; blocks consist of whole chunks.
_CHUNK = 256
#: Largest memory of a worker in bytes, by :func:`worker_bytes`; with the libraries and memory
#: retained by the allocator it stays below 1.5 GB.
WORKER_BUDGET = 1_000_000_000
# Bytes per pixel of a block during comparison and writing, for several copies of some bands;
# measured with 60 bands by benchmarks/memory.py.
_WRITING = 650
# Cores that a small output should use, and weight of the total CPU time relative to the wall time:
# two blocks of unequal size save little time, and read halos twice.
_PARALLEL, _CPU_SHARE = 2, 0.125


def tile_pair(
    pair: Pair, fuser: Fuser, tile: int | None = None, overlap: int | None = None
) -> Tilings:
    """
    Divide the output of a pair into tiles along y and x.

    Parameters
    ----------
    pair : Pair
        The pair.
    fuser : Fuser
        Prepared method, which states its reach and its memory for a window.
    tile, overlap : int, optional
        Side of a tile and margin around it in pixels, if given.

    Raises
    ------
    PlanError
        If the method cannot use tiles of that size.
    """
    step, reaches = fuser.step, _reaches(pair, fuser)
    if tile is not None and (tile % step or tile < 1):
        raise PlanError(f"tile must be a multiple of {step} for {fuser.name}, got {tile}")
    if overlap is not None and overlap < max(reaches):
        raise PlanError(
            f"tile overlap must be at least the reach of {fuser.name}, {max(reaches)} pixels, "
            f"got {overlap}: tiles would differ from the whole"
        )
    sizes = _sizes(max(reaches), step) if tile is None else [tile]
    blends = [0 if overlap is None else overlap - reach for reach in reaches]
    fitting = [size for size in sizes if 2 * max(blends) <= size]
    if not fitting:
        raise PlanError(
            f"tile overlap must be at most the reach plus half a tile, "
            f"{min(reaches) + sizes[-1] // 2} pixels, got {overlap}"
        )
    rows, columns = (
        [_tiling(pair, axis, size, step, reaches[axis], blends[axis]) for size in fitting]
        for axis in (0, 1)
    )
    return _best(list(product(rows, columns)), pair, fuser)


def worker_bytes(pair: Pair, fuser: Fuser, tilings: Tilings) -> int:
    """Return the peak memory of a worker in bytes, for a block or for a unit of local models."""
    hs, fine = (raster.sizes["band"] for raster in (pair.hs, pair.fine))
    geometry, grid = pair.fine_geometry, fuser.local_models
    window, core = _largest(tilings)
    inputs = 4 * math.prod(window) * (fine + hs / (geometry.y.ratio * geometry.x.ratio))
    block = 4 * math.prod(core) * (hs + fuser.gives_standard_error)
    blended = any(tiling.blend for tiling in tilings)
    # The window of a tile is a copy of a part of the input, and blending sums the tiles.
    work = max(fuser.memory(window, core), _WRITING * math.prod(core))
    need = int(2 * inputs) + (2 if blended else 1) * block + work
    if grid is None:
        return need
    whole = [Span(0, length) for length in window]
    units = grid.touching(geometry, (whole[0], whole[1]))
    return max(grid.memory, need + 4 * grid.size * len(units))


def _reaches(pair: Pair, fuser: Fuser) -> list[int]:
    """Return the reach of a pixel (y, x) in MS pixels: how far it depends on its inputs."""
    axes = pair.fine_geometry.y, pair.fine_geometry.x
    return [math.ceil(reach * axis.ratio) for reach, axis in zip(fuser.reach, axes, strict=True)]


def _sizes(reach: int, step: int) -> list[int]:
    """Return the candidate sizes of a tile; larger ones for a method with a long reach."""
    unit = math.lcm(step, _CHUNK)
    largest = 2 * _CHUNK if reach <= _CHUNK // 4 else 4 * _CHUNK
    return [unit * count for count in range(1, math.ceil(largest / unit) + 1)]


def _tiling(pair: Pair, axis: int, size: int, step: int, reach: int, blend: int) -> Tiling:
    """Return the tiling along y (axis 0) or x (axis 1)."""
    output = pair.output[axis]
    fine = (pair.fine_geometry.y, pair.fine_geometry.x)[axis].fine
    return Tiling(
        len(output), size, blend, reach, step, output.start // step * step, fine - output.stop
    )


def _best(candidates: list[Tilings], pair: Pair, fuser: Fuser) -> Tilings:
    """
    Return the tilings of least cost within the memory of a worker.

    Of equals it is that with the narrowest tiles: `ms-ssfnet` computes a tile in strips of rows,
    whose margins of rows cost the less the longer the tile is.
    """
    within = [t for t in candidates if worker_bytes(pair, fuser, t) <= WORKER_BUDGET]
    return min(within or candidates[:1], key=lambda tilings: (_cost(tilings), tilings[1].size))


def _cost(tilings: Tilings) -> float:
    """Return the cost: MS pixels that one core reads, plus a share of those that all cores read."""
    lengths = [[len(t.window(index)) for index in range(t.count)] for t in tilings]
    whole, largest = (math.prod(map(combine, lengths)) for combine in (sum, max))
    return max(whole / _PARALLEL, largest) + _CPU_SHARE * whole


def _largest(tilings: Tilings) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the rows and columns of the largest window, and of the largest core."""
    windows = [
        max(len(tiling.window(index)) for index in range(min(tiling.count, 3)))
        for tiling in tilings
    ]
    cores = [len(tiling.core(0)) for tiling in tilings]
    return (windows[0], windows[1]), (cores[0], cores[1])
