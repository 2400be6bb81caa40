"""
`sfim`: smoothing-filter-based intensity modulation.

J. G. Liu, "Smoothing Filter-based Intensity Modulation: a spectral preserve image fusion technique
for improving spatial details", International Journal of Remote Sensing 21(18), 2000,
doi:10.1080/014311600750037499, eq. 5: ``Z = X Y / mean(Y)``, with X the interpolated HS image and
the mean over a square of one HS pixel about each MS pixel. For several MS bands each HS band has
its own synthesised band (:mod:`hsfuse.methods.hypersharpening`). Nothing is iterated.

Differences from the publication: the quotient is bounded where the divisor is below the error of
the synthesised band (see there); the side of the square is the ratio, also where that is no odd
whole number; pixels without data have no weight in the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hsfuse.core.grid import Axis
from hsfuse.methods import Options, Window
from hsfuse.methods.hypersharpening import Modulation
from hsfuse.observe import over_share
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "Sfim", "SfimFuser"]


@dataclass(frozen=True)
class SfimFuser(Modulation):
    """Modulation by the local mean of the MS bands."""

    name: str = "sfim"
    reach: tuple[float, float] = (2.0, 2.0)  # interpolation; the mean has half a pixel

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {"method": self.name}

    def low_pass(self, window: Window, fine: Tensor, valid: Tensor) -> Tensor:
        """See :class:`hsfuse.methods.hypersharpening.Modulation`."""
        rows, columns = (
            _mean_matrix(axis).to(fine)[span.slice]
            for axis, span in zip((window.geometry.y, window.geometry.x), window.core, strict=True)
        )
        filled = torch.where(valid, fine, torch.zeros_like(fine))
        return over_share(rows @ filled @ columns.mT, rows @ valid.to(fine) @ columns.mT)


def _mean_matrix(axis: Axis) -> Tensor:
    """Return the weights (fine, fine) of the mean over the width of one HS pixel."""
    start = torch.arange(axis.fine, dtype=torch.float64)
    centre = start[:, None] + 0.5
    first, last = centre - axis.ratio / 2, centre + axis.ratio / 2
    overlap = (torch.minimum(start + 1, last) - torch.maximum(start, first)).clamp_min(0)
    return overlap / overlap.sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class Sfim:
    """Method: the synthesised bands are regressed on the survey."""

    def prepare(self, survey: Survey, options: Options) -> SfimFuser:
        """See :class:`hsfuse.methods.Method`."""
        return SfimFuser(*SfimFuser.settings_of(survey, options.device))


METHOD = Sfim()
