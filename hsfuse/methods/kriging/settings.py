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
    # Random features of a process. 512 lose 0.03 to 0.05 dB; 1152 gain as much at 1.5 times the
    # cost.
    features: int = 768
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
    # Values of features in memory at once.
    chunk: int = 2**24
    # Values of a cell's features that stay in memory from conditioning to application, 128 MB; of
    # a cell with more fine pixels they are computed twice.
    held: int = 2**25

    @property
    def scales(self) -> tuple[float, ...]:
        """Scales of the texture maps of all kernels, ascending."""
        kernels = (kernel for process in self.processes for kernel in process)
        return tuple(sorted({scale for kernel in kernels for scale in kernel.scales}))


DEFAULT = KrigingSettings()
