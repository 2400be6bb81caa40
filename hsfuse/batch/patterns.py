"""
Pairs of files by two patterns, such as ``hs/{id}_hs.tif`` and ``ms/{id}_rgb.tif``.

``{name}`` matches any text without a slash, the same in both patterns; ``*``, ``?`` and ``**`` are
those of :mod:`glob`.
"""

from __future__ import annotations

import glob
import re
from pathlib import Path

from hsfuse.core.text import listed
from hsfuse.errors import ManifestError

__all__ = ["match_files"]

_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_PARTS = re.compile(r"(\{[A-Za-z_][A-Za-z0-9_]*\}|\*\*/|\*\*|\*|\?)")

Key = tuple[str, ...]


def match_files(scene: str, rgb: str) -> tuple[list[tuple[str, str, str]], list[str]]:
    """
    Return the pairs of files that match two patterns, and notes on files without a counterpart.

    Parameters
    ----------
    scene, rgb : str
        Patterns of the HS and of the MS images, with the same ``{names}``.

    Returns
    -------
    pairs : list of (str, str, str)
        Texts of the names, joined by ``_``, and the two files, in order of the texts.
    notes : list of str
        Notes on files without a counterpart.

    Raises
    ------
    ManifestError
        If the patterns have no names, or different ones, or match several files for a pair.
    """
    names = list(dict.fromkeys(_NAME.findall(scene)))
    if not names or set(names) != set(_NAME.findall(rgb)):
        raise ManifestError(
            [
                f"{scene} and {rgb}: expected patterns with the same names in braces, such as "
                "hs/{id}_hs.tif and ms/{id}_rgb.tif"
            ]
        )
    matches = [_matches(pattern, names) for pattern in (scene, rgb)]
    faults = [
        f"{pattern}: {' '.join(key)} stands for {listed(files)}; expected one file"
        for pattern, files_of in zip((scene, rgb), matches, strict=True)
        for key, files in files_of.items()
        if len(files) > 1
    ]
    both = sorted(matches[0].keys() & matches[1].keys())
    if not both:
        counts = [sum(map(len, files.values())) for files in matches]
        faults.append(
            f"{scene} and {rgb}: found {counts[0]} and {counts[1]} files and no pair of them"
        )
    if faults:
        raise ManifestError(faults)
    notes = [
        f"left out, without a file like {other}: {listed(alone)}"
        for files_of, other in ((matches[0], rgb), (matches[1], scene))
        if (alone := [files_of[key][0] for key in sorted(files_of) if key not in both])
    ]
    return [("_".join(key), matches[0][key][0], matches[1][key][0]) for key in both], notes


def _matches(pattern: str, names: list[str]) -> dict[Key, list[str]]:
    """Return the files that match a pattern, by the texts of its names."""
    expression = re.compile(_expression(pattern))
    files: dict[Key, list[str]] = {}
    listing = _NAME.sub("*", pattern).replace("[", "[[]")  # brackets are literal here
    for path in sorted(glob.glob(listing, recursive=True)):
        match = expression.fullmatch(Path(path).as_posix())
        if match:
            files.setdefault(tuple(match[name] for name in names), []).append(path)
    return files


def _expression(pattern: str) -> str:
    """Return the regular expression of a pattern."""
    defined: set[str] = set()
    words = []
    for part in _PARTS.split(Path(pattern).as_posix()):
        name = _NAME.fullmatch(part)
        if name is None:
            words.append(_WILDCARDS.get(part) or re.escape(part))
        elif name[1] in defined:
            words.append(f"(?P={name[1]})")
        else:
            defined.add(name[1])
            words.append(f"(?P<{name[1]}>[^/]+)")
    return "".join(words)
