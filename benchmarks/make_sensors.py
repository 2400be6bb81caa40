"""
Write sensor definitions from a folder of source tables.

``python benchmarks/make_sensors.py TABLES SENSORS --overwrite`` reads ``bands/*.csv`` and
``srf/*.csv`` of TABLES and writes, for every sensor of :mod:`sensor_tables` whose terms
allow it, one TOML and its CSV tables into SENSORS, with the SHA-256 of the table used.
With ``--private`` it writes those of :mod:`withheld_tables`, for one's own use:
``--rgb-sensor FOLDER/worldview-2.toml`` takes them.

Band tables are copied, but for bands flagged bad here; the curves of several bands gain
rows of zeros in the holes between the bands (:func:`close_holes`). What is made up
(Gaussian bands, nominal grids) needs no table.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import logging
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

from sensor_tables import PIXEL, SENSORS, Entry, Section
from withheld_tables import WITHHELD

logger = logging.getLogger(__name__)


def section(name: str, values: Section) -> str:
    """Return one TOML section; JSON's strings, numbers and lists are TOML's too."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines] if name else lines) + "\n"


def close_holes(content: str) -> str:
    """
    Return response curves with zeros where no band was sampled.

    The grid is the union of the bands' own grids, so the last sample of one band, which
    need not be zero, may be followed by the first of another hundreds of nanometres on.
    Read as a straight line, that tail holds up to a sixth of the band's area. A band that
    responds on both sides of a hole is taken to do so, linearly, within it.
    """
    header, *rows = content.split()
    table = [[float(value) for value in row.split(",")] for row in rows]
    step = median(after[0] - before[0] for before, after in pairwise(table))
    closed = [header, rows[0]]
    for (before, after), row in zip(pairwise(table), rows[1:], strict=True):
        width = after[0] - before[0]
        for wavelength in (before[0] + step, after[0] - step) if width > 2 * step else ():
            share = (wavelength - before[0]) / width
            inside = [
                f"{left + share * (right - left):.6g}" if left and right else "0"
                for left, right in zip(before[1:], after[1:], strict=True)
            ]
            closed.append(",".join([f"{wavelength:g}", *inside]))
        closed.append(row)
    return "\n".join([*closed, ""])


def write_table(path: Path, content: str, *, status: str, source: str, sha256: str) -> Section:
    """Write a CSV and return the section that names it."""
    path.write_text(content, encoding="utf-8", newline="\n")
    return {"file": path.name, "status": status, "source": source, "sha256": sha256}


