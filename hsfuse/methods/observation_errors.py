"""
By how much the HS image may differ from D of the truth, apart from its noise.

D is known to some percent of its width, and of the ground that an HS pixel saw the MS image may
show a part. Both errors are those of single HS pixels: next to nothing on even ground.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d

__all__ = ["REACH", "psf_error_variance", "unseen_variance"]

# HS pixels on either side that are averaged: neighbours share edges of the ground, and the square
# of one error is a poor estimate of its variance.
REACH = 1


def psf_error_variance(degraded: Tensor, wider: Tensor) -> Tensor:
    """
    Return the variance of errors by a PSF whose width is not known exactly.

    Parameters
    ----------
    degraded : Tensor of shape (components, rows, columns)
        D(Z) of an estimate.
    wider : Tensor of shape (components, rows, columns)
        The same, of a PSF that is wider by its standard error.

    Returns
    -------
    Tensor of shape (components, rows, columns)
        Squares of the difference, averaged over each HS pixel and its neighbours.
    """
    size = 2 * REACH + 1
    squares = (wider - degraded).square()
    return avg_pool2d(squares[None], size, 1, REACH, count_include_pad=False)[0]


def unseen_variance(hs: Tensor, valid: Tensor, unseen: Tensor) -> Tensor:
    """
    Return the variance of errors by ground that the MS image does not show.

    It differs from what is shown by as much as neighbouring HS pixels differ.

    Parameters
    ----------
    hs : Tensor of shape (components, rows, columns)
        The HS image, finite.
    valid : Tensor of shape (rows, columns)
        HS pixels with data.
    unseen : Tensor of shape (rows, columns)
        From :func:`hsfuse.observe.unseen_share`.

    Returns
    -------
    Tensor of shape (components, rows, columns)
    """
    mask = valid.to(hs)
    count, mean, square = (
        _window_sum(each) for each in (mask[None], mask * hs, mask * hs.square())
    )
    differences = square - 2 * hs * mean + count * hs.square()
    # The pixel itself differs by nothing and is not one of its neighbours.
    return unseen.square() * differences.clamp_min(0) / (count - mask).clamp_min(1)


def _window_sum(values: Tensor) -> Tensor:
    """Return the sums over windows of each pixel and its neighbours, zero outside."""
    size = 2 * REACH + 1
    return avg_pool2d(values[None], size, 1, REACH, divisor_override=1)[0]
