"""
Pages of the site that are generated from the code and the data of the repository.

Each module here turns one source (table of methods, sensor definitions, cards of weights,
notebooks) into pages of ``docs/generated``, so that no fact is written down twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import (
    command_line,
    figures,
    mathml,
    methods,
    model_cards,
    notebooks,
    project,
    results,
    sensors,
)

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the generated pages, the texts of commands and the renderer of formulas."""
    app.connect("builder-inited", _write_pages)
    command_line.register(app)
    mathml.register(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write_pages(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "generated"
    pages: dict[str, str | bytes] = {
        **figures.pages(),
        **methods.pages(),
        **sensors.pages(),
        **model_cards.pages(),
        **notebooks.pages(),
        **project.pages(),
        **results.pages(),
    }
    for name, content in pages.items():
        _write(folder / name, content.encode() if isinstance(content, str) else content)
    for path in folder.rglob("*"):
        if path.is_file() and str(path.relative_to(folder)) not in pages:
            path.unlink()


def _write(path: Path, content: bytes) -> None:
    """Write a file unless it has this content: Sphinx reads what is newer than its cache."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
