"""
The text of commands and options, which is written for terminals, as reStructuredText.

sphinx-click reads help texts as markup; here ``*`` and ``_`` stand for themselves, examples become
code, and options have the defaults that ``--help`` shows, some of which depend on the library.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sphinx.application import Sphinx

BAR = "| "  # sphinx-click's mark of a line that is not wrapped


def register(app: Sphinx) -> None:
    """Change what sphinx-click makes of descriptions and options."""
    app.connect("sphinx-click-process-description", _rewrite_description)
    app.connect("sphinx-click-process-options", _rewrite_options)


def _rewrite_description(_app: Sphinx, _ctx: click.Context, lines: list[str]) -> None:
    rewritten: list[str] = []
    for unwrapped, group in groupby(lines, lambda line: line.startswith(BAR)):
        block = list(group)
        if not unwrapped:
            rewritten += map(_markup, block)
            continue
        title, *code = [line.removeprefix(BAR) for line in block]
        rewritten += [_markup(title), "", ".. code-block:: text", ""]
        rewritten += [f"   {line}" for line in code] + [""]
    lines[:] = rewritten


def _rewrite_options(_app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    signatures = [line for line in lines if line.startswith(".. option::")]
    options = [
        parameter
        for parameter in ctx.command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    lines[:] = []
    for signature, option in zip(signatures, options, strict=True):
        record = option.get_help_record(ctx)
        text = record[1] if record is not None else ""
        if isinstance(option.type, click.Choice):
            text += f" One of {', '.join(map(str, option.type.choices))}."
        lines += [signature, "", f"    {_markup(' '.join(text.split()))}", ""]


def _markup(text: str) -> str:
    """Return a line in which backticks mark code, and no other character is markup."""
    parts = re.split(r"`([^`]+)`", text)
    return "".join(
        f"``{part}``" if place % 2 else re.sub(r"([*_|\\])", r"\\\1", part)
        for place, part in enumerate(parts)
    )
