"""
The manifest of a batch: files, output and settings of each pair, checked before anything runs.

A manifest has a row for each pair (:mod:`hsfuse.batch.tables`). The columns ``scene`` and ``rgb``
give the images, ``out`` the output; any other column is an option of ``hsfuse run``. All errors of
a manifest are reported together. A missing file is none: that pair fails, as one whose file is
damaged does, unless all pairs lack a file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hsfuse.batch.columns import PATHS, find_file, find_unknown, is_missing, read_options
from hsfuse.batch.patterns import match_files
from hsfuse.batch.tables import Row, Table, read_table, table_of
from hsfuse.errors import HsfuseError, ManifestError, PlanError, message_of
from hsfuse.fusion.settings import Settings
from hsfuse.io.files.location import real_path
from hsfuse.io.files.url import AnyPath, Url
from hsfuse.io.output.formats import find_format
from hsfuse.io.output.input_files import InputFiles, side_files
from hsfuse.io.write import default_output

__all__ = ["BatchPair", "Manifest", "Pairs", "read_manifest"]

#: A manifest file, two patterns of file names, or rows.
Pairs = str | Path | tuple[str, str] | Sequence[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class BatchPair:
    """
    One pair of a batch.

    Attributes
    ----------
    place : str
        File and line in the manifest, for messages.
    scene, rgb : Path or Url
        Input images.
    out : Path
        Output.
    settings : Settings
        Settings of the run.
    missing : str
        Why the pair cannot be fused: the files that do not exist; empty if all do.
    """

    place: str
    scene: AnyPath
    rgb: AnyPath
    out: Path
    settings: Settings
    missing: str = ""

    @property
    def inputs(self) -> tuple[str | os.PathLike[str], ...]:
        """All files that its run reads."""
        return (self.scene, self.rgb, *self.settings.files)


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    The pairs of a batch in order.

    Attributes
    ----------
    pairs : tuple of BatchPair
        Pairs with distinct outputs.
    notes : tuple of str
        Files that belong to no pair.
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
    Read the pairs of a batch.

    Parameters
    ----------
    source : path, tuple of two patterns, or sequence of mappings
        See :func:`hsfuse.run_batch`.
    folder : Path
        Folder of the outputs.
    settings : Settings
        Settings of all pairs; columns replace them.
    suffix : str
        Suffix of outputs without a given name.
    assets : tuple of str, optional
        Keys of the assets of STAC items with the HS and the MS image.

    Raises
    ------
    ManifestError
        With all errors, one line each.
    """
    table = _table(source, assets)
    pairs, faults = [], [*table.faults, *_unknown_columns(table)]
    for row in table.rows:
        pair, pair_faults = _pair(row, table.folder, folder, settings, suffix)
        pairs += [] if pair is None else [pair]
        faults += [f"{row.place}: {fault}" for fault in pair_faults]
    listed = [Path(source)] if isinstance(source, str | os.PathLike) else []
    faults += _conflicts(pairs, listed)
    if not table.rows and not faults:
        faults.append(f"{source}: holds no pair; expected at least one")
    if pairs and all(pair.missing for pair in pairs):  # as where paths count from another folder
        faults += [f"{pair.place}: {pair.missing}" for pair in pairs]
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
    rows_of: list[Mapping[str, object]] = [
        mapping for mapping in source if isinstance(mapping, Mapping)
    ]
    if len(rows_of) < len(source):
        raise ManifestError(["rows of a batch are mappings with the keys scene and rgb"])
    return table_of(rows_of)


def _unknown_columns(table: Table) -> list[str]:
    """Return an error message for each unknown column, at its first occurrence."""
    first: dict[str, str] = {}
    for row in table.rows:
        for column in row.values:
            first.setdefault(column, row.place)
    return [
        f"{place}: column {column!r} {fault}"
        for column, place in first.items()
        if (fault := find_unknown(column))
    ]


