"""
Overviews of an output, each with half the rows and columns of the previous level.

Each level is computed from the previous one, every chunk of which is read once. A piece needs at
most the row above it and the column to its left, which are buffered.
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
from hsfuse.io.output.planes import Piece, Planes, whole_chunks

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
    advance: Callable[[int], None] = lambda values: None,
    on_piece: Callable[[Piece, _Values], None] | None = None,
) -> list[Planes]:
    """
    Write overviews until one is at most ``longest`` pixels a side.

    Parameters
    ----------
    planes : Planes
        The image.
    create : callable
        Takes the number of an overview (from 0), its rows, its columns, and the rows and columns
        of a chunk; returns the planes to write to.
    longest : int
        Largest side of the last overview in pixels; a smaller image gets no overviews.
    least : int
        Smallest side of a piece that is read at a time, in pixels.
    max_error : float
        Largest rounding error of the means of each level.
    workers : int
        Number of threads.
    advance : callable
        Called with the number of values of each piece that was read.
    on_piece : callable, optional
        Called once with every piece of the image that is read, from several threads.

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
                pool.submit(_halve_group, planes, target, group, max_error, on_piece): group
                for group in planes.groups
            }
            for job in as_completed(jobs):
                job.result()
                group = jobs[job]
                advance((group.stop - group.start) * planes.rows * planes.columns)
        planes, on_piece = target, None
        levels.append(target)
    return levels


def _halve_group(
    planes: Planes,
    target: Planes,
    group: slice,
    max_error: float,
    on_piece: Callable[[Piece, _Values], None] | None,
) -> None:
    """Write the overview of planes that share chunks, one row of chunks of the target at a time."""
    above: _Values | None = None
    for rows in _spans(target.rows, target.chunk[0]):
        down = Halving(planes.rows, rows)
        before: _Values | None = None
        last = np.zeros((group.stop - group.start, 1, planes.columns), planes.cube.dtype)
        for columns in _spans(target.columns, target.chunk[1]):
            across = Halving(planes.columns, columns)
            piece = Piece(group, down.source, across.source)
            body = planes.read(piece)
            if on_piece is not None:
                on_piece(piece, body)
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
