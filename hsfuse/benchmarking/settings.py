"""Settings of a benchmark, for the library and the command line."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from hsfuse.errors import PlanError
from hsfuse.fusion.settings import PathLike
from hsfuse.methods import METHODS, find_method, methods_with
from hsfuse.nets.weights import find_weights
from hsfuse.parallel import check_device
from hsfuse.sensor.catalogue import pick_sensor
from hsfuse.synthetic.simulation import PSFShape

__all__ = ["BenchmarkSettings", "Peak"]

#: Largest possible value of a cube; ``max`` for the maximum of each cube.
Peak = float | Literal["max"]


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """
    Settings that determine the figures of a benchmark.

    Attributes
    ----------
    methods : sequence of str
        Names of :func:`hsfuse.list_methods`; empty for all methods without weights or with
        available weights.
    weights : mapping of str to sequence of path
        Weights files of a method, by default those shipped with hsfuse. The first file that fits
        the pair and was not trained on the scene is used.
    ratios : sequence of float
        Cube pixels per HS pixel. For a real pair at reduced resolution, empty means the rounded
        ratio of the pair.
    rgb_sensors : sequence of str
        Simulated MS sensors; for a real pair the sensor of its MS image, or none.
    hs_sensor : str, path or None
        Sensor of the cubes or of the HS image, for missing wavelengths.
    psf : {"gaussian", "average"}
        Shape of the PSF of the HS sensor; ``average`` is the mean over each HS pixel.
    fwhm : float or None
        FWHM of the Gaussian PSF in HS pixels; None for that of ``hs_sensor``, or 1.
    hs_snr, ms_snr : float or None
        Signal-to-noise ratios in decibels; None for no noise.
    peak : float, "max" or None
        Largest possible value for PSNR and SSIM, in the units of the data; ``max`` for the maximum
        of each cube. None for the full scale of the data set where known, otherwise the 99.9th
        percentile of each cube.
    seed : int
        Random seed of the noise, and of the split of a protocol.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    workers : int or None
        Number of blocks fused in parallel; None for one per core.

    Raises
    ------
    PlanError, SensorError, WeightsError
        If a value is not accepted.
    """

    methods: Sequence[str] = ()
    weights: Mapping[str, Sequence[PathLike]] = field(default_factory=dict)
    ratios: Sequence[float] = ()
    rgb_sensors: Sequence[str] = ()
    hs_sensor: PathLike | None = None
    psf: PSFShape = "gaussian"
    fwhm: float | None = None
    hs_snr: float | None = None
    ms_snr: float | None = None
    peak: Peak | None = None
    seed: int = 0
    device: str = "auto"
    workers: int | None = None

    def __post_init__(self) -> None:
        """Check the values that do not depend on the cubes."""
        for name in self.methods:
            find_method(name)
        for name, files in self.weights.items():
            if not find_method(name).takes_weights:
                raise PlanError(
                    f"{name} takes no weights; methods with weights: "
                    f"{methods_with('takes_weights')}"
                )
            for file in files:
                find_weights(os.fspath(file))
        for sensor in (*self.rgb_sensors, *([self.hs_sensor] if self.hs_sensor else [])):
            pick_sensor(sensor)
        if any(not (math.isfinite(ratio) and ratio > 1) for ratio in self.ratios):
            raise PlanError(f"ratios must be numbers greater than 1, got {_listed(self.ratios)}")
        if self.psf not in get_args(PSFShape):
            raise PlanError(f"psf must be {' or '.join(get_args(PSFShape))}, got {self.psf!r}")
        if self.psf == "average" and self.fwhm is not None:
            raise PlanError(f"psf 'average' has no FWHM, got {self.fwhm:g}; omit it")
        if self.fwhm is not None and not 0 < self.fwhm < math.inf:
            raise PlanError(f"fwhm must be positive, in HS pixels, got {self.fwhm}")
        if self.peak not in (None, "max") and not 0 < float(self.peak) < math.inf:
            raise PlanError(f"peak must be a positive number or max, got {self.peak}")
        if self.workers is not None and self.workers < 1:
            raise PlanError(f"workers must be at least 1, got {self.workers}")
        check_device(self.device)

    @property
    def chosen_methods(self) -> tuple[str, ...]:
        """The methods that are compared."""
        return tuple(self.methods) or tuple(name for name in METHODS if self._usable(name))

    def _usable(self, name: str) -> bool:
        """Return whether a method needs no weights, or weights are available."""
        return not METHODS[name].needs_weights or bool(self.weights.get(name))


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
