"""Non-negative least squares by active sets, for all pixels at once."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["nonnegative_least_squares"]

# Threshold of a gradient, relative to the norms of pixel and atom.
_TOLERANCE = 1e-5


def nonnegative_least_squares(
    dictionary: Tensor, image: Tensor, support: Tensor
) -> tuple[Tensor, Tensor]:
    """
    Return codes that minimise ``||y - D a||^2`` with ``a >= 0``, few of them positive.

    C. L. Lawson, R. J. Hanson, "Solving Least Squares Problems", 1974, chapter 23: the atom with
    the largest gradient joins the passive set until none has a positive one. Atoms of the set are
    linearly independent, so no pixel uses more of them than there are bands; with more atoms
    than bands the solution is one of many.

    Parameters
    ----------
    dictionary : Tensor of shape (bands, atoms)
        D.
    image : Tensor of shape (groups, pixels, bands)
        Pixels y in groups.
    support : Tensor of bool, shape (groups, atoms)
        Atoms that the pixels of a group may use.

    Returns
    -------
    tuple of Tensor of shape (groups, pixels, bands)
        Atoms of the passive set and their codes, zero where the set is smaller.
    """
    groups, pixels, bands = image.shape
    values = image.flatten(0, 1).double()
    atoms = dictionary.mT.double()
    threshold = _TOLERANCE * values.norm(dim=1).clamp_min(1e-30) * atoms.norm(dim=1).max()
    blocked = ~support.repeat_interleave(pixels, dim=0)
    atom = torch.zeros((groups * pixels, bands), dtype=torch.long, device=image.device)
    used = torch.zeros_like(atom, dtype=torch.bool)
    code = torch.zeros_like(values)
    pixel = torch.arange(len(values), device=image.device)
    for _ in range(3 * bands):
        residual = values - (code[..., None] * atoms[atom]).sum(dim=1)
        gradient = (residual @ atoms.mT).masked_fill_(blocked, -torch.inf)
        gradient[pixel.repeat_interleave(bands)[used.flatten()], atom[used]] = -torch.inf
        best, chosen = gradient.max(dim=1)
        grows = (best > threshold) & ~used.all(dim=1)
        if not bool(grows.any()):
            break
        slot = (~used).long().argmax(dim=1)
        atom[pixel[grows], slot[grows]] = chosen[grows]
        used[pixel[grows], slot[grows]] = True
        code, used = _fit(values, atoms[atom], code, used)
    shape = (groups, pixels, bands)
    return atom.reshape(shape), code.reshape(shape).to(image)


def _fit(values: Tensor, atoms: Tensor, code: Tensor, used: Tensor) -> tuple[Tensor, Tensor]:
    """Return the codes of the passive sets, after removal of atoms with negative codes."""
    for _ in range(code.shape[1] + 1):
        design = atoms * used[..., None]
        gram = design @ design.mT
        scale = gram.diagonal(dim1=1, dim2=2).amax(dim=1).clamp_min(1e-30)[:, None]
        # One on the diagonal of unused entries, and a small ridge for parallel atoms.
        gram = gram + torch.diag_embed(scale * torch.where(used, 1e-12, 1.0))
        fitted = torch.linalg.solve(gram, (design @ values[..., None])[..., 0])
        negative = used & (fitted <= 0)
        wrong = negative.any(dim=1, keepdim=True)
        if not bool(wrong.any()):
            return fitted * used, used
        # The largest step towards the fit with non-negative codes.
        share = torch.where(negative, code / (code - fitted).clamp_min(1e-30), torch.inf)
        nearest = share.amin(dim=1, keepdim=True).clamp_max(1)
        dropped = negative & (share <= nearest)
        code = torch.where(wrong, code + nearest * (fitted - code), fitted) * used
        used = used & ~dropped
        code = (code * used).clamp_min(0)
    return code, used
