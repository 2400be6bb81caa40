"""The page of fusion methods, from `hsfuse.methods.table` and the docstrings of the modules."""

from __future__ import annotations

from hsfuse.methods.table import METHODS, MethodSpec

from .text import list_table, title


def pages() -> dict[str, str]:
    """Return the page of the methods."""
    rows = [_row(name, spec) for name, spec in METHODS.items()]
    parts = [
        title("Fusion methods", "="),
        "``hsfuse run --method NAME`` selects a method, ``hsfuse methods`` lists them. Below the "
        "table each has a section with its publication, and with what differs from it.\n",
        list_table(("method", "what it does", "weights", "standard error"), rows, (14, 60, 14, 12)),
    ]
    documented: set[str] = set()
    for name, spec in METHODS.items():
        parts.append(f".. _method-{name}:\n\n{title(name, '-')}")
        module = spec.path.split(":")[0]
        if module in documented:
            parts.append(f"See :mod:`{module}` above.\n")
            continue
        documented.add(module)
        parts.append(f".. automodule:: {module}\n   :no-members:\n")
    return {"methods.rst": "\n".join(parts)}


def _row(name: str, spec: MethodSpec) -> tuple[str, ...]:
    weights = "needed" if spec.needs_weights else "optional" if spec.takes_weights else "no"
    return (
        f":ref:`method-{name}`",
        spec.summary.replace("`", "``"),
        weights,
        "yes" if spec.gives_standard_error else "no",
    )
