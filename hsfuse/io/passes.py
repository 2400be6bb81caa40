"""
The passes of a run over an output: units of local models, then blocks, then the finished file.

Every finished item is in the journal before the next is counted, so whatever stops a run costs
the items under way.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

from hsfuse.core.stages import Stage
from hsfuse.errors import HsfuseError, OutputError
from hsfuse.io.journal import Journal, ModelReceipt, Receipt
from hsfuse.io.layout import Block
from hsfuse.io.output import finish
from hsfuse.io.replacement import failure
from hsfuse.io.store import Store
from hsfuse.io.url import AnyPath
from hsfuse.parallel import Scheduler, each

__all__ = ["FirstPass", "Written", "write_blocks"]


class FirstPass(NamedTuple):
    """
    Units of local models, on which the blocks depend.

    Attributes
    ----------
    units : sequence of tuple of int
        Row and column of each.
    condition : callable
        Conditions a unit, writes its models to the store and returns the receipt; as the work on
        a block.
    effort : float
        Cost of all units over that of all blocks, for progress.
    """

    units: Sequence[tuple[int, int]]
    condition: Callable[[tuple[int, int]], ModelReceipt]
    effort: float = 1.0


class Written(NamedTuple):
    """A finished output: its path, the receipt of every block, and how many were there before."""

    path: AnyPath
    receipts: list[Receipt]
    resumed: int


def write_blocks(
    store: Store,
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
) -> Written:
    """
    Compute and write the blocks that a store lacks, and finish the output.

    Parameters
    ----------
    store : Store
        From :func:`create_store`.
    wanted : sequence of Block
        All blocks of the output.
    work : callable
        Computes a block, writes it to the store and returns its receipt; pure otherwise, and
        picklable where it is not done on threads.
    first : FirstPass, optional
        Done before the blocks.
    scheduler, workers
        As for :func:`hsfuse.parallel.each`.
    overwrite, creation_options, stage
        As for :func:`finish`.
    progress : callable, optional
        Called with the finished and the whole work, in blocks; where there are two passes in
        parts, of which a block or a unit is one and the other, if it costs more, several.

    Returns
    -------
    Written
        With the receipts in the order of ``wanted``, whatever the order of finishing.
    """
    with Journal(store) as journal:
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
    return Written(path, [receipts[block] for block in wanted], len(wanted) - len(todo))


def _record(
    journal: Journal,
    results: Generator[Receipt | ModelReceipt, None, None],
    count: Callable[[], None],
) -> None:
    """Append receipts to the journal as they come, and count them."""
    # Closing ends the workers first: none writes once the journal is closed.
    with closing(results):
        for receipt in results:
            journal.append(receipt)
            count()


class _Count:
    """The work that is done, in parts."""

    def __init__(
        self, progress: Callable[[int, int], None] | None, blocks: int, first: FirstPass | None
    ) -> None:
        self.progress, self.done = progress, 0
        units = 0 if first is None else len(first.units)
        # What a block costs, in units.
        cost = 1.0 if first is None else units / (blocks * first.effort)
        self.unit, self.block = max(1, round(1 / cost)), max(1, round(cost))
        self.total = self.unit * units + self.block * blocks

    def add(self, parts: int) -> None:
        """Report that more parts are done."""
        self.done += parts
        if self.progress is not None:
            self.progress(self.done, self.total)
