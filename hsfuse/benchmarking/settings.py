"""What a user may choose for a benchmark: one place for the library and the command line."""

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

#: The largest possible value of a cube; ``max`` for the largest value of each one.
Peak = float | Literal["max"]


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """
    What decides the figures of a benchmark.

    Attributes
    ----------
    methods : sequence of str
        Names of :func:`hsfuse.list_methods`; empty for all that need no weights or have some.
    weights : mapping of str to sequence of path
        Weights files of a method. The first that was not trained on the scene and fits the pair is
        used; by default those that come with hsfuse.
    ratios : sequence of float
        Cube pixels per HS pixel. Of a real pair at reduced resolution empty stands for its own,
        rounded.
    rgb_sensors : sequence of str
        MS sensors that are simulated; of a real pair that of its MS image, or none.
    hs_sensor : str, path or None
        Sensor of the cubes or of the HS image, for wavelengths that a file lacks.
    psf : {"gaussian", "average"}
        Shape of the PSF of the HS sensor; ``average`` is the mean over each HS pixel.
    fwhm : float or None
        FWHM of the Gaussian PSF in HS pixels; None for that of ``hs_sensor``, or 1.
    hs_snr, ms_snr : float or None
        Signal-to-noise ratios in decibels; None for no noise.
    peak : float, "max" or None
        The largest possible value, for PSNR and SSIM, in the units of the data; ``max`` for the
        largest value of each cube. None for the full scale of the data set where it is known,
        otherwise the 99.9th percentile of the values of each cube.
    seed : int
        Of the noise, and of the split of a protocol.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    workers : int or None
        Blocks that a method fuses in parallel; None for one per core.

    Raises
    ------
    PlanError, SensorError, WeightsError
        If a value is not one that is accepted.
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
        """Refuse what is wrong whatever the cubes are, before anything is read."""
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
        """Return whether a method needs no weights, or has some."""
        return not METHODS[name].needs_weights or bool(self.weights.get(name))


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
