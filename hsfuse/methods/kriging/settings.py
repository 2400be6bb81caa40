"""The covariances of `kriging` and its other settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hsfuse.methods.guided.settings import DEFAULT as GUIDED
from hsfuse.methods.guided.settings import GuidedSettings

__all__ = ["DEFAULT", "Kernel", "KrigingSettings"]


@dataclass(frozen=True, slots=True)
class Kernel:
    """
    Length scales of a squared-exponential covariance.

    Attributes
    ----------
    colour : float
        In standard deviations of chromaticity and of log brightness.
    position : float
        In HS pixels.
    texture : float
        In standard deviations of the texture maps.
    scales : tuple of float
        Standard deviations, in HS pixels, of the Gaussian blurs of the texture maps that are
        used; may be none.
    """

    colour: float
    position: float
    texture: float = 1.0
    scales: tuple[float, ...] = ()


_PROCESSES = (
    (Kernel(1.0, 16.0), Kernel(4.0, 3.0, 3.0, (0.6,))),
    (Kernel(4.0, 1.5), Kernel(2.0, 4.0)),
    (Kernel(4.0, 3.0, 4.0, (0.3, 1.0)),),
    (Kernel(1.0, 16.0), Kernel(2.0, 6.0, 2.0, (0.3, 1.0))),
)


@dataclass(frozen=True, slots=True)
class KrigingSettings:
    """All numbers of `kriging`."""

    # A process is a sum of kernels. Averaged, these did best of some forty on eleven remote-sensing
    # scenes at ratios 4 and 8 and six CAVE scenes at ratio 16, where sums gain 0.1 to 0.3 dB over
    # single kernels. The fourth process gains under 0.05 dB, and 0.1 degrees at ratio 8. Networks
    # of components are trained with this number of processes.
    processes: tuple[tuple[Kernel, ...], ...] = _PROCESSES
    # Random features of a process.
    features: int = 512
    # Prior standard deviation of the coefficients of a constant and of each band: they are free.
    linear_deviation: float = 3.0
    # HS pixels of a cell, of its halo and of the ramp to its neighbours.
    cell: int = 32
    halo: int = 8
    ramp: int = 4
    # Components at most.
    components: int = 24
    # Variances of the noise, in units of a component's, among which cross-validation selects.
    noises: tuple[float, ...] = tuple(map(float, 10.0 ** np.arange(-5, 1.6, 0.5)))
    # Different noises of a process; each takes a factorisation a cell.
    levels: int = 4
    # Factor of the degrees of freedom in cross-validation; over one, it guards against the too
    # small noise that is selected at times.
    freedom: float = 1.2
    # Of the scene's mean brightness; below it, chromaticity is noise.
    dark: float = 0.05
    # Of the scene's mean brightness: what is added to it where residuals are weighted by its
    # inverse.
    brightness_floor: float = 1.0
    # Of the regression that gives the subspace and the standardised bands.
    guided: GuidedSettings = GUIDED
    # MS pixels whose appearance maps give mean and standard deviation over the scene.
    pixels: int = 2**18
    # HS pixels after which features repeat; the widest kernel has five frequencies within a
    # standard deviation, and a cell is a tenth of it.
    period: float = 512.0
    # Every so many MS pixels along either axis are enough to degrade features, from that ratio on;
    # each process uses others of them, so that their errors differ. Every fourth loses up to 1 dB
    # on scenes without noise.
    sampling: int = 2
    sampling_ratio: float = 3.5
    # HS pixels a side, and cells, on which the noise of a scene is selected.
    trial_side: int = 48
    trials: int = 3
    # MS pixels whose features are in memory at once: those of all processes fill the cache.
    block: int = 2048

    def step(self, ratio: float) -> int:
        """Return the step between the MS pixels on which features are degraded."""
        return self.sampling if ratio >= self.sampling_ratio else 1

    def offset(self, process: int, step: int) -> tuple[int, int]:
        """Return the first of these pixels along y and x, which differs from process to process."""
        return process % step, (process // step + process) % step

    @property
    def scales(self) -> tuple[float, ...]:
        """Scales of the texture maps of all kernels, ascending."""
        kernels = (kernel for process in self.processes for kernel in process)
        return tuple(sorted({scale for kernel in kernels for scale in kernel.scales}))


DEFAULT = KrigingSettings()
