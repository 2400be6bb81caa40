"""Execution of a batch: distribution of the pairs to processes, and their status."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hsfuse.batch.manifest import BatchPair
from hsfuse.batch.pool import Ended, Pool
from hsfuse.batch.schedule import Load, free_bytes, planning_load, share_workers
from hsfuse.batch.sharing import Couple, Sharing, takes_part
from hsfuse.batch.status import PairStatus, StatusFile
from hsfuse.batch.work import Planned, fuse_pair, look_up_pair, plan_pair
from hsfuse.core.text import byte_size
from hsfuse.report.cost import Files, report_files

if TYPE_CHECKING:
    from hsfuse.batch.outcome import Batch

__all__ = ["Execution", "Progress", "Rows"]

_LOG = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


class Rows:
    """The status of each pair, and the number of ended pairs."""

    def __init__(
        self,
        pairs: Sequence[BatchPair],
        progress: Progress | None,
        status: StatusFile | None = None,
    ) -> None:
        self.pairs, self.now = list(pairs), [PairStatus.of(pair) for pair in pairs]
        self.remaining = len(pairs)
        self._progress, self._status = progress, status

    def set_fwhm(self, index: int, fwhm: tuple[float, float]) -> None:
        """Set the shared FWHM of the PSF of a pair."""
        pair = self.pairs[index]
        self.pairs[index] = replace(pair, settings=replace(pair.settings, fwhm=fwhm))

    def begin(self, index: int) -> None:
        """Record that the fusion of a planned pair starts."""
        self._set(index, PairStatus.of(self.pairs[index], "running"))

    def finish(self, index: int, result: PairStatus | Ended) -> None:
        """Record the result of a pair."""
        if isinstance(result, Ended):
            result = PairStatus.of(
                self.pairs[index],
                "failed",
                f"its process {result.reason}, such as when memory is short; run the batch again "
                "to resume it",
            )
        self._set(index, result)
        self.remaining -= 1
        if not result.good:
            _LOG.warning("%s: %s", result.out, result.message)
        if self._progress is not None:
            self._progress(len(self.pairs) - self.remaining, len(self.pairs))

    def stop(self) -> None:
        """Record that the running pairs are stopped."""
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
    The state of a batch in progress: pairs to inspect, to plan, planned and running.

    Attributes
    ----------
    batch : Batch
        The batch.
    pool : Pool
        Pool of processes.
    rows : Rows
        Status of each pair.
    quicklook, page : bool
        Whether to write quicklooks and reports.
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

    def execute(self) -> tuple[str, ...]:
        """Plan and fuse all pairs; return descriptions of what they share."""
        for index, pair in enumerate(self.rows.pairs):
            if pair.missing:
                self.rows.finish(index, PairStatus.of(pair, "failed", pair.missing))
                continue
            shares = self.batch.share_psf and takes_part(pair)
            (self._unknown if shares else self._todo).append(index)
        self._looked_up = set(self._unknown)
        while self.rows.remaining:
            self._start()
            if not self.rows.remaining:  # the last was refused, and no process has a task
                break
            for index, result in self.pool.results():
                del self._running[index]
                self._handle(index, result)
        return self._sharing.describe(self.rows.pairs)

    def _handle(self, index: int, result: Couple | Planned | PairStatus | Ended) -> None:
        """Handle the result of a process, and queue the pairs that can be planned now."""
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
                    self.rows.set_fwhm(ready, fwhm)
                self._todo.append(ready)

    def _start(self) -> None:
        """Start tasks in idle processes within memory and workers; planned pairs come first."""
        while self.pool.idle:
            if self._planned:
                index, plan = self._planned[0]
                maximum = Load(plan.blocks, plan.worker_bytes)
                workers = self._workers(maximum, plan.report_bytes)
                if not workers and self._running:
                    return
                self._planned.popleft()
                if not workers:
                    self.rows.finish(index, self._too_large(plan))
                    continue
                load = Load(workers, max(workers * plan.worker_bytes, plan.report_bytes))
                self.rows.begin(index)
                arguments = plan.job, workers, self.quicklook, self.page
                self._submit(index, load, fuse_pair, *arguments)
            elif not self._workers(planning_load()):
                return
            elif self._unknown:
                self._submit(self._unknown.popleft(), planning_load(), look_up_pair)
            elif self._todo:
                options = self.batch.overwrite, self._files, self.dry_run
                self._submit(self._todo.popleft(), planning_load(), plan_pair, *options)
            else:
                return

    def _submit(
        self, index: int, load: Load, function: Callable[..., object], *arguments: object
    ) -> None:
        self._running[index] = load
        self.pool.submit(index, function, self.rows.pairs[index], *arguments)

    @property
    def _files(self) -> Files:
        """The files of the report of each pair."""
        return report_files(picture=self.quicklook, page=self.page)

    def _workers(self, maximum: Load, least: int = 0) -> int:
        """Return the number of workers with which a task may start; 0 if it has to wait."""
        running = list(self._running.values())
        remaining = self.rows.remaining
        return share_workers(maximum, running, self.batch.limits, remaining=remaining, least=least)

    def _too_large(self, plan: Planned) -> PairStatus:
        available = free_bytes(self.batch.limits, [])
        needed, whose, other = plan.worker_bytes, "with one worker", "a smaller `--tile`"
        if plan.report_bytes > needed:
            needed, whose, other = plan.report_bytes, "for its report", "`--no-page`"
        message = (
            f"takes about {byte_size(needed)} {whose}, and the memory of the batch leaves "
            f"{byte_size(available)} for it; pass a larger `--memory`, or {other}"
        )
        return replace(plan.status, status="failed", message=message)
