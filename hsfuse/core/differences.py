"""Differences between two descriptions, as text."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["find_differences"]

_HASH = re.compile(r"[0-9a-f]{32,}")


def find_differences(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """
    Return the differences of a description from an earlier one, one phrase each.

    Parameters
    ----------
    before, now : mapping
        Names and values of JSON types; hashes are not printed.

    Examples
    --------
    >>> hashes = {"HS image": "0" * 32}, {"HS image": "1" * 32}
    >>> find_differences({"method": "guided", **hashes[0]}, {"method": "bicubic", **hashes[1]})
    ['method was guided and is bicubic', 'HS image is another or has changed']
    """
    return [
        f"{name} is another or has changed"
        if any(_HASH.fullmatch(str(record.get(name))) for record in (before, now))
        else f"{name} was {before.get(name)} and is {now.get(name)}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
