"""How much memory of this machine a batch may take."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
from dask.utils import parse_bytes

from hsfuse.errors import PlanError

__all__ = ["available_memory", "memory_budget"]

# Of what is available when a batch begins: estimates are no limits, and others work there too.
_SHARE = 0.75
_GROUPS = Path("/sys/fs/cgroup")


def memory_budget(asked: int | str | None) -> int:
    """
    Return the bytes that a batch may take.

    Parameters
    ----------
    asked : int, str or None
        Bytes, or a size such as ``8GB`` or ``500 MiB``; None for three quarters of what is
        available now.

    Raises
    ------
    PlanError
        If it is no size.

    Examples
    --------
    >>> memory_budget("8GB")
    8000000000
    """
    if asked is None:
        return int(_SHARE * available_memory())
    try:
        size = parse_bytes(asked)
    except ValueError:
        size = 0
    if size <= 0:
        raise PlanError(f"memory is a size such as 8GB or 500MiB, got {asked!r}")
    return int(size)


def available_memory() -> int:
    """Return the bytes that processes may take without swapping: the machine's, or the group's."""
    available = int(psutil.virtual_memory().available)
    return min([available, *_group_limits()])


def _group_limits() -> list[int]:
    """Return what is left of the limits of the control groups (version 2) of this process."""
    left = []
    with contextlib.suppress(OSError, ValueError):  # other systems, or older groups
        name = Path("/proc/self/cgroup").read_text(encoding="ascii").partition("0::")[2].strip()
        group = _GROUPS / name.lstrip("/")
        for folder in (group, *group.parents):
            limit = folder / "memory.max"
            if limit.exists() and (text := limit.read_text(encoding="ascii").strip()) != "max":
                used = int((folder / "memory.current").read_text(encoding="ascii"))
                left.append(max(0, int(text) - used + _unused_cache(folder)))
    return left


def _unused_cache(group: Path) -> int:
    """Return the bytes of cached files that a control group gives back when it needs them."""
    for line in (group / "memory.stat").read_text(encoding="ascii").splitlines():
        name, _, number = line.partition(" ")
        if name == "inactive_file":
            return int(number)
    return 0
