"""
Files of the repository's root, under `generated/project`.

They are copied into one folder, so that links between them are links of the site.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
LINKED = ("LICENSE", "NOTICE")


def pages() -> dict[str, bytes]:
    """Return the files by the name of their page."""
    return {f"project/{name}": (ROOT / name).read_bytes() for name in (*PAGES, *LINKED)}
