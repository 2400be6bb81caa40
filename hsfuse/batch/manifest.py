"""
The pairs of a batch: files, output and settings of each, checked before anything runs.

A manifest has a row for each pair (:mod:`hsfuse.batch.tables`). The columns ``scene`` and ``rgb``
name the images; ``out`` names the output, and any other column is an option of ``hsfuse run``. All
faults of a manifest are reported together.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hsfuse.batch.patterns import match_files
from hsfuse.batch.tables import Row, Table, read_table, table_of
from hsfuse.errors import HsfuseError, ManifestError, PlanError
from hsfuse.fusion.request import WITHOUT_EFFECT
from hsfuse.fusion.run import default_output
from hsfuse.fusion.settings import Settings
from hsfuse.io.formats import find_format
from hsfuse.io.location import is_remote, locate_file
from hsfuse.sensor.catalogue import pick_sensor

__all__ = ["BatchPair", "Manifest", "Pairs", "read_manifest"]

#: A manifest on disk, two patterns of files, or rows.
Pairs = str | Path | tuple[str, str] | Sequence[Mapping[str, object]]

_OWN = ("scene", "rgb", "out", "name")
# Options of which a batch has one for all pairs.
_OPTIONS = [field.name for field in fields(Settings) if field.name not in WITHOUT_EFFECT]
_PATHS = ("hs_mask", "rgb_mask", "weights")
_SENSORS = ("hs_sensor", "rgb_sensor")
_ALIASES = {"co": "creation_options"}


@dataclass(frozen=True, slots=True)
class BatchPair:
    """
    One pair of a batch.

    Attributes
    ----------
    place : str
        Where it stands, for messages: file and line of a manifest.
    scene, rgb, out : Path
        The files.
    settings : Settings
        Of the run.
    """

    place: str
    scene: Path
    rgb: Path
    out: Path
    settings: Settings


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    All pairs of a batch, in their order.

    Attributes
    ----------
    pairs : tuple of BatchPair
        No two have one output.
    notes : tuple of str
        Files that are in no pair.
    """

    pairs: tuple[BatchPair, ...]
    notes: tuple[str, ...] = ()


def read_manifest(
    source: Pairs,
    folder: Path,
    settings: Settings,
    *,
    suffix: str = ".tif",
    assets: tuple[str, str] | None = None,
) -> Manifest:
    """
    Return the pairs of a batch.

    Parameters
    ----------
    source : path, tuple of two patterns, or sequence of mappings
        See :func:`hsfuse.run_batch`.
    folder : Path
        Of the outputs.
    settings : Settings
        Of all pairs; columns replace them.
    suffix : str
        With which outputs end that are not named.
    assets : tuple of str, optional
        Keys of the assets of STAC items that are HS and MS image.

    Raises
    ------
    ManifestError
        With all faults, a line each.
    """
    table = _table(source, assets)
    pairs, faults = [], list(table.faults)
    for row in table.rows:
        pair, found = _pair(row, table.folder, folder, settings, suffix)
        pairs += [] if pair is None else [pair]
        faults += [f"{row.place}: {fault}" for fault in found]
    faults += _conflicts(pairs)
    if not table.rows and not faults:
        faults.append(f"{source}: holds no pair; expected at least one")
    if faults:
        raise ManifestError(faults)
    return Manifest(tuple(pairs), tuple(table.notes))


def _table(source: Pairs, assets: tuple[str, str] | None) -> Table:
    if isinstance(source, str | os.PathLike):
        return read_table(Path(source), assets)
    if isinstance(source, tuple) and len(source) == 2 and all(isinstance(p, str) for p in source):
        scene, rgb = (str(pattern) for pattern in source)
        files, notes = match_files(scene, rgb)
        rows = [Row(hs, {"name": name, "scene": hs, "rgb": ms}) for name, hs, ms in files]
        return Table(Path.cwd(), rows, [], notes)
    rows_of: list[Mapping[str, object]] = [each for each in source if isinstance(each, Mapping)]
    if len(rows_of) < len(source):
        raise ManifestError(["rows of a batch are mappings with the keys scene and rgb"])
    return table_of(rows_of)


def _pair(
    row: Row, base: Path, folder: Path, settings: Settings, suffix: str
) -> tuple[BatchPair | None, list[str]]:
    """Return the pair of a row, or its faults."""
    files, faults = {}, []
    for column in ("scene", "rgb"):
        path, fault = _file(row.values.get(column), base)
        files[column] = path
        faults += [f"{column}: {fault}"] if fault else []
    options, found = _options(row.values, base)
    faults += found
    try:
        settings = replace(settings, **options)  # type: ignore[arg-type]  # checked by _options
    except HsfuseError as error:
        faults.append(str(error))
    scene, rgb = files["scene"], files["rgb"]
    if scene is None or rgb is None:
        return None, faults
    try:
        out = folder / _output(row.values, scene, suffix)
        find_format(out).check_options(settings.creation_options, settings.likely_dtype)
    except (HsfuseError, ValueError) as error:
        return None, [*faults, f"out: {error}"]
    return (None if faults else BatchPair(row.place, scene, rgb, out, settings)), faults