def _pair(
    row: Row, base: Path, folder: Path, settings: Settings, suffix: str
) -> tuple[BatchPair | None, list[str]]:
    """Return the pair of a row, or its errors."""
    files, faults = {}, []
    for column in ("scene", "rgb"):
        path, fault = find_file(row.values.get(column), base)
        files[column] = path
        faults += [f"{column}: {fault}"] if fault else []
    options, option_faults = read_options(row.values, base)
    faults += option_faults
    try:
        settings = replace(settings, **options)  # type: ignore[arg-type]  # checked by read_options
    except HsfuseError as error:
        faults.append(error.message)
    scene, rgb = files["scene"], files["rgb"]
    if scene is None or rgb is None:
        return None, faults
    try:
        out = folder / _output(row.values, scene, suffix)
        find_format(out).check_options(settings.creation_options, settings.likely_dtype)
    except (HsfuseError, ValueError) as error:
        return None, [*faults, f"out: {message_of(error)}"]
    named = {**files, **{name: options.get(name) for name in PATHS}}
    missing = "; ".join(
        f"{column}: {path}: no such file"
        for column, path in named.items()
        if isinstance(path, str | os.PathLike) and is_missing(path)
    )
    return (None if faults else BatchPair(row.place, scene, rgb, out, settings, missing)), faults


def _output(values: Mapping[str, object], scene: AnyPath, suffix: str) -> Path:
    """Return the path of an output in the folder of the batch."""
    out, name = values.get("out"), values.get("name")
    if out is None and name is None:
        local = Path(scene.name) if isinstance(scene, Url) else scene
        return Path(default_output(local).name).with_suffix(suffix)
    if out is None:
        path = Path(f"{name}_fused{suffix}")
        if len(path.parts) != 1:
            raise ValueError(f"found the name {name!r}; expected one without slashes")
        return path
    path = Path(str(out))
    if path.is_absolute() or ".." in path.parts:
        raise PlanError(f"found {path}; expected a path within the folder of the batch")
    return path


def _conflicts(pairs: Sequence[BatchPair], manifest: Sequence[Path]) -> list[str]:
    """Return errors for outputs that two pairs share, or that are inputs of the batch."""
    faults = []
    first: dict[Path, str] = {}
    places = {real_path(file): pair.place for pair in pairs for file in pair.inputs}
    inputs = InputFiles([*manifest, *(file for pair in pairs for file in pair.inputs)])
    companions: dict[Path, BatchPair] = {}
    for pair in pairs:
        out = real_path(pair.out)
        if out in first:
            hint = "name the outputs in a column out"
            faults.append(f"{pair.place}: writes {pair.out}, as does {first[out]}; {hint}")
        elif out in places:
            faults.append(f"{pair.place}: writes {pair.out}, which is an input of {places[out]}")
        elif replaced := inputs.find([pair.out, *side_files(pair.out)]):
            file, source = replaced
            faults.append(f"{pair.place}: writes {file}, which belongs to the input {source}")
        elif within := [parent for parent in out.parents if parent in first]:
            faults.append(f"{pair.place}: writes {pair.out} within {within[0]}, another output")
        else:
            faults += _shared_companions(pair, companions)
        first.setdefault(out, pair.place)
    return faults


def _shared_companions(pair: BatchPair, owners: dict[Path, BatchPair]) -> list[str]:
    """Return an error for a companion file of another pair's output; add the files of this pair."""
    files = [pair.out, *find_format(pair.out).companions(pair.out)]
    paths = [real_path(path) for path in files]
    shared = [path for path in paths if path in owners]
    for path in paths:
        owners.setdefault(path, pair)
    if not shared:
        return []
    other = owners[shared[-1]]
    return [
        f"{pair.place}: writes {pair.out} with {shared[-1].name}, which {other.out} of "
        f"{other.place} has as well; name the outputs in a column out"
    ]
