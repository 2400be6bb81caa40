"""A model card for each weight file, from the JSON card beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .text import list_table, title

ROOT = Path(__file__).parents[2]
FOLDERS = (Path("hsfuse/nets/trained"), Path("benchmarks/weights"))


def pages() -> dict[str, str]:
    """Return a page for each card."""
    return {
        f"model-cards/{path.stem}.rst": _page(path.relative_to(ROOT), json.loads(path.read_text()))
        for folder in FOLDERS
        for path in sorted((ROOT / folder).glob("*.json"))
    }


def _page(path: Path, card: dict[str, Any]) -> str:
    about, domain = card["about"], card["domain"]
    origin = "installed with hsfuse" if path.parent == FOLDERS[0] else "in the repository only"
    facts = {
        "file": f"``{path.with_suffix('.safetensors')}``, {origin}",
        "SHA-256": f"``{card['sha256']}``",
        "pairs": _domain(domain),
        "training data": about["data"]["name"].replace("`", "``"),
        "terms": about["terms"],
    }
    parts = [title(card["name"], "="), list_table(None, facts.items(), (20, 80))]
    parts += [title("Scenes", "-"), _scenes(about["data"])]
    if about.get("scores"):
        parts += [title("Scores", "-"), _scores(about["scores"])]
    for heading, values in (
        ("Network", card["architecture"]),
        ("Training", about.get("recipe", {})),
    ):
        rows = [(f"``{name}``", text) for name, text in _flat(values)]
        parts += [title(heading, "-"), list_table(None, rows, (45, 55))]
    return "\n".join(parts)


def _scores(scores: dict[str, Any]) -> str:
    """Return a table of the pairs that methods were compared on, and one of other figures."""
    compared = {
        group: methods
        for group, methods in scores.items()
        if isinstance(methods, dict) and all(isinstance(each, dict) for each in methods.values())
    }
    others = {name: value for name, value in scores.items() if name not in compared}
    tables = []
    if compared:
        every = [figures for methods in compared.values() for figures in methods.values()]
        names = list(dict.fromkeys(name for figures in every for name in figures))
        rows = [
            (_words(group), method, *(_shown(figures.get(name, "")) for name in names))
            for group, methods in compared.items()
            for method, figures in methods.items()
        ]
        head = ("pairs", "method", *map(_words, names))
        tables.append(list_table(head, rows, (40, 20, *(14 for _ in names))))
    if others:
        rows = [(_words(name), text) for name, text in _flat(others)]
        tables.append(list_table(None, rows, (45, 55)))
    return "\n".join(tables)


def _words(name: str) -> str:
    """Return a key of a card as a reader would write it."""
    names = {"psnr_db": "PSNR, dB", "sam_degrees": "SAM, degrees"}
    return names.get(name, name.replace("_", " ").replace("cave ", "CAVE "))


def _domain(domain: dict[str, Any]) -> str:
    def span(values: list[float]) -> str:
        return f"{values[0]:g}" if values[0] == values[1] else f"{values[0]:g} to {values[1]:g}"

    bands = (
        f"HS bands at {domain['wavelength'][0]:g} to {domain['wavelength'][-1]:g} nm "
        f"({len(domain['wavelength'])})"
        if domain["wavelength"]
        else "any HS bands"
    )
    return f"ratio {span(domain['ratio'])}, {span(domain['fine_bands'])} MS bands, {bands}"


def _scenes(data: dict[str, Any]) -> str:
    rows = [
        (label, ", ".join(Path(name).stem for name in data[key]))
        for key, label in (
            ("cubes", "trained on"),
            ("validation", "validated on"),
            ("held_out", "held out"),
        )
        if data.get(key)
    ]
    return list_table(None, rows, (20, 80))


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        elif value is not None:
            rows.append((f"{prefix}{name}", _shown(value)))
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
