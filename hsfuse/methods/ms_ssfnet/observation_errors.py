"""
Variance of the errors of D, apart from the noise of the HS image.

The width of the PSF is known to a few per cent, and the MS image may cover only a part of the area
of an HS pixel. Both errors are estimated for each HS pixel; in homogeneous areas they are small.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d

__all__ = ["REACH", "psf_error_variance", "unseen_variance"]

# HS pixels on either side over which squares are averaged: a single square is a poor estimate of
# the variance, and neighbouring pixels share edges.
REACH = 1


def psf_error_variance(degraded: Tensor, wider: Tensor) -> Tensor:
    """
    Return the variance of the errors due to the uncertainty of the width of the PSF.

    Parameters
    ----------
    degraded : Tensor of shape (components, rows, columns)
        D(Z) of an estimate.
    wider : Tensor of shape (components, rows, columns)
        The same for a PSF that is wider by its standard error.

    Returns
    -------
    Tensor of shape (components, rows, columns)
        Squares of the differences, averaged over each HS pixel and its neighbours.
    """
    size = 2 * REACH + 1
    squares = (wider - degraded).square()
    return avg_pool2d(squares[None], size, 1, REACH, count_include_pad=False)[0]


def unseen_variance(hs: Tensor, valid: Tensor, unseen: Tensor) -> Tensor:
    """
    Return the variance of the errors due to areas that the MS image does not cover.

    These are assumed to differ from the covered area as neighbouring HS pixels differ.

    Parameters
    ----------
    hs : Tensor of shape (components, rows, columns)
        The HS image, finite.
    valid : Tensor of shape (rows, columns)
        HS pixels with data.
    unseen : Tensor of shape (rows, columns)
        Share of the PSF from :func:`hsfuse.observe.unseen_share`.

    Returns
    -------
    Tensor of shape (components, rows, columns)
    """
    mask = valid.to(hs)
    count, mean, square = (
        _window_sum(image) for image in (mask[None], mask * hs, mask * hs.square())
    )
    differences = square - 2 * hs * mean + count * hs.square()
    # The pixel itself is not one of its neighbours.
    return unseen.square() * differences.clamp_min(0) / (count - mask).clamp_min(1)


def _window_sum(values: Tensor) -> Tensor:
    """Return the sums over windows of each pixel and its neighbours, zero outside."""
    size = 2 * REACH + 1
    return avg_pool2d(values[None], size, 1, REACH, divisor_override=1)[0]
