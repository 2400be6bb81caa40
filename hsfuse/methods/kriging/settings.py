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
    # Random features of a process. 512 lose 0.1 to 0.2 dB on abu_airport_1, abu_urban_2 and
    # glass_tiles; each costs as much as another.
    features: int = 768
    # Prior standard deviation of the coefficients of a constant and of each band: they are free.
    linear_deviation: float = 3.0
    # HS pixels of a cell, of its halo and of the ramp to its neighbours.
    cell: int = 32
    halo: int = 8
    ramp: int = 4
    # Cells along either axis that are conditioned together, as far as the window about them holds
    # no more MS pixels than these. They share features: four cost two thirds of what they cost one
    # by one; larger units would leave workers idle on small scenes and take long to time.
    together: int = 2
    unit_pixels: int = 2**22
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
    # Step, along either axis, between the MS pixels on which features are degraded, from that ratio
    # on: two such lattices are every second pixel, as on a chessboard, and processes take turns
    # with the two halves, so that their errors differ. One lattice loses 0.4 dB on abu_urban_2 at
    # ratio 4 and 0.3 dB on glass_tiles at ratio 16; all pixels gain 0.4 dB on the first alone, at
    # twice the cost.
    sampling: int = 2
    sampling_ratio: float = 3.5
    # HS pixels a side, and cells, on which the noise of a scene is selected.
    trial_side: int = 48
    trials: int = 3
    # MS pixels whose features are in memory at once: those of one process fit the cache.
    block: int = 1024

    def lattices(self, process: int, ratio: float) -> list[tuple[int, tuple[int, int]]]:
        """
        Return the MS pixels on which a process's features are degraded.

        Returns
        -------
        list of tuple
            A step along either axis, and the first pixel along y and x; features are their mean.
        """
        if ratio < self.sampling_ratio:
            return [(1, (0, 0))]
        step = self.sampling
        x = process % step
        return [(step, (0, x)), (step, (1, (x + 1) % step))]

    @property
    def scales(self) -> tuple[float, ...]:
        """Scales of the texture maps of all kernels, ascending."""
        kernels = (kernel for process in self.processes for kernel in process)
        return tuple(sorted({scale for kernel in kernels for scale in kernel.scales}))


DEFAULT = KrigingSettings()
