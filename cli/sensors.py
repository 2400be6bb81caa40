"""`hsfuse sensors`: list, show and check sensor definitions."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsfuse.errors import SensorError

from .options import json_option, overwrite_option

if TYPE_CHECKING:
    from hsfuse.sensor.catalogue import Sensor

__all__ = ["sensors"]

_COLUMNS: tuple[str, ...] = ("id", "kind", "bands", "range", "GSD", "PSF", "title")


@click.group()
def sensors() -> None:
    """List, show and check sensor definitions."""


@sensors.command("list")
@json_option
def list_command(*, as_json: bool) -> None:
    """List the sensors that come with hsfuse."""
    from hsfuse.sensor.catalogue import list_sensors, load_sensor

    catalogue = [load_sensor(name) for name in list_sensors()]
    if as_json:
        click.echo(json.dumps([_summary(sensor) for sensor in catalogue], indent=2))
        return
    rows = [_COLUMNS, *map(_row, catalogue)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS) - 1)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[-1]]))


@sensors.command(no_args_is_help=True)
@click.argument("name")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the bands' responses into a PNG file.",
)
@overwrite_option
@json_option
def show(name: str, *, plot: Path | None, overwrite: bool, as_json: bool) -> None:
    """
    Show the sensor NAME, or the definition in a TOML file.

    \b
    Examples:
      hsfuse sensors show sentinel-2a
      hsfuse sensors show sentinel-2a --plot sentinel-2a.png
      hsfuse sensors show my-camera.toml --json
    """  # noqa: D301 - click reads the mark
    from hsfuse.sensor.catalogue import load_sensor

    sensor = load_sensor(name)
    if plot is not None:
        from hsfuse.sensor.plot import write_responses

        write_responses(sensor, plot, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(_facts(sensor), indent=2))
        return
    click.echo(_describe(sensor))
    if plot is not None:
        click.echo(f"{'plot':<12}{plot}")


@sensors.command(no_args_is_help=True)
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def check(ctx: click.Context, file: Path, *, as_json: bool) -> None:
    """
    Check the sensor definition in FILE (TOML, with its tables in the same folder).

    Lists every fault on a line of its own, or shows the sensor as hsfuse reads it.
    """
    from hsfuse.sensor.catalogue import load_sensor
    from hsfuse.sensor.definition import check_definition

    if file.suffix.lower() != ".toml":
        raise SensorError(f"{file}: a sensor definition must end in .toml")
    faults = check_definition(file, file.parent)
    for fault in faults:
        click.echo(f"Error: {' '.join(fault.split())}", err=True)
    if as_json:
        facts = {"file": str(file), "valid": not faults, "faults": faults}
        sensor = None if faults else _facts(load_sensor(file))
        click.echo(json.dumps({**facts, "sensor": sensor}, indent=2))
    if faults:
        ctx.exit(1)
    if as_json:
        return
    click.echo(f"{_describe(load_sensor(file))}\n{file}: a valid definition")


def _row(sensor: Sensor) -> tuple[str, ...]:
    known = _known(sensor)
    return (
        sensor.id,
        sensor.kind,
        str(len(sensor.band_names)),
        f"{min(known):.0f}-{max(known):.0f} nm" if known else "-",
        "-" if math.isnan(sensor.gsd) else f"{sensor.gsd:g} m",
        sensor.psf.status,
        sensor.title,
    )


def _known(sensor: Sensor) -> list[float]:
    return [float(centre) for centre in sensor.wavelength if math.isfinite(centre)]


def _summary(sensor: Sensor) -> dict[str, object]:
    known = _known(sensor)
    return {
        "id": sensor.id,
        "title": sensor.title,
        "kind": sensor.kind,
        "bands": len(sensor.band_names),
        "wavelength_range": [min(known), max(known)] if known else None,
        "gsd_m": sensor.gsd if math.isfinite(sensor.gsd) else None,
        "psf_status": sensor.psf.status,
    }


def _describe(sensor: Sensor) -> str:
    psf, bad = sensor.psf, int((~sensor.good).sum())
    lines = [
        ("sensor", f"{sensor.id}: {sensor.title}"),
        ("kind", sensor.kind),
        ("pixel", "" if math.isnan(sensor.gsd) else f"{sensor.gsd:g} m ({sensor.gsd_status})"),
        (
            "PSF",
            f"{psf.describe('pixels')}, y along track, {psf.status}: {psf.source}",
        ),
        (
            "response",
            f"curves ({sensor.curves.status})"
            if sensor.curves is not None
            else "a Gaussian for each band",
        ),
        ("source", sensor.source.url),
        ("licence", sensor.source.licence),
        ("note", sensor.source.note),
        ("bands", f"{len(sensor.band_names)}, {bad} of them bad ({sensor.bands_status})"),
    ]
    text = [f"{label:<12}{value}" for label, value in lines if value]
    text += [
        f"  {name:<12}{_nanometres(centre)}, FWHM {_nanometres(width)}" + ("" if ok else "  bad")
        for name, centre, width, ok in zip(
            sensor.band_names, sensor.wavelength, sensor.fwhm, sensor.good, strict=True
        )
    ]
    return "\n".join(text)


def _nanometres(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1f} nm"


def _facts(sensor: Sensor) -> dict[str, object]:
    def numbers(values: list[float]) -> list[float | None]:
        return [value if math.isfinite(value) else None for value in values]

    return {
        "id": sensor.id,
        "title": sensor.title,
        "kind": sensor.kind,
        "gsd_m": sensor.gsd if math.isfinite(sensor.gsd) else None,
        "psf": {
            "fwhm_along_px": sensor.psf.fwhm[0],
            "fwhm_across_px": sensor.psf.fwhm[1],
            "status": sensor.psf.status,
        },
        "curves": sensor.curves is not None,
        "source": {"url": sensor.source.url, "licence": sensor.source.licence},
        "band_name": list(sensor.band_names),
        "wavelength": numbers(sensor.wavelength.tolist()),
        "fwhm": numbers(sensor.fwhm.tolist()),
        "good": sensor.good.tolist(),
    }
