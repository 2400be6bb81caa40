"""
Sharing of the FWHM of the PSF between the pairs of a sensor couple.

The FWHM is a property of the sensor, whereas shift, gains and noise depend on the scene, and R is
not determined by one scene. The first pairs of a couple in the order of the manifest, the
references, estimate it separately; the others use the weighted mean and estimate only the shift.
The choice of the references does not depend on the order of completion, so outputs are
reproducible. A shared FWHM is also used for pairs that are added later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from hsfuse.batch.existing import inspect_output
from hsfuse.batch.manifest import BatchPair
from hsfuse.core.psf import ASSUMED_PSF, PSF
from hsfuse.fusion.lazy import open_input
from hsfuse.fusion.plan import Plan
from hsfuse.io.output.records import read_record
from hsfuse.sensor.catalogue import known_sensor

__all__ = ["Couple", "Sharing", "WidthEstimate", "find_couple", "takes_part", "width_of_plan"]

# Number of reference pairs.
_REFERENCES = 3
# Smallest standard error of an estimate in HS pixels, which limits its weight.
_MINIMUM_ERROR = 1e-4

Widths = tuple[float, float]


class WidthEstimate(NamedTuple):
    """Estimate of the FWHM along y and x in HS pixels, with standard errors."""

    fwhm: Widths
    error: Widths


@dataclass(frozen=True, slots=True)
class Couple:
    """
    The sensor couple of a pair, and the estimate in its record.

    Attributes
    ----------
    key : str
        Identifier of the couple; empty where the PSF of the HS sensor is known, so that nothing is
        shared.
    shared_fwhm : tuple of float or None
        Shared FWHM with which the output of the pair was fused.
    finished : bool
        Whether the output is finished with a separate estimate.
    estimate : WidthEstimate or None
        Estimate of a finished output.
    """

    key: str
    shared_fwhm: Widths | None = None
    finished: bool = False
    estimate: WidthEstimate | None = None


def takes_part(pair: BatchPair) -> bool:
    """Return whether the width of the PSF is estimated from a pair."""
    return pair.settings.align and pair.settings.fwhm is None


def find_couple(pair: BatchPair) -> Couple:
    """
    Return the sensor couple of a pair, from the metadata of its inputs and its record.

    Raises
    ------
    HsfuseError
        If an input cannot be opened.
    """
    hs = open_input(pair.scene, pair.settings, "hs")
    rgb = open_input(pair.rgb, pair.settings, "rgb")
    sensor = known_sensor(pair.settings.hs_sensor, hs.attrs.get("sensor"))
    psf = ASSUMED_PSF if sensor is None else sensor.psf
    if psf.status != "assumed":
        return Couple("")
    names = "" if sensor is None else sensor.id, _name(pair.settings.rgb_sensor, rgb)
    key = " ".join(f"{name} {_grid(raster)}" for name, raster in zip(names, (hs, rgb), strict=True))
    record = read_record(pair.out)
    requested = _mapping(record.get("request")).get("fwhm")
    shared_fwhm = (
        (float(requested[0]), float(requested[1])) if isinstance(requested, list) else None
    )
    before = replace(pair, settings=replace(pair.settings, fwhm=shared_fwhm))
    if inspect_output(before).state != "same":
        return Couple(key)
    return Couple(
        key, shared_fwhm, shared_fwhm is None, None if shared_fwhm else _width_of_record(record)
    )


def _name(requested: object, raster: xr.DataArray) -> str:
    sensor = known_sensor(requested, raster.attrs.get("sensor"))  # type: ignore[arg-type]
    return "" if sensor is None else f"{sensor.id}:{','.join(sensor.band_names)}"


def _grid(raster: xr.DataArray) -> str:
    """Return a text of the number of bands and the pixel size, which identify a product."""
    along = (abs(step) for step in raster.rio.resolution())
    return f"{raster.sizes['band']} bands of {' by '.join(f'{step:.4g}' for step in along)}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def width_of_plan(plan: Plan) -> WidthEstimate | None:
    """Return the estimate of a planned pair, if it is reliable and the PSF is unknown."""
    alignment = plan.alignment
    if alignment is None or not alignment.reliable or alignment.psf.standard_error is None:
        return None
    return WidthEstimate(alignment.psf.fwhm, alignment.psf.standard_error)


def _width_of_record(record: Mapping[str, object]) -> WidthEstimate | None:
    """Return the estimate of a finished pair, equal to that of :func:`width_of_plan`."""
    alignment = _mapping(record.get("alignment"))
    psf = _mapping(alignment.get("psf"))
    if not alignment.get("reliable") or not psf.get("standard_error"):
        return None
    return WidthEstimate(*((psf[k]["y"], psf[k]["x"]) for k in ("fwhm", "standard_error")))


def weighted_mean(estimates: Sequence[WidthEstimate]) -> Widths:
    """
    Return the mean of estimates, weighted by inverse variances, rounded to four decimals.

    Examples
    --------
    >>> exact, rough = WidthEstimate((1.2, 1.0), (0.01, 0.01)), WidthEstimate((1.8, 1.0), (0.1, 9))
    >>> weighted_mean([exact, rough])
    (1.2059, 1.0)
    """
    fwhm, error = (np.array(values) for values in zip(*estimates, strict=True))
    weights = 1 / np.maximum(error, _MINIMUM_ERROR) ** 2
    y, x = np.round((fwhm * weights).sum(axis=0) / weights.sum(axis=0), 4).tolist()
    return y, x


@dataclass(slots=True)
class _Member:
    """A pair of a couple; ``alone`` is None until it is decided whether it uses the shared FWHM."""

    alone: bool | None = None
    over: bool = False
    estimate: WidthEstimate | None = None


@dataclass(slots=True)
class _Group:
    """The pairs of one couple, by their index in the manifest."""

    members: dict[int, _Member] = field(default_factory=dict)
    before: dict[int, Widths] = field(default_factory=dict)
    shared: Widths | None = None
    references: list[int] = field(default_factory=list)

    def decide(self) -> list[tuple[int, Widths | None]]:
        """Return the pairs that can be planned now, with their shared FWHM or None."""
        used: list[int] = []
        estimates: list[WidthEstimate] = []
        waiting, ready = 0, list[tuple[int, Widths | None]]()
        for index, member in sorted(self.members.items()):
            needed = len(used) + waiting < _REFERENCES
            if member.alone is None and needed:
                member.alone = True
                ready.append((index, None))
            elif member.alone is None and not waiting:
                member.alone = False
                self._share(used, estimates)
                ready.append((index, self.shared))
            if member.alone and needed:
                waiting += not member.over
                if member.estimate is not None:
                    used.append(index)
                    estimates.append(member.estimate)
        return ready

    def _share(self, references: list[int], estimates: list[WidthEstimate]) -> None:
        """Set the shared FWHM: that of existing outputs, otherwise the mean of the estimates."""
        if self.shared is None:
            if self.before:
                self.shared = self.before[min(self.before)]
            else:
                self.shared, self.references = weighted_mean(estimates), references


class Sharing:
    """The order of planning of the pairs of a batch, and the shared FWHM of each."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._of: dict[int, _Group] = {}
        self._free: list[tuple[int, Widths | None]] = []

    def add(self, index: int, couple: Couple) -> None:
        """Add the couple of a pair; all must be added before the first call of :meth:`ready`."""
        if not couple.key:
            self._free.append((index, None))
            return
        group = self._of[index] = self._groups.setdefault(couple.key, _Group())
        member = group.members[index] = _Member()
        if couple.shared_fwhm is not None:
            member.alone, group.before[index] = False, couple.shared_fwhm
        elif couple.finished:
            member.alone, member.over, member.estimate = True, True, couple.estimate
        else:
            return
        self._free.append((index, couple.shared_fwhm))

    def learn(self, index: int, estimate: WidthEstimate | None) -> None:
        """Add the estimate of a planned pair; None where there is none."""
        if index in self._of:
            member = self._of[index].members[index]
            if not member.over:
                member.over, member.estimate = True, estimate

    def ready(self) -> list[tuple[int, Widths | None]]:
        """Return the pairs that can be planned now, with their shared FWHM or None."""
        ready, self._free = self._free, []
        return [*ready, *(item for group in self._groups.values() for item in group.decide())]

    def describe(self, pairs: Sequence[BatchPair]) -> tuple[str, ...]:
        """Return a sentence for each couple with a shared FWHM."""
        sentences = []
        for group in self._groups.values():
            if group.shared is None:
                continue
            count = sum(member.alone is False for member in group.members.values())
            names = ", ".join(pairs[index].out.name for index in group.references)
            sentences.append(
                f"{PSF(group.shared).describe()}, from {names or 'finished outputs'}, given to "
                f"{count} {'pair' if count == 1 else 'pairs'}"
            )
        return tuple(sentences)
