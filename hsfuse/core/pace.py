"""Pace of this machine: the time that a fixed piece of work takes, for estimates of other work."""

from __future__ import annotations

import time
import zlib

import numpy as np

__all__ = ["measure_pace"]

# CPU seconds of the piece on the machine on which the constants of the estimates were measured.
_REFERENCE = 8.7e-3
# The smallest of so many repetitions: the first fills caches, and others may be interrupted.
_REPETITIONS = 4


def measure_pace() -> float:
    """
    Return the CPU time of work on this machine over that on the machine of reference.

    The piece has what reports and outputs consist of: interpreted code, sorting, compression and
    products of matrices. It takes some hundredths of a second.
    """
    values = np.random.default_rng(0).standard_normal(60_000).astype(np.float32)
    seconds = []
    for _ in range(_REPETITIONS):
        started = time.thread_time()
        _work(values)
        seconds.append(time.thread_time() - started)
    return min(seconds) / _REFERENCE


def _work(values: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    names = {}
    for number in range(20_000):
        names[f"{number % 997}"] = number
    np.sort(values)
    zlib.compress((values * 100).astype(np.int16).tobytes(), 6)
    values.reshape(200, 300) @ values.reshape(300, 200)
