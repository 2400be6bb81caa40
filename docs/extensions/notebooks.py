"""The notebooks of the repository, as pages under `generated/notebooks`."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "notebooks"


def pages() -> dict[str, bytes]:
    """Return the notebooks by the name of their page."""
    return {f"notebooks/{path.name}": path.read_bytes() for path in sorted(FOLDER.glob("*.ipynb"))}
