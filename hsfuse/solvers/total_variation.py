"""
Vector total variation of an image of several components, as one split of ADMM.

Differences are circular, so that step 1 of ADMM is a product in the Fourier domain; those from the
last row or column to the first have no weight in the total variation, so that opposite borders are
not coupled.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Gradient", "GradientSystem", "shrink", "total_variation"]


@dataclass(frozen=True)
class Gradient:
    """
    Forward differences along y and x.

    Attributes
    ----------
    y, x : Tensor of shape (components, rows, columns)
        Differences; those of the last row or column wrap around to the first.
    """

    y: Tensor
    x: Tensor

    @classmethod
    def of(cls, image: Tensor) -> Gradient:
        """Return the gradient of (components, rows, columns)."""
        return cls(image.roll(-1, 1).sub_(image), image.roll(-1, 2).sub_(image))

    def adjoint(self) -> Tensor:
        """Return the adjoint of :meth:`of` applied to this field."""
        return self.y.roll(1, 1).sub_(self.y).add_(self.x.roll(1, 2)).sub_(self.x)

    def plus(self, other: Gradient, weight: float = 1.0) -> Gradient:
        """Return this field plus another one times a weight."""
        return Gradient(
            torch.add(self.y, other.y, alpha=weight), torch.add(self.x, other.x, alpha=weight)
        )

    def norm(self) -> Tensor:
        """Return the norm (rows, columns) over components and directions inside the image."""
        power = torch.zeros_like(self.y[0])
        power[:-1] += self.y[:, :-1].square().sum(dim=0)
        power[:, :-1] += self.x[:, :, :-1].square().sum(dim=0)
        return power.sqrt_()


def total_variation(image: Tensor) -> Tensor:
    """Return the vector total variation of (components, rows, columns)."""
    return Gradient.of(image).norm().sum()


def shrink(field: Gradient, threshold: float) -> Gradient:
    """
    Return the vector soft threshold of a field: the proximal operator of its summed norms.

    Parameters
    ----------
    field : Gradient
        Field of differences.
    threshold : float
        Positive amount by which the norm of each pixel is reduced.
    """
    factor = 1 - threshold / field.norm().clamp_min_(threshold)
    y, x = field.y * factor, field.x * factor
    # Differences across the border have no weight and are unchanged.
    y[:, -1], x[:, :, -1] = field.y[:, -1], field.x[:, :, -1]
    return Gradient(y, x)


@dataclass(frozen=True)
class GradientSystem:
    """
    The system ``(I + grad' grad) U = F``.

    Attributes
    ----------
    spectrum : Tensor of shape (rows, columns // 2 + 1)
        Spectrum of the operator in the real Fourier transform.
    shape : tuple of int
        Rows and columns.
    """

    spectrum: Tensor
    shape: tuple[int, int]

    @classmethod
    def of(cls, image: Tensor) -> GradientSystem:
        """Return the system for images of this size, type and device."""
        rows, columns = image.shape[-2:]
        y, x = (
            4 * torch.sin(torch.pi * torch.arange(count, dtype=torch.float64) / length).square()
            for count, length in ((rows, rows), (columns // 2 + 1, columns))
        )
        return cls((1 + y[:, None] + x).to(image), (rows, columns))

    def solve(self, right: Tensor) -> Tensor:
        """Return U, shape (components, rows, columns), of F."""
        return torch.fft.irfft2(torch.fft.rfft2(right).div_(self.spectrum), s=self.shape)
