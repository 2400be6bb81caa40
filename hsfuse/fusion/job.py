"""Jobs: planned runs, and their outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from hsfuse.core.discrepancy import Discrepancy, describe_compared, describe_difference
from hsfuse.core.excess import Excess
from hsfuse.core.text import duration, html_table, image_size, percent, table
from hsfuse.errors import as_arguments
from hsfuse.fusion.conditioning import Unit
from hsfuse.fusion.digest import versions
from hsfuse.fusion.duration import Duration
from hsfuse.fusion.plan import Plan
from hsfuse.fusion.request import Request
from hsfuse.fusion.settings import Settings
from hsfuse.fusion.tiling import worker_bytes
from hsfuse.fusion.undeclared import UndeclaredFill
from hsfuse.io.files.url import AnyPath
from hsfuse.io.write import Origin, OutputLayout
from hsfuse.parallel import Cluster, Scheduler, has_bfloat16_products, local_workers

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["LIBRARY_BYTES", "Job", "Outcome"]

#: Memory in bytes of the interpreter, torch, GDAL's cache and the plan.
LIBRARY_BYTES = 650_000_000
# Memory in bytes that the allocator retains for each worker.
_RETAINED_BYTES = 50_000_000


@dataclass(frozen=True)
class Job:
    """
    A planned and checked run that has not started.

    Attributes
    ----------
    scene, rgb, out : Path or Url
        Inputs and output.
    plan : Plan
        Plan of the fusion.
    layout : OutputLayout
        Layout of the output.
    settings : Settings
        Settings of the run.
    seconds : float
        Time of planning.
    expected : Duration or None
        Estimated time of the run on this machine; None where it is not estimated.
    models : mapping of tuple of int to ndarray
        Local models of the units that were conditioned for this estimate.
    pace : float
        Wall time of work on one core of this machine over its CPU time on the machine of reference.
    client : distributed.Client or None
        Client that runs the blocks instead of the scheduler of the settings.
    cluster : Cluster or None
        Cluster that runs the blocks; None for this machine.
    request : mapping
        Request of the run; see :func:`hsfuse.fusion.request.request_of`.
    config : str or None
        Path of the configuration file of the command line.
    words : tuple of str
        Options of the command line that are not settings, for the command that repeats the run.
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
    pace: float = 1.0
    client: Client | None = field(default=None, repr=False)
    cluster: Cluster | None = None
    request: Request = field(default_factory=dict)
    config: str | None = None
    words: tuple[str, ...] = ()

    @property
    def scheduler(self) -> Scheduler:
        """Scheduler that runs the blocks."""
        return self.settings.scheduler if self.client is None else self.client

    @property
    def origin(self) -> Origin:
        """
        Origin of the plan, to report differences where a run cannot be resumed.

        It includes the instruction set of the processor: another one may round sums differently,
        and so lead to other estimates.
        """
        libraries = {f"version of {name}": number for name, number in versions().items()}
        instructions = torch.backends.cpu.get_cpu_capability()
        if has_bfloat16_products("cpu"):
            instructions += ", products in bfloat16"
        processor = {"instructions of the processor": instructions}
        return {**self.request, **libraries, **processor}, self.plan.parts

    @property
    def workers(self) -> int:
        """Number of blocks that are fused in parallel."""
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

        The sum over the blocks in parallel (:func:`hsfuse.fusion.tiling.worker_bytes`) and the
        libraries of each process.
        """
        blocks, processes = min(self.workers, len(self.plan.blocks)), 1
        if self.cluster is not None:
            blocks = -(-self.cluster.threads // self.cluster.workers)
        elif self.scheduler == "processes":
            processes += blocks
        return processes * LIBRARY_BYTES + blocks * self.block_bytes

    @property
    def block_bytes(self) -> int:
        """Estimate of the memory in bytes of each block that is fused in parallel."""
        plan = self.plan
        return worker_bytes(plan.pair, plan.fuser, (plan.rows, plan.columns)) + _RETAINED_BYTES


@dataclass(frozen=True, repr=False)  # regressions and wavelengths would fill pages
class Outcome:
    """
    A finished run.

    Attributes
    ----------
    job : Job
        The planned run.
    path : Path or Url
        The output.
    seconds : float
        Time from the first block to the last byte.
    spatial, spectral : Discrepancy
        Differences from the HS image and from the MS image, over all good bands and all blocks,
        including those of an interrupted run: sums, of which the properties below give figures.
        Of several blocks, the HS pixels whose PSF crosses the edge of a block are not compared.
    blocks, resumed : int
        Number of blocks of the output, and of those finished by an interrupted run.
    missing, clipped : int
        Number of values without data, and of values outside the range of the stored type.
    limited : int
        Number of values below the lower limit, which were set to it.
    excess : Excess
        Values above the largest HS value of their band by more than the MS image explains; they
        are unchanged.
    undeclared : tuple of UndeclaredFill
        Undeclared fills that planning did not detect, fused as measured values.
    standard_error : float or None
        Median of the standard error, if requested.
    finished : datetime
        Time at which the output was complete, in UTC.
    """

    job: Job
    path: AnyPath
    seconds: float
    spatial: Discrepancy
    spectral: Discrepancy
    blocks: int
    resumed: int
    missing: int
    clipped: int
    limited: int
    excess: Excess
    undeclared: tuple[UndeclaredFill, ...] = ()
    standard_error: float | None = None
    finished: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows and columns of the output."""
        return self.job.plan.shape

    @property
    def hs_rmse(self) -> float:
        """RMSE of the output degraded by the PSF from the HS image, in the units of that image."""
        return self.spatial.rmse

    @property
    def hs_rmse_percent(self) -> float:
        """:attr:`hs_rmse` in per cent of the root mean square of the HS image."""
        return 100 * self.spatial.relative

    @property
    def hs_sre_db(self) -> float:
        """Signal-to-reconstruction error of the HS image in decibels: larger is better."""
        return self.spatial.sre

    @property
    def ms_rmse(self) -> float:
        """RMSE of the MS bands of the output from the MS image, in the units of that image."""
        return self.spectral.rmse

    @property
    def ms_rmse_percent(self) -> float:
        """:attr:`ms_rmse` in per cent of the root mean square of the MS image."""
        return 100 * self.spectral.relative

    @property
    def ms_sre_db(self) -> float:
        """Signal-to-reconstruction error of the MS image in decibels: larger is better."""
        return self.spectral.sre

    @property
    def missing_percent(self) -> float:
        """Values without data, in per cent of all values."""
        return 100 * self.missing / math.prod(self.shape)

    @property
    def limited_share(self) -> float:
        """Share of the values that were below the lower limit of their band."""
        _, rows, columns = self.shape
        return self.limited / (len(self.job.plan.lower_limit) * rows * columns)

    @property
    def excess_share(self) -> float:
        """Share of the values that are counted in :attr:`excess`."""
        return self.excess.count / math.prod(self.shape)

    def __repr__(self) -> str:
        """Return output and consistency in a line."""
        bands, rows, columns = self.shape
        return (
            f"<hsfuse output {self.path}: {bands} bands, {image_size(rows, columns)}, "
            f"{self.job.plan.fuser.name}; HS consistency {percent(self.spatial.relative)} "
            f"({self.hs_sre_db:.1f} dB), MS consistency {percent(self.spectral.relative)} "
            f"({self.ms_sre_db:.1f} dB), {self.missing_percent:.3g}% no data>"
        )

    def __str__(self) -> str:
        """Return output and consistency, a line each."""
        return table(self._lines())

    def _repr_html_(self) -> str:
        """Return a table of output and consistency for notebooks."""
        return html_table("finished run", [line for line in self._lines() if line[1]])

    def _lines(self) -> list[tuple[str, str]]:
        """Return output and consistency as labels and texts."""
        plan, alignment = self.job.plan, self.job.plan.alignment
        bands, rows, columns = self.shape
        hs_units, ms_units = (
            str(raster.attrs.get("units") or "") for raster in (plan.pair.hs, plan.pair.rgb)
        )
        lines = [
            ("output", str(self.path)),
            ("size", f"{bands} bands, {image_size(rows, columns)}"),
            ("method", plan.fuser.name),
            (
                "HS consistency",
                f"{describe_difference(self.hs_rmse, self.spatial.relative, hs_units)} "
                f"({self.hs_sre_db:.1f} dB), {describe_compared(self.blocks)}: output degraded by "
                "the PSF, compared with the HS image",
            ),
            (
                "MS consistency",
                f"{describe_difference(self.ms_rmse, self.spectral.relative, ms_units)} "
                f"({self.ms_sre_db:.1f} dB), {describe_compared()}: output seen through the SRF, "
                "compared with the MS image",
            ),
            ("no data", f"{self.missing_percent:.3g}% of the values" if self.missing else "none"),
            (
                "shift",
                alignment.description if alignment is not None and alignment.reliable else "",
            ),
            ("PSF", f"{plan.pair.psf.describe()}, {plan.pair.psf.status}"),
            ("SRF", plan.pair.response_source),
            (
                "time",
                f"{duration(self.job.seconds)} planning, {duration(self.seconds)} fusing, "
                f"{self.blocks} {'tile' if self.blocks == 1 else 'tiles'}",
            ),
            *(("note", note) for note in plan.notes),
            ("warning", plan.radiometry.warning),
            *(("warning", fill.advice) for fill in self.undeclared),
        ]
        return [(label, as_arguments(text)) for label, text in lines]
