"""A run that is planned and checked, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from dask.utils import format_time
from numpy.typing import NDArray

from hsfuse.core.discrepancy import Discrepancy
from hsfuse.core.text import html_table, image_size
from hsfuse.fusion.conditioning import Unit
from hsfuse.fusion.digest import versions
from hsfuse.fusion.duration import Duration
from hsfuse.fusion.plan import Plan
from hsfuse.fusion.request import Request
from hsfuse.fusion.settings import Settings
from hsfuse.fusion.tiling import worker_bytes
from hsfuse.fusion.undeclared import UndeclaredFill
from hsfuse.io.url import AnyPath
from hsfuse.io.write import Origin, OutputLayout
from hsfuse.parallel import Cluster, Scheduler, local_workers

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["LIBRARY_BYTES", "Job", "Outcome"]

#: Bytes of the interpreter, torch, GDAL's cache and the plan.
LIBRARY_BYTES = 650_000_000
# For each worker those that its allocator does not give back.
_HELD_BACK = 50_000_000


@dataclass(frozen=True)
class Job:
    """
    A run that is planned and checked, and has not begun.

    Attributes
    ----------
    scene, rgb, out : Path or Url
        The files.
    plan : Plan
        Of the fusion.
    layout : OutputLayout
        Of the output.
    settings : Settings
        As asked.
    seconds : float
        What planning took.
    expected : Duration or None
        What the run will take on this machine; None where that is not estimated.
    models : mapping of tuple of int to ndarray
        Of the units of local models that were conditioned for this estimate.
    client : distributed.Client or None
        That runs the blocks in place of the scheduler of the settings.
    cluster : Cluster or None
        Whose workers do, where it is not this machine.
    request : mapping
        What was asked; see :func:`hsfuse.fusion.request.request_of`.
    config : str or None
        Path of the file from which the command line took options.
    """

    scene: AnyPath
    rgb: AnyPath
    out: AnyPath
    plan: Plan
    layout: OutputLayout
    settings: Settings
    seconds: float = 0.0
    expected: Duration | None = None
    models: Mapping[Unit, NDArray[np.float32]] = field(default_factory=dict, repr=False)
    client: Client | None = field(default=None, repr=False)
    cluster: Cluster | None = None
    request: Request = field(default_factory=dict)
    config: str | None = None

    @property
    def scheduler(self) -> Scheduler:
        """What runs the blocks."""
        return self.settings.scheduler if self.client is None else self.client

    @property
    def origin(self) -> Origin:
        """
        What the plan came from, to name what differs where it cannot be resumed.

        The processor is part of it: another one may round sums in another way, and so lead to other
        estimates.
        """
        found = {f"version of {name}": number for name, number in versions().items()}
        processor = {"instructions of the processor": torch.backends.cpu.get_cpu_capability()}
        return {**self.request, **found, **processor}, self.plan.parts

    @property
    def workers(self) -> int:
        """Blocks that are fused in parallel."""
        if self.cluster is not None:
            return self.cluster.threads
        return local_workers(self.settings.workers, self.plan.options.device)

    @property
    def output_bytes(self) -> int:
        """Size of the output before compression."""
        return self.layout.bytes

    @property
    def memory_bytes(self) -> int:
        """
        Estimate of the peak memory on this machine, or of each worker of a cluster.

        Of the blocks in parallel, see :func:`hsfuse.fusion.tiling.worker_bytes`, and of the
        libraries, which each process has.
        """
        blocks, processes = min(self.workers, len(self.plan.blocks)), 1
        if self.cluster is not None:
            blocks = -(-self.cluster.threads // self.cluster.workers)
        elif self.scheduler == "processes":
            processes += blocks
        return processes * LIBRARY_BYTES + blocks * self.block_bytes

    @property
    def block_bytes(self) -> int:
        """Estimate of what each block that is fused in parallel adds to that memory."""
        plan = self.plan
        return worker_bytes(plan.pair, plan.fuser, (plan.rows, plan.columns)) + _HELD_BACK


@dataclass(frozen=True)
class Outcome:
    """
    A finished run.

    Attributes
    ----------
    job : Job
        What was planned.
    path : Path or Url
        The output.
    seconds : float
        From the first block to the last byte.
    spatial, spectral : Discrepancy
        Consistency with the HS image and with the MS image, over all blocks, those of an
        interrupted run included.
    blocks, resumed : int
        Blocks of the output, and how many an earlier run had finished.
    missing, clipped : int
        Values without data, and values the stored type could not hold.
    limited : int
        Values below the plan's lower limit, which were set to it.
    undeclared : tuple of UndeclaredFill
        Fills that planning did not see, fused as if they were measured.
    standard_error : float or None
        Median of the standard error where it is asked for.
    """

    job: Job = field(repr=False)  # its regressions and wavelengths would fill pages
    path: AnyPath
    seconds: float
    spatial: Discrepancy
    spectral: Discrepancy
    blocks: int
    resumed: int
    missing: int
    clipped: int
    limited: int
    undeclared: tuple[UndeclaredFill, ...] = ()
    standard_error: float | None = None

    @property
    def limited_share(self) -> float:
        """Share of the values in the bands of the HS image that were below their limit."""
        _, rows, columns = self.job.plan.shape
        return self.limited / (len(self.job.plan.lower_limit) * rows * columns)

    def _repr_html_(self) -> str:
        """Return output and consistency as a notebook shows them."""
        plan = self.job.plan
        bands, rows, columns = plan.shape
        found = plan.alignment
        lines = [
            ("output", str(self.path)),
            ("size", f"{bands} bands, {image_size(rows, columns)}"),
            ("method", plan.fuser.name),
            (
                "HS consistency",
                f"{self.spatial.relative:.2%}: output degraded by the PSF, against the HS image",
            ),
            (
                "MS consistency",
                f"{self.spectral.relative:.2%}: output through the SRF, against the MS image",
            ),
            ("shift", found.description if found is not None and found.reliable else ""),
            ("PSF", f"{plan.pair.psf.describe()}, {plan.pair.psf.status}"),
            ("SRF", plan.pair.response_source),
            (
                "time",
                f"{format_time(self.job.seconds)} planning, {format_time(self.seconds)} fusing, "
                f"{self.blocks} {'block' if self.blocks == 1 else 'blocks'}",
            ),
            *(("note", note) for note in plan.notes),
            *(("warning", fill.advice) for fill in self.undeclared),
        ]
        return html_table("finished run", [line for line in lines if line[1]])
