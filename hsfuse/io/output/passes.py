"""
The passes of a run: units of local models, then blocks, then the export of the output.

Every finished item is in the journal before it is counted, so an interruption loses only the
items in progress.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

from hsfuse.core.stages import Stage
from hsfuse.errors import HsfuseError, OutputError
from hsfuse.io.files.replacement import failure
from hsfuse.io.files.url import AnyPath
from hsfuse.io.output.destination import finish
from hsfuse.io.output.journal import Journal, ModelReceipt, Receipt
from hsfuse.io.output.layout import Block
from hsfuse.io.output.store import Store
from hsfuse.parallel import Scheduler, each

__all__ = ["FirstPass", "WrittenOutput", "write_blocks"]


class FirstPass(NamedTuple):
    """
    The first pass: units of local models, on which the blocks depend.

    Attributes
    ----------
    units : sequence of tuple of int
        Row and column of each unit.
    condition : callable
        Conditions a unit, writes its models to the store and returns the receipt; with the same
        requirements as the work on a block.
    effort : float
        Ratio of the cost of all units to that of all blocks, for progress.
    """

    units: Sequence[tuple[int, int]]
    condition: Callable[[tuple[int, int]], ModelReceipt]
    effort: float = 1.0


class WrittenOutput(NamedTuple):
    """A finished output: path, receipt of every block, and number of blocks of earlier runs."""

    path: AnyPath
    receipts: list[Receipt]
    resumed: int


def write_blocks(
    store: Store,
    journal: Journal,
    wanted: Sequence[Block],
    work: Callable[[Block], Receipt],
    *,
    first: FirstPass | None = None,
    scheduler: Scheduler = "local",
    workers: int = 1,
    overwrite: bool = False,
    creation_options: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    stage: Stage | None = None,
) -> WrittenOutput:
    """
    Compute and write the missing blocks of a store, and export the output.

    Parameters
    ----------
    store : Store
    journal : Journal
        From :func:`create_store`. The journal is closed at the end.
    wanted : sequence of Block
        All blocks of the output.
    work : callable
        Computes a block, writes it to the store and returns its receipt. It must have no other side
        effects, and be picklable unless threads are used.
    first : FirstPass, optional
        Work to be done before the blocks.
    scheduler, workers
        As for :func:`hsfuse.parallel.each`.
    overwrite, creation_options, stage
        As for :func:`finish`.
    progress : callable, optional
        Called with the finished and the total work. The unit is one block; with two passes it is
        the cheaper of a block and a unit of local models.

    Returns
    -------
    WrittenOutput
        With the receipts in the order of ``wanted``.
    """
    with journal:
        journal.claim()
        done = journal.finished()
        todo = [block for block in wanted if block not in done]
        count = _Count(progress, len(wanted), first)
        count.done = count.block * (len(wanted) - len(todo))
        if first is not None and todo:
            intact = journal.conditioned()
            units = [unit for unit in first.units if unit not in intact]
            count.done += count.unit * (len(first.units) - len(units))
            _record(
                journal,
                each(first.condition, units, scheduler=scheduler, workers=workers),
                partial(count.add, count.unit),
            )
        _record(
            journal,
            each(work, todo, scheduler=scheduler, workers=workers),
            partial(count.add, count.block),
        )
        receipts = journal.receipts()
        try:
            path = finish(
                store,
                journal,
                overwrite=overwrite,
                creation_options=creation_options,
                workers=workers if scheduler == "local" else None,
                stage=stage,
            )
        except OSError as error:
            if isinstance(error, HsfuseError):
                raise
            raise OutputError(f"{store.partial}: {failure(error)}") from error
    return WrittenOutput(path, [receipts[block] for block in wanted], len(wanted) - len(todo))


def _record(
    journal: Journal,
    results: Generator[Receipt | ModelReceipt, None, None],
    count: Callable[[], None],
) -> None:
    """Append receipts to the journal as they come, and count them."""
    # Closing the generator stops the workers, so that none writes after the journal is closed.
    with closing(results):
        for receipt in results:
            journal.append(receipt)
            count()


class _Count:
    """Counter of the finished work, weighted by the cost of blocks and units."""

    def __init__(
        self, progress: Callable[[int, int], None] | None, blocks: int, first: FirstPass | None
    ) -> None:
        self.progress, self.done = progress, 0
        units = 0 if first is None else len(first.units)
        # Cost of a block relative to a unit.
        cost = 1.0 if first is None else units / (blocks * first.effort)
        self.unit, self.block = max(1, round(1 / cost)), max(1, round(cost))
        self.total = self.unit * units + self.block * blocks

    def add(self, parts: int) -> None:
        """Add finished work and report it."""
        self.done += parts
        if self.progress is not None:
            self.progress(self.done, self.total)
