"""Pieces of reStructuredText that the generated pages share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def title(text: str, mark: str) -> str:
    """Return a heading, underlined with a mark."""
    return f"{text}\n{mark * len(text)}\n"


def list_table(
    head: Sequence[str] | None, rows: Iterable[Sequence[str]], widths: Sequence[int]
) -> str:
    """Return a table of cells that may hold markup; without a head the first column is one."""
    header = "header-rows" if head else "stub-columns"
    lines = [
        ".. list-table::",
        f"   :{header}: 1",
        f"   :widths: {' '.join(map(str, widths))}",
        "   :class: wrapped",
        "",
    ]
    for row in (*((head,) if head else ()), *rows):
        for place, cell in enumerate(row):
            lines.append(f"   {'* -' if place == 0 else '  -'} {cell}".rstrip())
    return "\n".join(lines) + "\n"
