"""
`mtf-glp-hpm`: generalised Laplacian pyramid matched to the MTF, with high-pass modulation.

B. Aiazzi, L. Alparone, S. Baronti, A. Garzelli, M. Selva, "MTF-tailored Multiscale Fusion of
High-resolution MS and Pan Imagery", Photogrammetric Engineering & Remote Sensing 72(5), 2006,
doi:10.14358/PERS.72.5.591; the modulation as G. Vivone, R. Restaino, M. Dalla Mura, G. Licciardi,
J. Chanussot, "Contrast and Error-Based Fusion Schemes for Multispectral Image Pansharpening", IEEE
GRSL 11(5), 2014, doi:10.1109/LGRS.2013.2281996, eq. 6: ``Z = X Y / Y_L``. ``Y_L = U(D(Y))`` is the
MS image blurred by the MTF of the HS sensor, sampled and interpolated again. For several MS bands
each HS band has its own synthesised band (:mod:`hsfuse.methods.hypersharpening`). Nothing is
iterated.

Differences from the publication: the quotient is bounded where the divisor is below the error of
the synthesised band (see there); D has the PSF of the pair in place of a nominal MTF, at any
real ratio; U is cubic convolution, the same as for X, in place of a filter for ratios of powers of
two. The regression of the synthesised bands replaces the equalisation of mean and deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hsfuse.core.psf import PSF
from hsfuse.methods import Options, Window
from hsfuse.methods.bicubic import interpolate
from hsfuse.methods.hypersharpening import Modulation
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "MtfGlpHpm", "MtfGlpHpmFuser"]

# Share of an HS pixel's PSF that has to lie on MS pixels with data.
_MINIMUM_COVERAGE = 0.5


@dataclass(frozen=True)
class MtfGlpHpmFuser(Modulation):
    """
    Modulation by the MS bands blurred by the PSF of the HS sensor.

    Attributes
    ----------
    psf : PSF
        PSF of the HS sensor.
    """

    psf: PSF = PSF((1.0, 1.0))  # noqa: RUF009
    name: str = "mtf-glp-hpm"

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: the interpolation and the PSF of its input."""
        return 2 + self.psf.reach[0], 2 + self.psf.reach[1]

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {"method": self.name}

    def low_pass(self, window: Window, fine: Tensor, valid: Tensor) -> Tensor:
        """See :class:`hsfuse.methods.hypersharpening.Modulation`."""
        operator = Degrade.between(window.geometry, self.psf, device=self.device)
        degraded, share = operator.forward_masked(fine, valid)
        degraded = torch.where(
            share > _MINIMUM_COVERAGE, degraded, torch.full_like(degraded, torch.nan)
        )
        return interpolate(window, degraded.cpu().numpy(), self.device)


@dataclass(frozen=True)
class MtfGlpHpm:
    """Method: the synthesised bands are regressed on the survey."""

    def prepare(self, survey: Survey, options: Options) -> MtfGlpHpmFuser:
        """See :class:`hsfuse.methods.Method`."""
        settings = MtfGlpHpmFuser.settings_of(survey, options.device)
        return MtfGlpHpmFuser(*settings, psf=survey.psf)


METHOD = MtfGlpHpm()
