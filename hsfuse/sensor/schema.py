"""
Schema of sensor definitions: a model for each section, and one line for each error.

Units are part of the names of keys. An unknown key is an error, so that a misspelling (``fwhm`` for
``fwhm_across_px``) is reported.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hsfuse.core.psf import DefinedStatus
from hsfuse.sensor.model import Kind

__all__ = ["Definition", "Psf", "Table", "read_sections"]

Status = Literal["measured", "specification", "convention", "assumed", "nominal", "derived"]

# The description of a field is the expected value in error messages.
Text = Annotated[str, Field(description="text", min_length=1)]
Size = Annotated[float, Field(description="a positive number", gt=0)]
Gain = Annotated[float, Field(description="a number between 0 and 1", gt=0, lt=1)]
Edge = Annotated[float, Field(gt=0)]
StatusText = Annotated[Status, Field(description=f"one of {', '.join(get_args(Status))}")]
PSFText = Annotated[
    DefinedStatus, Field(description=f"one of {', '.join(get_args(DefinedStatus))}")
]
KindText = Annotated[Kind, Field(description=f"one of {', '.join(get_args(Kind))}")]

# Pairs of keys that state a PSF: along and across track, or one for both.
_WAYS = (
    ("fwhm_along_px", "fwhm_across_px"),
    ("fwhm_along_m", "fwhm_across_m"),
    ("mtf_nyquist_along", "mtf_nyquist_across"),
    ("mtf_nyquist", "mtf_nyquist"),
)


class Section(BaseModel):
    """Base of the sections; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Top(Section):
    """Keys above the sections."""

    id: Text
    title: Text
    kind: KindText
    aliases: Annotated[list[str], Field(description="a list of text")] = []
    gsd_m: Size | None = None
    gsd_status: Annotated[StatusText | None, Field(validate_default=True)] = None
    gsd_source: Text = ""

    @field_validator("gsd_status")
    @classmethod
    def _stated(cls, value: str | None, info: Any) -> str | None:
        if value is None and info.data.get("gsd_m") is not None:
            raise ValueError("a pixel size needs it")
        return value


class Table(Section):
    """A CSV table in the folder of the definition."""

    file: Text
    status: StatusText
    source: Text = ""
    sha256: Text = ""


class Curves(Table):
    """Response curves."""

    negative: Annotated[bool, Field(description="true or false")] = False


class Psf(Section):
    """The PSF, in one of several forms."""

    status: PSFText
    source: Text = ""
    fwhm_along_px: Size | None = None
    fwhm_across_px: Size | None = None
    fwhm_along_m: Size | None = None
    fwhm_across_m: Size | None = None
    mtf_nyquist: Gain | None = None
    mtf_nyquist_along: Gain | None = None
    mtf_nyquist_across: Gain | None = None

    @property
    def form(self) -> tuple[str, str]:
        """The stated keys, along and across track."""
        return next(form for form in _WAYS if self.model_fields_set >= set(form))

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        stated = self.model_fields_set - {"status", "source"}
        if stated not in [set(form) for form in _WAYS]:
            raise ValueError(
                "must give fwhm_along_px and fwhm_across_px, the same in _m, mtf_nyquist, or "
                "mtf_nyquist_along and mtf_nyquist_across, "
                f"got {', '.join(sorted(stated)) or 'none'}"
            )
        return self


class Bad(Section):
    """Unusable wavelengths."""

    status: StatusText
    source: Text = ""
    windows_nm: Annotated[
        list[Annotated[list[Edge], Field(min_length=2, max_length=2)]],
        Field(description="pairs [low, high] in nanometres"),
    ] = []

    @field_validator("windows_nm")
    @classmethod
    def _rising(cls, windows: list[list[float]]) -> list[list[float]]:
        if any(low >= high for low, high in windows):
            raise ValueError("low is below high")
        return windows


class Terms(Section):
    """Origin and terms of a definition."""

    url: Text = ""
    licence: Text = ""
    note: Text = ""


class Definition(NamedTuple):
    """The sections of a definition; None for a section that is absent or not valid."""

    top: Top | None
    bands: Table | None
    srf: Curves | None
    psf: Psf | None
    bad: Bad | None
    source: Terms | None


_MODELS: dict[str, type[Section]] = {
    "top": Top, "bands": Table, "srf": Curves, "psf": Psf, "bad": Bad, "source": Terms,
}  # fmt: skip


def read_sections(document: Mapping[str, Any], faults: list[str]) -> Definition:
    """
    Return the valid sections of a TOML document.

    Parameters
    ----------
    document : mapping
        The parsed TOML document.
    faults : list of str
        Errors, appended to: one line for each unknown, missing or invalid section or key.
    """
    tables = {key: value for key, value in document.items() if isinstance(value, dict)}
    contents = {
        "top": {key: value for key, value in document.items() if key not in tables}
    } | tables
    unknown = [name for name in tables if name not in _MODELS]
    names = ", ".join(f"[{name}]" for name in list(_MODELS)[1:])
    faults += [f"unknown section [{name}]; known are {names}" for name in unknown]
    if not unknown and not {"bands", "srf"} & set(tables):
        faults.append("it needs [bands] or [srf] with a file")
    sections: dict[str, Any] = dict.fromkeys(_MODELS)
    for name in [name for name in contents if name in _MODELS]:
        try:
            sections[name] = _MODELS[name].model_validate(contents[name])
        except ValidationError as error:
            faults += _lines(name, contents[name], error)
    return Definition(**sections)


def _lines(name: str, table: Mapping[str, object], error: ValidationError) -> Iterator[str]:
    """Yield a line for each invalid key, with the found and the expected value."""
    fields = _MODELS[name].model_json_schema()["properties"]
    errors = error.errors()
    unknown = [str(fault["loc"][0]) for fault in errors if fault["type"] == "extra_forbidden"]
    for key in dict.fromkeys("".join(map(str, fault["loc"][:1])) for fault in errors):
        where = key if name == "top" else f"[{name}] {key}"
        if not key:
            yield f"{where}{errors[0]['ctx']['error']}"
        elif key in unknown:
            yield f"unknown key {where}; known are {', '.join(fields)}"
        # A misspelt key is not reported as missing as well.
        elif key in table or not difflib.get_close_matches(key, unknown):
            expected = fields[key].get("description") or fields[key]["anyOf"][0]["description"]
            value = repr(table[key]) if key in table else "none"
            yield f"{where} must be {expected}, got {value}"
