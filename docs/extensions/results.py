"""The tables in `benchmarks/results`, as pages under `generated/results`."""

from __future__ import annotations

from pathlib import Path

# Tables need the width that the contents of the page would take.
WIDE = "---\nhtml_theme.sidebar_secondary.remove: true\n---\n\n"
FOLDER = Path(__file__).parents[2] / "benchmarks" / "results"


def pages() -> dict[str, str]:
    """Return the tables by the name of their page; one without a title gets that of its file."""
    return {f"results/{path.name}": _page(path) for path in sorted(FOLDER.glob("*.md"))}


def _page(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if not text.startswith("# "):
        text = f"# {path.stem.replace('-', ' ')}\n\n{text}"
    return WIDE + text
