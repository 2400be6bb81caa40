"""
First pass of methods with local models: every unit of local models is conditioned once.

:func:`condition_unit` is a pure function of the plan and the index of the unit. A run stores the
models in its partial output; a lazy array caches the last ones in memory
(:func:`load_conditioned`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hsfuse.fusion.plan import Plan
from hsfuse.io.preview import read_window
from hsfuse.methods import Window
from hsfuse.methods.conditioning import unit_window
from hsfuse.parallel import one_thread, pick_device

__all__ = ["Unit", "condition_unit", "load_conditioned", "read_unit"]

Unit = tuple[int, int]
Models = NDArray[np.float32]

# Bytes of models that a process caches between the blocks of a lazy array.
_MAXIMUM_BYTES = 2**27


def read_unit(plan: Plan, row: int, column: int) -> Window:
    """
    Return the window on which a unit of local models is conditioned.

    Parameters
    ----------
    plan : Plan
        Plan of a fusion by a method with local models.
    row, column : int
        Index of the unit.
    """
    grid = plan.fuser.local_models
    if grid is None:
        raise ValueError(f"{plan.fuser.name} has no local models")
    return unit_window(
        grid,
        (row, column),
        plan.pair.fine_geometry,
        partial(read_window, plan.pair.hs, None),
        partial(read_window, plan.pair.fine, None),
    )


def condition_unit(plan: Plan, row: int, column: int) -> Models:
    """Read and condition the models of a unit on one thread; see :func:`read_unit`."""
    fuser = plan.on(pick_device(plan.options.device)).fuser
    with one_thread():
        return np.ascontiguousarray(fuser.condition(read_unit(plan, row, column)), np.float32)


def load_conditioned(plan: Plan, units: Iterable[Unit]) -> dict[Unit, Models]:
    """
    Return the models of units, from the cache of this process or conditioned now.

    Parameters
    ----------
    plan : Plan
        Plan of the fusion.
    units : iterable of tuple of int
        Row and column of each unit.
    """
    keys = {(plan.digest, unit): unit for unit in units}
    models = _cache.get(list(keys), lambda key: condition_unit(plan, *key[1]))
    return {unit: models[key] for key, unit in keys.items()}


_Key = tuple[str, Unit]


class _ModelCache:
    """Cache of the models used last, by plan and unit, shared by the threads of the process."""

    def __init__(self, maximum_bytes: int) -> None:
        self.maximum_bytes, self.lock = maximum_bytes, threading.Lock()
        self.futures: OrderedDict[_Key, Future[Models]] = OrderedDict()

    def get(self, keys: list[_Key], compute: Callable[[_Key], Models]) -> dict[_Key, Models]:
        """Return the models of every key; each is computed by the first thread that requests it."""
        with self.lock:
            missing = [key for key in keys if key not in self.futures]
            self.futures.update((key, Future()) for key in missing)
            requested = {key: self.futures[key] for key in keys}
            for key in keys:
                self.futures.move_to_end(key)
        # Compute before waiting for others: otherwise two threads could wait for each other.
        for place, key in enumerate(missing):
            try:
                requested[key].set_result(compute(key))
            except BaseException as error:
                self._fail({other: requested[other] for other in missing[place:]}, error)
                raise
        models = {key: future.result() for key, future in requested.items()}
        self._shrink()
        return models

    def _fail(self, futures: dict[_Key, Future[Models]], error: BaseException) -> None:
        with self.lock:
            for key, future in futures.items():
                future.set_exception(error)
                self.futures.pop(key, None)

    def _shrink(self) -> None:
        """Evict the least recently used models beyond the limit, except those being computed."""
        with self.lock:
            finished = {
                key: future.result() for key, future in self.futures.items() if future.done()
            }
            excess = sum(models.nbytes for models in finished.values()) - self.maximum_bytes
            for key, models in finished.items():
                if excess <= 0:
                    break
                del self.futures[key]
                excess -= models.nbytes


_cache = _ModelCache(_MAXIMUM_BYTES)
