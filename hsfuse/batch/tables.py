"""
Readers of the rows of a manifest: CSV, JSON lines, STAC, or two patterns of file names.

A row is a mapping of column names to values, with its position in the manifest for messages.
:mod:`hsfuse.batch.manifest` interprets the columns.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hsfuse.batch.stac import stac_rows
from hsfuse.errors import ManifestError
from hsfuse.io.files.location import full_path

__all__ = ["Row", "Table", "read_table", "table_of"]

_DELIMITERS = ",;\t"
# Largest size of a manifest in bytes, enough for a million pairs.
_LARGEST = 2**28


class Row(NamedTuple):
    """A row of a manifest: its position, and the values of its columns."""

    place: str
    values: Mapping[str, object]


class Table(NamedTuple):
    """
    The rows of a manifest.

    Attributes
    ----------
    folder : Path
        Folder to which paths are relative.
    rows : list of Row
    faults, notes : list of str
        Errors, and notes on omitted files, one line each.
    """

    folder: Path
    rows: list[Row]
    faults: list[str]
    notes: list[str]


def read_table(path: Path, assets: tuple[str, str] | None = None) -> Table:
    """
    Read the rows of a manifest file.

    Parameters
    ----------
    path : Path
        File with the suffix .csv, .jsonl, .ndjson (JSON lines), .json or .geojson (STAC items).
    assets : tuple of str, optional
        Keys of the assets of STAC items with the HS and the MS image.

    Raises
    ------
    ManifestError
        If the file is missing, or of another format.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        accepted = ", ".join(_READERS)
        raise ManifestError([f"{path}: a manifest must end in {accepted}, not in {path.suffix!r}"])
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise ManifestError([f"{path}: has {size} bytes; expected at most {_LARGEST}"])
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ManifestError([f"{path}: cannot be read ({error.strerror or error})"]) from error
    except UnicodeDecodeError as error:
        raise ManifestError([f"{path}: is not text in UTF-8 ({error})"]) from error
    rows, faults = reader(path, text, assets)
    return Table(full_path(path).parent, rows, faults, [])


_Read = tuple[list[Row], list[str]]


def _csv(path: Path, text: str, assets: object) -> _Read:
    del assets
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, faults = [], []
    try:
        columns = [name.strip() for name in next(reader, [])]
        missing = [name for name in ("scene", "rgb") if name not in columns]
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if twice or missing:
            columns_text = (
                f"twice the column {twice[0]}" if twice else ", ".join(columns) or "nothing"
            )
            expected = "names of columns, scene and rgb among them"
            return [], [f"{path}, line 1: found {columns_text}; expected {expected}"]
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            place = f"{path}, line {reader.line_num}"
            if len(cells) == len(columns):
                values = zip(columns, (cell.strip() for cell in cells), strict=True)
                rows.append(Row(place, {name: cell for name, cell in values if cell}))
            else:
                faults.append(f"{place}: found {len(cells)} cells; expected {len(columns)}")
    except csv.Error as error:
        faults.append(f"{path}, line {reader.line_num}: is not CSV ({error})")
    return rows, faults


def _json_lines(path: Path, text: str, assets: object) -> _Read:
    del assets
    rows, faults = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        values, fault = _parse(line)
        if isinstance(values, dict):
            row_values = {str(name): value for name, value in values.items() if value is not None}
            rows.append(Row(place, row_values))
        else:
            problem = fault or type(values).__name__
            faults.append(f"{place}: found {problem}; expected a JSON object")
    return rows, faults


def _stac(path: Path, text: str, assets: tuple[str, str] | None) -> _Read:
    content, fault = _parse(text)
    if fault:
        return [], [f"{path}: found {fault}; expected a STAC ItemCollection"]
    items, faults = stac_rows(path, content, assets)
    return [Row(place, values) for place, values in items], faults


def _parse(text: str) -> tuple[Any, str]:
    """Return the value of a JSON text, or an error message."""
    try:
        return json.loads(text), ""
    except (ValueError, RecursionError) as error:
        return None, f"no JSON ({error})"


_READERS: dict[str, Callable[[Path, str, tuple[str, str] | None], _Read]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _stac,
    ".geojson": _stac,
}


def table_of(rows: Sequence[Mapping[str, object]]) -> Table:
    """Return the table of rows in memory; paths are relative to the current folder."""
    numbered = [
        Row(f"row {number}", {name: value for name, value in row.items() if value is not None})
        for number, row in enumerate(rows, start=1)
    ]
    return Table(Path.cwd(), numbered, [], [])
