"""
Observation model of the two sensors: the operators D and R with their adjoints.

``X = D(Z) + n`` (eq. 1) and ``Y = R Z + n`` (eq. 2). ``Z`` is the high-resolution cube of shape
(bands, rows, columns). :class:`Degrade` is D, a separable blur and sampling by a real-valued ratio
between two grids that need not be aligned; :func:`respond` is R, a matrix on the spectrum.
Methods, training, metrics and simulation all use these. Tensors may be on CPU or GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.core.resample import degrade_matrix, interpolation_matrix, share_inside

__all__ = ["Degrade", "Interpolate", "degrade_matrix", "over_share", "respond", "unseen_share"]


@dataclass(frozen=True)
class Degrade:
    """
    The spatial operator D: blur by the PSF of the coarse sensor, then sampling.

    Attributes
    ----------
    rows : Tensor of shape (coarse rows, fine rows)
        Weights along y.
    columns : Tensor of shape (coarse columns, fine columns)
        Weights along x.
    """

    rows: Tensor
    columns: Tensor

    @classmethod
    def between(
        cls,
        geometry: Geometry,
        psf: PSF,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Degrade:
        """
        Return D for the geometry of a window.

        Parameters
        ----------
        geometry : Geometry
            The two grids.
        psf : PSF
            PSF of the coarse sensor.
            device, dtype
                Device and type of the weights.
        """
        rows, columns = (
            torch.from_numpy(degrade_matrix(axis, width)).to(device=device, dtype=dtype)
            for axis, width in zip((geometry.y, geometry.x), psf.fwhm, strict=True)
        )
        return cls(rows, columns)

    def forward(self, cube: Tensor) -> Tensor:
        """Return D(Z), shape (..., coarse rows, coarse columns), from (..., rows, columns)."""
        return self.rows @ cube @ self.columns.mT

    def adjoint(self, coarse: Tensor) -> Tensor:
        """Return the transpose of D applied to (..., coarse rows, coarse columns)."""
        return self.rows.mT @ coarse @ self.columns

    def forward_masked(self, cube: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return D over the valid pixels only, and the share of the PSF on valid pixels.

        Parameters
        ----------
        cube : Tensor of shape (..., rows, columns)
            Values; invalid pixels are ignored and may be NaN.
        valid : Tensor of shape (rows, columns)
            True where there is data.

        Returns
        -------
        tuple of Tensor
            The mean over the valid pixels, 0 where there are none, and the share from 0 to 1, of
            shape (coarse rows, coarse columns).
        """
        weight = valid.to(cube.dtype)
        share = self.forward(weight)
        if not (cube.is_contiguous() and bool(valid.all())):  # otherwise there is nothing to fill
            cube = torch.where(valid, cube, torch.zeros((), dtype=cube.dtype))
        return over_share(self.forward(cube), share), share


def unseen_share(geometry: Geometry, psf: PSF, share: Tensor) -> Tensor:
    """
    Return the share of the PSF of each coarse pixel that is not on fine pixels with data.

    That is beyond the fine grid, or in its gaps. :class:`Degrade` is the mean over the rest, so the
    difference of the unobserved area from it, times this share, is an error of D.

    Parameters
    ----------
    geometry : Geometry
        The two grids.
    psf : PSF
        PSF of the coarse sensor.
    share : Tensor of shape (coarse rows, coarse columns)
        From :meth:`Degrade.forward_masked`: share of the PSF on the grid that is on data.

    Returns
    -------
    Tensor of shape (coarse rows, coarse columns)
        0 to 1.
    """
    rows, columns = (
        torch.from_numpy(share_inside(axis, width)).to(share)
        for axis, width in zip((geometry.y, geometry.x), psf.fwhm, strict=True)
    )
    return (1 - rows[:, None] * columns * share).clamp(0, 1)


def over_share(total: Tensor, share: Tensor) -> Tensor:
    """
    Return D over valid MS pixels as a mean over them, 0 where there are none.

    Parameters
    ----------
    total : Tensor of shape (..., coarse rows, coarse columns)
        D with zeros at invalid pixels.
    share : Tensor of shape (coarse rows, coarse columns)
        D of the mask.
    """
    return total / share.clamp_min(1e-6) * (share > 1e-6)


@dataclass(frozen=True)
class Interpolate:
    """
    Interpolation of coarse values at the centres of fine pixels: cubic convolution, or linear.

    Attributes
    ----------
    rows : Tensor of shape (fine rows, coarse rows)
        Weights along y.
    columns : Tensor of shape (fine columns, coarse columns)
        Weights along x.
    """

    rows: Tensor
    columns: Tensor

    @classmethod
    def between(
        cls,
        geometry: Geometry,
        *,
        linear: bool = False,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Interpolate:
        """Return the interpolation for the geometry of a window."""
        rows, columns = (
            torch.from_numpy(interpolation_matrix(axis, linear=linear)).to(
                device=device, dtype=dtype
            )
            for axis in (geometry.y, geometry.x)
        )
        return cls(rows, columns)

    def cut(self, area: tuple[Span, Span]) -> Interpolate:
        """Return the interpolation restricted to a window of the fine grid."""
        return Interpolate(self.rows[area[0].slice], self.columns[area[1].slice])

    def forward(self, coarse: Tensor) -> Tensor:
        """Return (..., rows, columns) from (..., coarse rows, coarse columns)."""
        return self.rows @ coarse @ self.columns.mT


def respond(response: Tensor, cube: Tensor) -> Tensor:
    """
    Return R Z: the response of the MS bands to each spectrum (eq. 2).

    Its adjoint is ``respond(response.mT, image)``.

    Parameters
    ----------
    response : Tensor of shape (MS bands, bands)
        R, rows summing to one.
    cube : Tensor of shape (bands, rows, columns)
        Z.

    Returns
    -------
    Tensor of shape (MS bands, rows, columns)
    """
    return torch.tensordot(response, cube, dims=1)
