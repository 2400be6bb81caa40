"""Selection of the device, and the number of parallel units of work."""

from __future__ import annotations

import os

from hsfuse.core.numbers import check_whole_number
from hsfuse.errors import PlanError

__all__ = ["check_device", "has_bfloat16_products", "local_workers", "pick_device"]


def check_device(device: str) -> None:
    """
    Check the name of a device.

    Raises
    ------
    PlanError
        If it is not one of ``auto``, ``cpu`` and ``cuda``.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise PlanError(f"device must be auto, cpu or cuda, got {device!r}")


def pick_device(device: str) -> str:
    """
    Return ``cpu`` or ``cuda``; ``auto`` is a GPU where there is one.

    Raises
    ------
    PlanError
        If the name is not valid, or the device is not available.
    """
    check_device(device)
    import torch  # slow to import, so only where it is needed

    available = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and available == "cpu":
        raise PlanError("device cuda was asked for and this machine shows none; use cpu or auto")
    return available if device == "auto" else device


def has_bfloat16_products(device: str) -> bool:
    """
    Return whether a processor has matrix products in bfloat16 (AMX), faster than in float32.

    Others round to bfloat16 and compute in float32, up to ten times as slowly. False for GPUs.
    """
    import torch

    find_capabilities = getattr(torch.cpu, "get_capabilities", None)  # since torch 2.10
    if device != "cpu" or find_capabilities is None:
        return False
    return bool(find_capabilities().get("amx_bf16"))


def local_workers(workers: int | None, device: str) -> int:
    """Return the number of parallel units of work: one per core, two for a GPU."""
    if workers is not None:
        if check_whole_number("workers", workers) < 1:
            raise PlanError(f"workers must be at least 1, got {workers}")
        return workers
    if device != "cpu":
        return 2
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
