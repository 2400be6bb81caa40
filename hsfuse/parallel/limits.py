"""Resources of a unit of work in its process: one thread, and memory that is returned."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import OpenBLASController, ThreadpoolController

__all__ = ["one_thread", "release_memory"]


class _ProcessLimit:
    """Thread limits of the process, with a count of the units of work that need them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0

    def enter(self) -> ThreadpoolController:
        """Set the limits, unless they are set."""
        self.users += 1
        if self.users == 1:
            import torch

            pools = ThreadpoolController()
            self._openmp = pools.select(user_api="openmp")
            _let_any_thread_limit()
            self._blas = pools.select(user_api="blas").limit(limits=1)
            self._torch = torch.get_num_threads()
        return self._openmp

    def leave(self) -> None:
        """Restore the previous limits, if no other unit needs them."""
        self.users -= 1
        if self.users == 0:
            _let_any_thread_limit()
            self._blas.restore_original_limits()
            _let_any_thread_limit()
            import torch

            torch.set_num_threads(self._torch)


def _let_any_thread_limit() -> None:
    """
    Allow any thread to set the limit of OpenBLAS.

    From version 3.8 on, threadpoolctl only accepts limits from the thread that set the first one;
    here the lock of :class:`_ProcessLimit` prevents different limits.
    """
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


_limit = _ProcessLimit()

# Functions of glibc; other C libraries lack them.
_libc = None if os.name == "nt" else ctypes.CDLL(None)
_trim = getattr(_libc, "malloc_trim", None)
_mallopt = getattr(_libc, "mallopt", None)
# From malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD.
_MOST_MAPPINGS, _TRIM_THRESHOLD = -4, -1


@contextmanager
def one_thread() -> Iterator[None]:
    """
    Limit torch, BLAS and OpenMP to one thread, since units of work run in parallel.

    The order of a sum depends on the number of threads: with one thread for each unit of work, all
    schedulers give bit-identical results. The limits of BLAS and torch apply to the process, so the
    first unit sets them and the last one restores them; those of OpenMP apply to each thread.
    """
    import torch  # takes seconds, which a process needs only where it computes

    hold_memory()
    with _limit.lock:
        openmp = _limit.enter().limit(limits=1)
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _limit.lock:
            _limit.leave()
            openmp.restore_original_limits()


def hold_memory() -> None:
    """
    Let the C library reuse freed memory within a unit of work.

    By default glibc maps every array of some megabytes anew, and the kernel clears its pages, a
    quarter of the time of a block. :func:`release_memory` returns the memory after the unit.
    """
    if _mallopt is not None:
        _mallopt(_MOST_MAPPINGS, 0)
        _mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def release_memory() -> None:
    """
    Return freed memory to the system after a unit of work.

    glibc has an arena for each thread, and returns arrays below 32 MB only from its end: otherwise
    a run of 16 blocks by one worker grew by 0.4 GB of mostly unused memory.
    """
    if _trim is not None:
        _trim(0)
