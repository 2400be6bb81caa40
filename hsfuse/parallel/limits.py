"""What one unit of work takes of its process: one thread, and memory that it gives back."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import OpenBLASController, ThreadpoolController

__all__ = ["one_thread", "release_memory"]


class _ProcessLimit:
    """Limits that hold for the whole process, and how many units of work need them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0

    def enter(self) -> ThreadpoolController:
        """Set the limits, if nobody has."""
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
        """Restore what was before, if nobody else needs the limits."""
        self.users -= 1
        if self.users == 0:
            _let_any_thread_limit()
            self._blas.restore_original_limits()
            _let_any_thread_limit()
            import torch

            torch.set_num_threads(self._torch)


def _let_any_thread_limit() -> None:
    """
    Make the next limit of an OpenBLAS hold, whichever thread sets it.

    From 3.8 on, threadpoolctl ignores all threads but the first that limited one; here the
    lock of :class:`_ProcessLimit` keeps threads from setting different limits.
    """
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


_limit = _ProcessLimit()

# Of glibc; other libraries have none.
_libc = None if os.name == "nt" else ctypes.CDLL(None)
_trim = getattr(_libc, "malloc_trim", None)
_mallopt = getattr(_libc, "mallopt", None)
# From malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD.
_MOST_MAPPINGS, _TRIM_THRESHOLD = -4, -1


@contextmanager
def one_thread() -> Iterator[None]:
    """
    Limit torch, BLAS and OpenMP to one thread; units of work run in parallel, not their loops.

    The order of a sum depends on the number of threads, and a dask worker has another
    number than a notebook: one thread per unit of work gives every scheduler the same bits.

    Limits of a BLAS and of torch belong to the process, so the first that enters sets them and
    the last that leaves restores them; those of OpenMP belong to each thread.
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
    Let the C library reuse freed memory within a unit of work, instead of the system.

    glibc maps every array of some megabytes anew, and the system clears its pages: a quarter of
    the time of a block. :func:`release_memory` returns it after the unit.
    """
    if _mallopt is not None:
        _mallopt(_MOST_MAPPINGS, 0)
        _mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def release_memory() -> None:
    """
    Return freed memory to the system where the C library holds it back, after a unit of work.

    glibc keeps an arena for each thread, and of arrays below 32 MB only those at its end are given
    back: a run of 16 blocks by one worker grew by 0.4 GB, of which hardly anything was in use.
    """
    if _trim is not None:
        _trim(0)
