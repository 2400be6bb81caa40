"""Memory budget of a batch on this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
from dask.utils import parse_bytes

from hsfuse.errors import PlanError

__all__ = ["available_memory", "memory_budget"]

# Share of the memory available at the start: estimates are not limits, and other programs run too.
_SHARE = 0.75
_GROUPS = Path("/sys/fs/cgroup")


def memory_budget(requested: int | str | None) -> int:
    """
    Return the memory budget of a batch in bytes.

    Parameters
    ----------
    requested : int, str or None
        Bytes, or a size such as ``8GB`` or ``500 MiB``; None for three quarters of the available
        memory.

    Raises
    ------
    PlanError
        If it is not a valid size.

    Examples
    --------
    >>> memory_budget("8GB")
    8000000000
    """
    if requested is None:
        return int(_SHARE * available_memory())
    try:
        size = parse_bytes(requested)
    except ValueError:
        size = 0
    if size <= 0:
        raise PlanError(f"memory is a size such as 8GB or 500MiB, got {requested!r}")
    return int(size)


def available_memory() -> int:
    """Return the memory in bytes available without swapping, within control group limits."""
    available = int(psutil.virtual_memory().available)
    return min([available, *_group_limits()])


def _group_limits() -> list[int]:
    """Return the bytes left within each control group (version 2) of this process."""
    free = []
    with contextlib.suppress(OSError, ValueError):  # other systems, or control groups version 1
        name = Path("/proc/self/cgroup").read_text(encoding="ascii").partition("0::")[2].strip()
        group = _GROUPS / name.lstrip("/")
        for folder in (group, *group.parents):
            limit = folder / "memory.max"
            if limit.exists() and (text := limit.read_text(encoding="ascii").strip()) != "max":
                used = int((folder / "memory.current").read_text(encoding="ascii"))
                free.append(max(0, int(text) - used + _unused_cache(folder)))
    return free


def _unused_cache(group: Path) -> int:
    """Return the bytes of reclaimable file cache of a control group."""
    for line in (group / "memory.stat").read_text(encoding="ascii").splitlines():
        name, _, number = line.partition(" ")
        if name == "inactive_file":
            return int(number)
    return 0