def _file(value: object, base: Path) -> tuple[Path | None, str]:
    """Return the path of a file that exists, or what is wrong with it."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        return None, f"found {'nothing' if value is None else repr(value)}; expected a path"
    text = os.fspath(value)
    if is_remote(text):
        return Path(text), ""
    try:
        place = locate_file(text)
    except HsfuseError as error:
        return None, str(error)
    if place.path != str(place.file):  # a member of an archive, or a variable
        if not place.file.is_absolute():
            return None, f"found {text}; expected an absolute path where it names part of a file"
        path, file = Path(text), place.file
    else:
        path = file = base / place.file
    return (path, "") if file.exists() else (None, f"{file}: no such file")


def _options(values: Mapping[str, object], base: Path) -> tuple[dict[str, object], list[str]]:
    """Return the options among the columns of a row, and what is wrong with them."""
    options, faults = {}, []
    for column, value in values.items():
        if column in _OWN:
            continue
        name = column.strip().lower().lstrip("-").replace("-", "_")
        name = _ALIASES.get(name, name)
        if name not in _OPTIONS:
            faults.append(f"column {column!r} {_hint(name)}")
            continue
        try:
            options[name] = _value(name, value, base)
        except (HsfuseError, ValueError) as error:
            faults.append(f"{column}: {error}")
    return options, faults


def _hint(name: str) -> str:
    if name in WITHOUT_EFFECT:
        return "is an option of the whole batch; expected on the command line"
    near = difflib.get_close_matches(name, (*_OWN, *_OPTIONS), n=1)
    hint = f"did you mean {near[0]}?" if near else f"expected {', '.join((*_OWN[:3], *_OPTIONS))}"
    return f"is no option of hsfuse run; {hint}"


@cache
def _adapter(name: str) -> TypeAdapter[object]:
    hint = get_type_hints(Settings)[name]
    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))


def _value(name: str, value: object, base: Path) -> object:
    """Return the value of an option, of its type; a text is read as one."""
    if name == "creation_options" and isinstance(value, str):
        value = _creation_options(value)
    try:
        found = _adapter(name).validate_python(value)
    except ValidationError as error:
        accepted = (
            each["msg"].removeprefix("Input should be ").split(",")[0] for each in error.errors()
        )
        expected = " or ".join(dict.fromkeys(accepted))
        raise ValueError(f"found {value!r}; expected {expected}") from error
    if name in _PATHS and isinstance(found, str | os.PathLike):
        path, fault = _file(found, base)
        if fault:
            raise ValueError(fault)
        return str(path)
    if name in _SENSORS and isinstance(found, str):
        sensor = str(base / found) if re.search(r"\.toml(:|$)", found, re.IGNORECASE) else found
        pick_sensor(sensor)
        return sensor
    return found


def _creation_options(text: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in shlex.split(text)]
    if not all(equals and key and value for key, equals, value in pairs):
        raise ValueError(f"found {text!r}; expected KEY=VALUE, several separated by spaces")
    return {key: value for key, _, value in pairs}


def _output(values: Mapping[str, object], scene: Path, suffix: str) -> Path:
    """Return the path of an output in the folder of the batch."""
    out, name = values.get("out"), values.get("name")
    if out is None and name is None:
        return Path(default_output(scene).name).with_suffix(suffix)
    if out is None:
        path = Path(f"{name}_fused{suffix}")
        if len(path.parts) != 1:
            raise ValueError(f"found the name {name!r}; expected one without slashes")
        return path
    path = Path(str(out))
    if path.is_absolute() or ".." in path.parts:
        raise PlanError(f"found {path}; expected a path within the folder of the batch")
    return path


def _conflicts(pairs: Sequence[BatchPair]) -> list[str]:
    """Return which outputs two pairs share, or are inputs of the batch."""
    faults = []
    first: dict[Path, str] = {}
    inputs = {
        Path(file).resolve(): pair.place
        for pair in pairs
        for file in (pair.scene, pair.rgb, pair.settings.hs_mask, pair.settings.rgb_mask)
        if file is not None
    }
    for pair in pairs:
        out = pair.out.resolve()
        if out in first:
            hint = "name the outputs in a column out"
            faults.append(f"{pair.place}: writes {pair.out}, as does {first[out]}; {hint}")
        elif out in inputs:
            faults.append(f"{pair.place}: writes {pair.out}, which is an input of {inputs[out]}")
        elif within := [parent for parent in out.parents if parent in first]:
            faults.append(f"{pair.place}: writes {pair.out} within {within[0]}, another output")
        first.setdefault(out, pair.place)
    return faults
