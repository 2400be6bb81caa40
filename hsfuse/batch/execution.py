"""The pairs of a batch on their way through its processes, and what became of each."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dask.utils import format_bytes

from hsfuse.batch.manifest import BatchPair
from hsfuse.batch.pool import Ended, Pool
from hsfuse.batch.schedule import Load, free_bytes, planning_load, share_workers
from hsfuse.batch.sharing import Couple, Sharing, takes_part
from hsfuse.batch.status import PairStatus, StatusFile
from hsfuse.batch.work import Planned, fuse_pair, look_up_pair, plan_pair

if TYPE_CHECKING:
    from hsfuse.batch.run import Batch

__all__ = ["Execution", "Progress", "Rows"]

_LOG = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


class Rows:
    """What is known of each pair, and how many are over."""

    def __init__(
        self,
        pairs: Sequence[BatchPair],
        progress: Progress | None,
        status: StatusFile | None = None,
    ) -> None:
        self.pairs, self.now = list(pairs), [PairStatus.of(pair) for pair in pairs]
        self.left = len(pairs)
        self._progress, self._status = progress, status

    def give(self, index: int, fwhm: tuple[float, float]) -> None:
        """Give a pair the FWHM of its PSF."""
        pair = self.pairs[index]
        self.pairs[index] = replace(pair, settings=replace(pair.settings, fwhm=fwhm))

    def begin(self, index: int) -> None:
        """Note that a pair is planned and its fusion begins."""
        self._set(index, PairStatus.of(self.pairs[index], "running"))

    def finish(self, index: int, result: PairStatus | Ended) -> None:
        """Note what became of a pair."""
        if isinstance(result, Ended):
            result = PairStatus.of(
                self.pairs[index],
                "failed",
                f"its process {result.reason}, such as when memory is short; run the batch again "
                "to resume it",
            )
        self._set(index, result)
        self.left -= 1
        if not result.good:
            _LOG.warning("%s: %s", result.out, result.message)
        if self._progress is not None:
            self._progress(len(self.pairs) - self.left, len(self.pairs))

    def stop(self) -> None:
        """Note that the pairs under way are stopped."""
        for index, row in enumerate(self.now):
            if row.status == "running":
                self._set(index, PairStatus.of(self.pairs[index], "stopped"))

    def _set(self, index: int, row: PairStatus) -> None:
        self.now[index] = row
        if self._status is not None:
            self._status.append(row)


@dataclass
class Execution:
    """
    The pairs of a batch: to be looked up, to be planned, planned, under way.

    Attributes
    ----------
    batch : Batch
        What is asked.
    pool : Pool
        The processes.
    rows : Rows
        What is known of each pair.
    quicklook, page : bool
        Also write the pictures, and the reports.
    dry_run : bool
        Plan and write nothing.
    """

    batch: Batch
    pool: Pool
    rows: Rows
    quicklook: bool = False
    page: bool = False
    dry_run: bool = False
    _unknown: deque[int] = field(default_factory=deque)
    _todo: deque[int] = field(default_factory=deque)
    _planned: deque[tuple[int, Planned]] = field(default_factory=deque)
    _running: dict[int, Load] = field(default_factory=dict)
    _looked_up: set[int] = field(default_factory=set)
    _sharing: Sharing = field(default_factory=Sharing)

    def work(self) -> tuple[str, ...]:
        """Plan and fuse all pairs; return what they share, a sentence each."""
        for index, pair in enumerate(self.rows.pairs):
            shares = self.batch.share_psf and takes_part(pair)
            (self._unknown if shares else self._todo).append(index)
        self._looked_up = set(self._unknown)
        while self.rows.left:
            self._start()
            for index, result in self.pool.results():
                del self._running[index]
                self._note(index, result)
        return self._sharing.describe(self.rows.pairs)

    def _note(self, index: int, result: Couple | Planned | PairStatus | Ended) -> None:
        """Note what a process returned, and which pairs can be planned then."""
        self._looked_up.discard(index)
        if isinstance(result, Couple):
            self._sharing.add(index, result)
        elif isinstance(result, Planned):
            self._sharing.learn(index, result.width)
            if self.dry_run:
                self.rows.finish(index, result.status)
            else:
                self._planned.append((index, result))
        else:
            self._sharing.learn(index, None)
            self.rows.finish(index, result)
        if not self._looked_up:
            for ready, fwhm in self._sharing.ready():
                if fwhm is not None:
                    self.rows.give(ready, fwhm)
                self._todo.append(ready)

    def _start(self) -> None:
        """Give idle processes what memory and workers allow; planned pairs come first."""
        while self.pool.idle:
            if self._planned:
                index, plan = self._planned[0]
                workers = self._workers(Load(plan.blocks, plan.worker_bytes))
                if not workers and self._running:
                    return
                self._planned.popleft()
                if not workers:
                    self.rows.finish(index, self._too_large(plan))
                    continue
                load = Load(workers, workers * plan.worker_bytes)
                self.rows.begin(index)
                words = plan.job, workers, self.quicklook, self.page
                self._submit(index, load, fuse_pair, *words)
            elif not self._workers(planning_load()):
                return
            elif self._unknown:
                self._submit(self._unknown.popleft(), planning_load(), look_up_pair)
            elif self._todo:
                asked = self.batch.overwrite, self.dry_run
                self._submit(self._todo.popleft(), planning_load(), plan_pair, *asked)
            else:
                return

    def _submit(
        self, index: int, load: Load, function: Callable[..., object], *words: object
    ) -> None:
        self._running[index] = load
        self.pool.submit(index, function, self.rows.pairs[index], *words)

    def _workers(self, most: Load) -> int:
        """Return with how many workers a task may start that takes so many bytes for each."""
        running = list(self._running.values())
        return share_workers(most, running, self.batch.limits, left=self.rows.left)

    def _too_large(self, plan: Planned) -> PairStatus:
        available = free_bytes(self.batch.limits, [])
        message = (
            f"takes about {format_bytes(plan.worker_bytes)} with one worker, and the memory of "
            f"the batch leaves {format_bytes(available)} for it; pass a larger --memory, or a "
            "smaller --tile"
        )
        return replace(plan.status, status="failed", message=message)
