"""Formatting of numbers, names, sizes and tables for messages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

__all__ = [
    "along_axes",
    "byte_size",
    "duration",
    "fixed",
    "html_table",
    "image_size",
    "listed",
    "percent",
    "round_length",
    "table",
]

_LABEL = 16  # width of the column of labels in characters


def table(lines: Iterable[tuple[str, str]]) -> str:
    """Return a table of labels and texts, one line each, without lines with an empty text."""
    return "\n".join(f"{label:<{_LABEL}}{text}" for label, text in lines if text)


def html_table(caption: str, rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """
    Return an HTML table for notebooks; the first cell of a row is its heading.

    Examples
    --------
    >>> html_table("pair", [("HS < MS", "3")])  # doctest: +ELLIPSIS
    '<table><caption>pair</caption><tr><th style="text-align: left">HS &lt; MS</th><td ...
    """
    left = ' style="text-align: left"'
    top = "".join(f"<th{left}>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr><th{left}>{escape(first)}</th>"
        + "".join(f"<td{left}>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for first, *cells in rows
    )
    heading = f"<tr>{top}</tr>" if head else ""
    return f"<table><caption>{escape(caption)}</caption>{heading}{body}</table>"


def listed(names: Sequence[str], maximum: int = 6) -> str:
    """
    Return names separated by commas, at most ``maximum`` of them and the number of the others.

    Examples
    --------
    >>> listed(["red", "green"]), listed(["red", "green", "blue", "nir"], maximum=2)
    ('red, green', 'red, green and 2 more')
    """
    more = len(names) - maximum
    return ", ".join(names[:maximum]) + (f" and {more} more" if more > 0 else "")


def image_size(rows: int, columns: int) -> str:
    """
    Return the size of an image, in the order of its axes.

    Examples
    --------
    >>> image_size(120, 150)
    '120 rows x 150 columns'
    """
    return f"{rows} rows x {columns} columns"


def byte_size(count: float) -> str:
    """
    Return a number of bytes with three significant digits.

    Examples
    --------
    >>> byte_size(812), byte_size(495_012), byte_size(732_056_289), byte_size(1.2 * 2**40)
    ('812 B', '483 kiB', '698 MiB', '1.2 TiB')
    """
    for unit in ("B", "kiB", "MiB", "GiB", "TiB"):
        if count < 1000 or unit == "TiB":
            break
        count /= 1024
    return f"{count:.3g} {unit}" if count < 100 else f"{count:.0f} {unit}"


def duration(seconds: float) -> str:
    """
    Return a duration in one unit, rounded to two significant digits.

    Examples
    --------
    >>> duration(0.0123), duration(0.95446), duration(13.7), duration(251.0), duration(9000.0)
    ('0.01 s', '0.95 s', '14 s', '4.2 min', '2.5 h')
    """
    if seconds < 99.5:
        value, unit = seconds, "s"
    elif seconds < 99.5 * 60:
        value, unit = seconds / 60, "min"
    else:
        value, unit = seconds / 3600, "h"
    decimals = 2 if value < 0.995 else 1 if value < 9.95 else 0
    return f"{value:.{decimals}f} {unit}"


def percent(share: float) -> str:
    """
    Return a share in per cent, as by :func:`fixed` with two decimals.

    Examples
    --------
    >>> percent(0.01041), percent(2.34567e28)
    ('1.04%', '2.35e+30%')
    """
    return f"{fixed(100 * share, 2)}%"


def fixed(value: float, decimals: int) -> str:
    """
    Return a number with some decimals, from 10 000 on with three significant digits.

    Examples
    --------
    >>> fixed(1.0, 1), fixed(2.34567e30, 1), fixed(math.nan, 1)
    ('1.0', '2.35e+30', 'nan')
    """
    return f"{value:.3g}" if abs(value) >= 1e4 else f"{value:.{decimals}f}"


def along_axes(y: float, x: float, unit: str = "") -> str:
    """
    Return two numbers along y and x, or one when they are equal.

    Examples
    --------
    >>> along_axes(3.0, 3.0), along_axes(3.0, 3.0, "m"), along_axes(8.333, 8.34)
    ('3', '3 m', '8.333 along y, 8.34 along x')
    """
    down, across = (f"{value:.5g}{unit and ' ' + unit}" for value in (y, x))
    return down if down == across else f"{down} along y, {across} along x"


def round_length(limit: float) -> float:
    """
    Return the largest length of one digit that is 1, 2 or 5 and at most ``limit``, for a scale bar.

    Examples
    --------
    >>> round_length(740.0), round_length(0.3), round_length(1.0)
    (500.0, 0.2, 1.0)
    """
    power = 10.0 ** math.floor(math.log10(limit))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= limit * (1 + 1e-9))
