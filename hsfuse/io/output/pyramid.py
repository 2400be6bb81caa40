"""
The multiscale pyramid of a zarr output, by the convention ``multiscales``.

The hierarchy is the one that GDAL 3.13 writes and reads as overviews: the image is an array of the
group, each level a subgroup (``ovr_2x``, ``ovr_4x``) with an array of the same name and its own
coordinates. The means are those of the overviews of a GeoTIFF (:mod:`hsfuse.io.output.overviews`).

Convention: https://github.com/zarr-conventions/multiscales/blob/v0.1/README.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import zarr

from hsfuse.io.files.hashed_store import RecordingStore, write_checksums
from hsfuse.io.files.replacement import sync
from hsfuse.io.files.url import AnyPath
from hsfuse.io.files.zarr_store import zarr_store
from hsfuse.io.names import CUBE
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.output.overviews import build_overviews
from hsfuse.io.output.planes import Planes
from hsfuse.io.output.zarr_layout import (
    CONVENTIONS,
    image_attributes,
    spatial_attributes,
    write_template,
)
from hsfuse.io.settings import PYRAMID

__all__ = ["write_pyramid"]


def write_pyramid(
    root: AnyPath,
    layout: OutputLayout,
    *,
    workers: int = 1,
    advance: Callable[[int], None] = lambda values: None,
) -> list[OutputLayout]:
    """
    Add levels of successively halved size to a store, until one fits a single chunk.

    Levels of an earlier call are replaced. Chunks are not verified: their hashes are beside them.

    Parameters
    ----------
    root : Path or Url
        The store, with every block written.
    layout : OutputLayout
        Layout of the store.
    workers : int
        Number of threads.
    advance : callable
        Called with the number of values of each piece that was read.

    Returns
    -------
    list of OutputLayout
        Layouts of the levels, from large to small.
    """
    layouts: list[OutputLayout] = []
    records: list[RecordingStore] = []

    def create(number: int, rows: int, columns: int, chunk: tuple[int, int]) -> Planes:
        level = _level(layout, rows, columns, chunk)
        folder = root / _name(number)
        write_template(folder, level, {})
        layouts.append(level)
        records.append(RecordingStore(zarr_store(folder)))
        return Planes.of(records[-1])

    build_overviews(
        Planes.open(root),
        create,
        longest=PYRAMID.longest,
        least=PYRAMID.least,
        max_error=layout.max_error,
        workers=workers,
        advance=advance,
    )
    for number, record in enumerate(records):
        folder = root / _name(number)
        sync(*(folder / key for key in record.hashes))
        write_checksums(folder, image_attributes(layout), record.hashes)
    if layouts:
        group = zarr.open_group(zarr_store(root), mode="r+", zarr_format=3)
        group.update_attributes(_multiscales([layout, *layouts], group.attrs.asdict()))
    return layouts


def _name(number: int) -> str:
    return f"ovr_{2 ** (number + 1)}x"


def _level(layout: OutputLayout, rows: int, columns: int, chunk: tuple[int, int]) -> OutputLayout:
    """Return the layout of a level, which covers the same extent."""
    a, b, c, d, e, f = layout.transform
    down, across = layout.rows / rows, layout.columns / columns
    return replace(
        layout,
        rows=rows,
        columns=columns,
        transform=(a * across, b * down, c, d * across, e * down, f),
        chunk=(layout.chunk[0], *chunk),
        attributes={key: layout.attributes[key] for key in ("units",) if key in layout.attributes},
    )


def _multiscales(
    layouts: list[OutputLayout], attributes: Mapping[str, object]
) -> dict[str, object]:
    """Return the attributes of the group that describe all levels, by the conventions."""
    declared = attributes.get("zarr_conventions", ())
    assert isinstance(declared, (list, tuple))
    others = [each for each in declared if each["name"] != "multiscales"]
    entries: list[dict[str, object]] = []
    for number, layout in enumerate(layouts):
        place = spatial_attributes(layout)
        entry: dict[str, object] = {"asset": CUBE, "transform": {"scale": [1.0, 1.0, 1.0]}}
        if number:
            before = layouts[number - 1]
            scale = [1.0, before.rows / layout.rows, before.columns / layout.columns]
            entry = {
                "asset": _name(number - 1),
                "derived_from": _name(number - 2) if number > 1 else CUBE,
                "transform": {"scale": scale, "translation": [0.0, 0.0, 0.0]},
            }
        entry |= {key: place[key] for key in ("spatial:shape", "spatial:transform")}
        entries.append(entry)
    return {
        "zarr_conventions": [*others, CONVENTIONS["multiscales"]],
        "multiscales": {"layout": entries, "resampling_method": "average"},
    }
