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
        Length scale in standard deviations of chromaticity and of log brightness.
    position : float
        Length scale in HS pixels.
    texture : float
        Length scale in standard deviations of the texture maps.
    scales : tuple of float
        Standard deviations, in HS pixels, of the Gaussian blurs of the texture maps used; may be
        empty.
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
    """Settings of `kriging`."""

    # A process is a sum of kernels. Averaged, these did best of some forty on eleven remote-sensing
    # scenes at ratios 4 and 8 and six CAVE scenes at ratio 16, where sums gain 0.1 to 0.3 dB over
    # single kernels. The fourth process gains under 0.05 dB, and 0.1 degrees at ratio 8. Networks
    # of components are trained with this number of processes.
    processes: tuple[tuple[Kernel, ...], ...] = _PROCESSES
    # Random features of a process. 512 lose 0.1 to 0.2 dB on abu_airport_1, abu_urban_2 and
    # glass_tiles; the cost is proportional to their number.
    features: int = 768
    # Prior standard deviation of the coefficients of the constant and each band: unconstrained.
    linear_deviation: float = 3.0
    # Side of a cell, width of its halo and width of the blending ramp, in HS pixels. A halo of 8
    # takes 1.4 times the HS pixels, which the features represent less well: on two CAVE scenes at
    # ratio 4 it gains 0.00 and 0.02 dB (without and with noise) and loses 0.01 and 0.05 degrees.
    cell: int = 32
    halo: int = 4
    ramp: int = 4
    # Cells along either axis that are conditioned together, as far as the window about them holds
    # no more MS pixels than these. They share features: four cost two thirds of what they cost one
    # by one; larger units would leave workers idle on small scenes and take long to time.
    together: int = 2
    unit_pixels: int = 2**22
    # Maximum number of components.
    components: int = 24
    # Candidate variances of the noise for cross-validation, in units of that of the component.
    noises: tuple[float, ...] = tuple(map(float, 10.0 ** np.arange(-5, 1.6, 0.5)))
    # Number of distinct noise variances of a process; each needs a factorisation per cell. On two
    # CAVE scenes at ratio 4 four levels are equal to three, and two lose 0.06 dB with noise.
    levels: int = 3
    # Noise variances from which on the products of random features, and the factors of their normal
    # equations, are computed in float32, in a half of the time: rounding changes the products by an
    # error of spectral norm 2e-6, a tenth of the smallest such noise, and factors by less than one
    # percent of it.
    single_product_noise: float = 2e-5
    single_factor_noise: float = 9e-4
    # Factor of the degrees of freedom in cross-validation; a factor above one avoids the
    # occasional selection of too small a noise.
    freedom: float = 1.2
    # Share of the mean brightness of the scene below which chromaticity is noise.
    dark: float = 0.05
    # Added to the brightness, in units of its mean over the scene, where residuals are weighted by
    # its inverse.
    brightness_floor: float = 1.0
    # Parameters of the regression that gives the subspace and the standardised bands.
    guided: GuidedSettings = GUIDED
    # MS pixels from which mean and standard deviation of the maps over the scene are computed.
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
    # Side in HS pixels, and number, of the cells on which the noise of a scene is selected.
    validation_side: int = 40
    validation_cells: int = 3
    # MS pixels that are degraded or estimated together.
    block: int = 1024
    # MS pixels whose features are in memory at once in estimates: those of one process fit in the
    # cache, cosines and sines of 1024 pixels take 1.6 times as long.
    chunk: int = 256

    def lattices(self, process: int, ratio: float) -> list[tuple[int, tuple[int, int]]]:
        """
        Return the lattices of MS pixels at which the features of a process are degraded.

        Returns
        -------
        list of tuple
            Step along both axes, and first pixel along y and x, of each lattice; features are
            averaged over the lattices.
        """
        if ratio < self.sampling_ratio:
            return [(1, (0, 0))]
        step = self.sampling
        x = process % step
        return [(step, (0, x)), (step, (1, (x + 1) % step))]

    @property
    def scales(self) -> tuple[float, ...]:
        """Scales of the texture maps of all kernels, in ascending order."""
        kernels = (kernel for process in self.processes for kernel in process)
        return tuple(sorted({scale for kernel in kernels for scale in kernel.scales}))


DEFAULT = KrigingSettings()
