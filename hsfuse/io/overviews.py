"""
Overviews of an output, each a store of half the rows and columns of the one before.

Each level is computed from the one before, every chunk of which is read once: a part needs at most
the row above it and the column before it, which are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.grid import Span
from hsfuse.core.overview import Halving, halve, halved_length
from hsfuse.core.rounding import round_values
from hsfuse.io.planes import Piece, Planes, whole_chunks

__all__ = ["build_overviews"]

_Values = NDArray[Any]


def build_overviews(
    planes: Planes,
    create: Callable[[int, int, int, tuple[int, int]], Planes],
    *,
    longest: int,
    least: int,
    max_error: float = 0.0,
    workers: int = 1,
    done: Callable[[int], None] = lambda values: None,
    seen: Callable[[Piece, _Values], None] | None = None,
) -> list[Planes]:
    """
    Write overviews until one has no more pixels a side than a tile.

    Parameters
    ----------
    planes : Planes
        The image.
    create : callable
        Takes the number of an overview, from 0, its rows and columns, and those of a chunk; returns
        where it is written.
    longest : int
        Pixels a side of the last overview at most; none is made of an image that is not larger.
    least : int
        Pixels a side that are read at a time at least.
    max_error : float
        By which the means are rounded at most, those of each level.
    workers : int
        Threads.
    done : callable
        Is called with the number of values that were read, each time some were.
    seen : callable, optional
        Is called with every part of the image that is read, once each, in several threads.

    Returns
    -------
    list of Planes
        From large to small.
    """
    levels: list[Planes] = []
    while max(planes.rows, planes.columns) > longest:
        side = tuple(whole_chunks(chunk, least) // 2 for chunk in planes.chunk)
        target = create(
            len(levels),
            halved_length(planes.rows),
            halved_length(planes.columns),
            (side[0], side[1]),
        )
        with ThreadPoolExecutor(workers) as pool:
            jobs = {
                pool.submit(_halve_group, planes, target, group, max_error, seen): group
                for group in planes.groups
            }
            for job in as_completed(jobs):
                job.result()
                group = jobs[job]
                done((group.stop - group.start) * planes.rows * planes.columns)
        planes, seen = target, None
        levels.append(target)
    return levels


def _halve_group(
    planes: Planes,
    target: Planes,
    group: slice,
    max_error: float,
    seen: Callable[[Piece, _Values], None] | None,
) -> None:
    """Write the overview of the planes that share chunks, row by row of the target's chunks."""
    above: _Values | None = None
    for rows in _spans(target.rows, target.chunk[0]):
        down = Halving(planes.rows, rows)
        before: _Values | None = None
        last = np.zeros((group.stop - group.start, 1, planes.columns), planes.cube.dtype)
        for columns in _spans(target.columns, target.chunk[1]):
            across = Halving(planes.columns, columns)
            piece = Piece(group, down.source, across.source)
            body = planes.read(piece)
            if seen is not None:
                seen(piece, body)
            last[:, :, across.source.slice] = body[:, -1:]
            if down.margin:
                first = body[:, :1] if above is None else above[:, :, across.source.slice]
                body = np.concatenate([first, body], axis=1)
            after = body[:, :, -1:]
            if across.margin:
                first = body[:, :, :1] if before is None else before
                body = np.concatenate([first, body], axis=2)
            before = after
            means = round_values(halve(body, down, across, planes.fill), max_error)
            target.write(Piece(group, rows, columns), means)
        above = last


def _spans(length: int, side: int) -> list[Span]:
    return [Span(start, min(start + side, length)) for start in range(0, length, side)]
