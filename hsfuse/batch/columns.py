"""Columns of a manifest: files, and options of a run."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hsfuse.errors import HsfuseError, message_of
from hsfuse.fusion.request import WITHOUT_EFFECT
from hsfuse.fusion.settings import Settings
from hsfuse.io.files.location import full_path, locate_file
from hsfuse.io.files.url import AnyPath, Url, as_path
from hsfuse.sensor.catalogue import pick_sensor
from hsfuse.sensor.model import Sensor

__all__ = ["PATHS", "find_file", "find_unknown", "is_missing", "read_options"]

_PAIR_COLUMNS = ("scene", "rgb", "out", "name")
# Options that apply to the whole batch are not columns.
_OPTIONS = [field.name for field in fields(Settings) if field.name not in WITHOUT_EFFECT]
#: Options that name a file.
PATHS = ("hs_mask", "rgb_mask", "weights")
_SENSORS = ("hs_sensor", "rgb_sensor")
_COUNTS = {"fwhm": 2, "bbox": 4}
_ALIASES = {"co": "creation_options"}


def find_file(value: object, base: Path) -> tuple[AnyPath | None, str]:
    """Return the path of a file, which may be missing (:func:`is_missing`), or an error message."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        return None, f"found {'nothing' if value is None else repr(value)}; expected a path"
    text = os.fspath(value)
    try:
        url = as_path(text)
        if isinstance(url, Url):  # its existence is checked when it is opened
            return url, ""
        place = locate_file(text)
    except HsfuseError as error:
        return None, error.message
    if place.path != str(place.file):  # a member of an archive, or a variable
        if not Path(place.file).is_absolute():
            return None, f"found {text}; expected an absolute path where it names part of a file"
        return Path(text), ""
    file = Path(place.file)
    return file if file.is_absolute() else full_path(base / file), ""


def is_missing(path: str | os.PathLike[str]) -> bool:
    """Return whether there is no such file on this machine; the archive counts for its members."""
    file = locate_file(path).file
    return not isinstance(file, Url) and not file.exists()


def find_unknown(column: str) -> str:
    """Return an error message for an unknown column name; empty for a known one."""
    name = _option(column)
    if column in _PAIR_COLUMNS or name in _OPTIONS:
        return ""
    if name in WITHOUT_EFFECT:
        return "is an option of the whole batch; expected on the command line"
    near = difflib.get_close_matches(name, (*_PAIR_COLUMNS, *_OPTIONS), n=1)
    accepted = ", ".join((*_PAIR_COLUMNS, *_OPTIONS))
    hint = f"did you mean {near[0]}?" if near else f"expected one of {accepted}"
    return f"is no option of hsfuse run; {hint}"


def read_options(values: Mapping[str, object], base: Path) -> tuple[dict[str, object], list[str]]:
    """
    Return the options of a run in the columns of a row, and error messages.

    Parameters
    ----------
    values : mapping
        Values of all columns; texts are converted to the type of the option.
    base : Path
        Folder to which paths are relative.
    """
    options, faults = {}, []
    for column, value in values.items():
        name = _option(column)
        if column in _PAIR_COLUMNS or name not in _OPTIONS:
            continue
        try:
            options[name] = _value(name, value, base)
        except (HsfuseError, ValueError) as error:
            faults.append(f"{column}: {message_of(error)}")
    return options, faults


def _option(column: str) -> str:
    """Return the setting of a column, which may be spelt like the option of the command."""
    name = column.strip().lower().lstrip("-").replace("-", "_")
    return _ALIASES.get(name, name)


@cache
def _adapter(name: str) -> TypeAdapter[object]:
    hint = get_type_hints(Settings)[name]
    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))


def _value(name: str, value: object, base: Path) -> object:
    """Return the validated value of an option."""
    if name in _SENSORS:
        return _sensor(value, base)
    if isinstance(value, str) and name == "creation_options":
        value = _creation_options(value)
    if isinstance(value, str) and name in _COUNTS:
        value = value.split()
    if isinstance(value, Sequence) and len(value) != _COUNTS.get(name, len(value)):
        raise ValueError(f"found {value!r}; expected {_COUNTS[name]} numbers")
    try:
        validated = _adapter(name).validate_python(value)
    except ValidationError as error:
        accepted = (
            details["msg"].removeprefix("Input should be ").split(",")[0]
            for details in error.errors()
        )
        expected = " or ".join(dict.fromkeys(accepted))
        raise ValueError(f"found {value!r}; expected {expected}") from error
    if name in PATHS and validated is not None:
        path, fault = find_file(validated, base)
        if fault:
            raise ValueError(fault)
        return str(path)
    return validated


def _sensor(value: object, base: Path) -> Sensor | str:
    if isinstance(value, Sensor):
        return value
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"found {value!r}; expected the name of a sensor, or a TOML file")  # noqa: TRY004
    text = os.fspath(value)
    sensor = str(full_path(base / text)) if re.search(r"\.toml(:|$)", text, re.IGNORECASE) else text
    pick_sensor(sensor)  # raises for an unknown sensor
    return sensor


def _creation_options(text: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in shlex.split(text)]
    if not all(equals and key and value for key, equals, value in pairs):
        raise ValueError(f"found {text!r}; expected KEY=VALUE, several separated by spaces")
    return {key: value for key, _, value in pairs}