def digest(content: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(content.encode()).hexdigest()


def band_table(entry: Entry, tables: Path) -> tuple[str, str]:
    """Return the CSV of a sensor's bands, and the text of which the digest is stated."""
    if entry.rows:
        lines = [
            f"{band},{centre},{'' if fwhm is None else fwhm},{good:d}"
            for band, centre, fwhm, good in entry.rows
        ]
        content = "\n".join(["band,centre_nm,fwhm_nm,good", *lines, ""])
        return content, content
    source = (tables / "bands" / f"{entry.table}.csv").read_bytes().decode()
    lines = source.splitlines()
    for number, line in enumerate(lines):
        if line.split(",")[0] in entry.bad_names:
            lines[number] = line.rpartition(",")[0] + ",0"
    return ("\n".join([*lines, ""]) if entry.bad_names else source), source


def conventional_blur(table: str, tables: Path) -> Section:
    """Return the mean of the MTF that pansharpening assumes of a sensor's bands, or a pixel."""
    with (tables / "mtf.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["sensor"] == table
            and row["kind"] == "literature convention"
            and row["band"] != "PAN"
            and row["mtf_nyquist"]
        ]
    if not rows:
        return PIXEL
    gains = ", ".join(f"{row['band']} {row['mtf_nyquist']}" for row in rows)
    return {
        "mtf_nyquist": round(mean(float(row["mtf_nyquist"]) for row in rows), 3),
        "status": "convention",
        "source": f"mean of {gains} in {rows[0]['source'].split(':')[0]}",
    }


def write_sensor(name: str, entry: Entry, tables: Path, target: Path) -> None:
    """Write one definition."""
    top: Section = {"id": name, "title": entry.title, "kind": entry.kind}
    if entry.aliases:
        top["aliases"] = list(entry.aliases)
    if entry.gsd:
        top |= dict(zip(("gsd_m", "gsd_status", "gsd_source"), entry.gsd, strict=True))
    content, source = band_table(entry, tables)
    bands = write_table(
        target / f"{entry.shares or name}_bands.csv",
        content,
        status=entry.bands_status,
        source=entry.bands_source,
        sha256=digest(source),
    )
    parts = [section("", top), section("bands", bands)]
    if entry.srf_status:
        content = (tables / "srf" / f"{entry.table}.csv").read_bytes().decode()
        srf = write_table(
            target / f"{name}_srf.csv",
            close_holes(content),
            status=entry.srf_status,
            source=entry.url,
            sha256=digest(content),
        )
        parts.append(section("srf", srf | ({"negative": True} if entry.negative else {})))
    # Only what is withheld has nothing better than pansharpening's conventions.
    blur = conventional_blur(entry.table, tables) if entry.withheld else PIXEL
    parts.append(section("psf", entry.psf or blur))
    if entry.bad:
        parts.append(section("bad", entry.bad))
    about: Section = {"url": entry.url, "licence": entry.licence}
    note = f"Not to be passed on: {entry.withheld}." if entry.withheld else entry.note
    parts.append(section("source", about | ({"note": note} if note else {})))
    (target / f"{name}.toml").write_text("\n".join(parts), encoding="utf-8", newline="\n")


def write_sensors(entries: Mapping[str, Entry], tables: Path, target: Path) -> None:
    """Write definitions into a folder, which is made where it lacks."""
    target.mkdir(parents=True, exist_ok=True)
    for name, entry in entries.items():
        write_sensor(name, entry, tables, target)
        logger.info("%s: %s", name, entry.withheld or entry.licence)


def write_withheld(target: Path) -> None:
    """Write the names of what is not shipped, so that hsfuse can say why."""
    lines = [
        f"{name},{entry.withheld}"
        for key, entry in WITHHELD.items()
        for name in sorted({key, entry.table.replace("_", "-")} - set(SENSORS))
    ]
    text = "\n".join(["name,reason", *lines, ""])
    (target / "withheld.csv").write_text(text, encoding="utf-8", newline="\n")


def refuse(entries: Mapping[str, Entry], tables: Path, target: Path, *, overwrite: bool) -> None:
    """Leave when a table is not there, or a definition is already."""
    wanted = [tables / "mtf.csv"]
    for entry in entries.values():
        folders = ("bands", "srf") if entry.srf_status else ("bands",)
        wanted += [tables / folder / f"{entry.table}.csv" for folder in folders if entry.table]
    absent = [path for path in wanted if not path.is_file()]
    if absent:
        sys.exit(f"{absent[0]}: no such table, and {len(absent) - 1} more; name their folder")
    there = [path for name in entries if (path := target / f"{name}.toml").exists()]
    if there and not overwrite:
        sys.exit(f"{there[0]}: exists already; pass --overwrite to replace it")


def main() -> None:
    """Write the definitions that may be shipped, or the others."""
    parser = argparse.ArgumentParser(description="Write sensor definitions of hsfuse.")
    parser.add_argument("tables", type=Path, help="folder with bands/, srf/ and mtf.csv")
    parser.add_argument("sensors", type=Path, help="folder to write into")
    parser.add_argument(
        "--private", action="store_true", help="those that may not be passed on, for your own use"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace definitions")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    entries = WITHHELD if options.private else SENSORS
    refuse(entries, options.tables, options.sensors, overwrite=options.overwrite)
    write_sensors(entries, options.tables, options.sensors)
    if not options.private:
        write_withheld(options.sensors)


if __name__ == "__main__":
    main()
