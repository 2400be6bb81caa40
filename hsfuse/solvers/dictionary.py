"""Non-negative dictionaries of a scene's spectra, by block-coordinate descent."""

from __future__ import annotations

import torch
from torch import Tensor

from hsfuse.solvers.nonnegative import nonnegative_codes

__all__ = ["learn_dictionary"]


def learn_dictionary(
    spectra: Tensor, atoms: int, *, penalty: float, rounds: int = 10, seed: int = 0
) -> Tensor:
    """
    Return a dictionary on which spectra have sparse non-negative codes.

    Algorithm 1 of Dong et al. 2016, doi:10.1109/TIP.2016.2542360: minimise
    ``||X - D B||^2 / 2 + penalty ||B||_1`` with ``D, B >= 0`` and atoms in the unit ball, in turn
    over all codes and over one atom after the other. Atoms begin as random spectra.

    Parameters
    ----------
    spectra : Tensor of shape (bands, pixels)
        X, non-negative.
    atoms : int
        Number of atoms.
    penalty : float
        Weight of the sum of codes.
    rounds : int
        Number of rounds over codes and atoms.
    seed : int
        Random seed of the spectra that are the first atoms.

    Returns
    -------
    Tensor of shape (bands, atoms)
    """
    draw = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(spectra.shape[1], generator=draw)[:atoms]
    if len(chosen) < atoms:  # every spectrum, and some twice
        more = torch.randint(spectra.shape[1], (atoms - len(chosen),), generator=draw)
        chosen = torch.cat([chosen, more])
    dictionary = spectra[:, chosen.to(spectra.device)]
    dictionary = dictionary / torch.linalg.vector_norm(dictionary, dim=0).clamp_min(1e-12)
    for _ in range(rounds):
        codes = nonnegative_codes(dictionary, spectra, penalty=penalty, iterations=100)
        gram, correlated = codes @ codes.mT, spectra @ codes.mT
        for atom in range(atoms):
            if gram[atom, atom] <= 0:
                continue  # no spectrum uses it
            step = (correlated[:, atom] - dictionary @ gram[:, atom]) / gram[atom, atom]
            changed = (dictionary[:, atom] + step).clamp_min(0)
            dictionary[:, atom] = changed / torch.linalg.vector_norm(changed).clamp_min(1)
    return dictionary
