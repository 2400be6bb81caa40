"""
Gibbs sampling of a dictionary with a beta process prior, and of codes for a fixed dictionary.

Akhtar, Shafait and Mian 2015, doi:10.1109/CVPR.2015.7298986, after Zhou et al. 2012,
doi:10.1109/TIP.2011.2160072. ``y_i = Phi (z_i * s_i) + e_i`` with

    phi_k ~ N(0, 1/L),  z_ik ~ Bernoulli(pi_k),  pi_k ~ Beta(a0/K, b0 (K-1)/K),
    s_ik ~ N(0, 1/g_s),  e_i ~ N(0, 1/g_e),  g_s ~ Gamma(c0, d0),  g_e ~ Gamma(e0, f0).

Every conditional distribution is of a known form; atoms are drawn one after the other, each for
all pixels at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Chain", "learn_dictionary_by_gibbs", "sample_codes", "sample_precisions"]


@dataclass(frozen=True)
class Chain:
    """
    A chain of codes for a fixed dictionary; all pixels share its random numbers.

    Attributes
    ----------
    dictionary : Tensor of shape (bands, atoms)
        Phi.
    usage : Tensor of shape (atoms,)
        pi.
    seed : int
        Random seed.
    """

    dictionary: Tensor
    usage: Tensor
    seed: int

    @property
    def atoms(self) -> Tensor:
        """Atoms in rows."""
        return self.dictionary.mT.contiguous()

    def draws(self, count: int) -> list[list[tuple[float, float, float]]]:
        """Return log odds and two normal numbers for each atom of each draw."""
        generator = torch.Generator().manual_seed(self.seed)
        shape = (count, self.dictionary.shape[1])
        uniform = torch.rand(shape, generator=generator)
        normal = torch.randn((*shape, 2), generator=generator)
        odds = _log_odds(self.usage.cpu(), uniform)
        numbers: list[list[tuple[float, float, float]]] = torch.cat(
            [odds[..., None], normal], dim=2
        ).tolist()
        return numbers


@dataclass
class _Codes:
    """
    Codes while they are drawn.

    Attributes
    ----------
    residual : Tensor of shape (bands, pixels)
        ``y - Phi (z * s)``.
    code : Tensor of shape (atoms, pixels)
        ``z * s``, zero where an atom is not used.
    buffer : Tensor of shape (3, pixels)
        Memory of the intermediate results of a draw.
    """

    residual: Tensor
    code: Tensor
    buffer: Tensor

    def draw(
        self,
        index: int,
        atom: Tensor,
        numbers: tuple[float | Tensor, float | Tensor, float | Tensor],
        precisions: tuple[float, float],
    ) -> None:
        """
        Draw z and s of one atom for all pixels.

        Parameters
        ----------
        index : int
            Index of the atom.
        atom : Tensor of shape (bands,)
            phi.
        numbers : tuple of float or Tensor
            Log odds (:func:`_log_odds`) and two normal numbers, for all pixels or one for each.
        precisions : tuple of float
            Precisions of weights and noise.
        """
        weight_precision, noise_precision = precisions
        odds, proposal, normal = numbers
        before = self.code[index]
        along, weight, change = self.buffer
        power = float(atom @ atom)
        # Correlation of the atom with the residual of the other atoms.
        torch.addmv(before, self.residual.mT, atom, beta=power, out=along)
        # An unused atom's weight is a draw of its prior. Masks are zeros and ones of the codes'
        # type: on CPUs, operations on booleans take several times as long.
        torch.eq(before, 0, out=weight)
        weight.mul_(proposal / weight_precision**0.5).add_(before)
        # Used where u > (1 - pi) / (pi exp(-g_e / 2 (s^2 phi'phi - 2 s phi'r)) + 1 - pi).
        torch.mul(weight, power, out=change).add_(along, alpha=-2).mul_(weight)
        used = torch.lt(change, odds * (-2 / noise_precision), out=change)
        variance = 1 / (weight_precision + noise_precision * power)
        code = along.mul_(variance * noise_precision).add_(normal * variance**0.5).mul_(used)
        self.residual.addr_(atom, torch.sub(code, before, out=weight), alpha=-1)
        before.copy_(code)


def _log_odds(usage: Tensor, uniform: Tensor) -> Tensor:
    """Return ``log((1 - pi) (1 - u) / (pi u))``, with which an atom is compared for its use."""
    return torch.log((1 - usage) * (1 / uniform - 1) / usage)


def sample_codes(chain: Chain, values: Tensor, precisions: Iterable[tuple[float, float]]) -> Tensor:
    """
    Return the codes of pixels after the draws of a chain, shape (atoms, pixels).

    Parameters
    ----------
    chain : Chain
        Dictionary and random numbers.
    values : Tensor of shape (bands, pixels)
        The pixels.
    precisions : iterable of tuple of float
        Precisions of weights and noise in each draw, from :func:`sample_precisions`.
    """
    steps = [(float(weight), float(noise)) for weight, noise in precisions]
    state = _start(chain.dictionary, values)
    for numbers, step in zip(chain.draws(len(steps)), steps, strict=True):
        _sweep(chain, state, numbers, step)
    return state.code


def sample_precisions(
    chain: Chain, values: Tensor, draws: int, prior: float
) -> list[tuple[float, float]]:
    """
    Return the precisions of weights and noise in each draw of a chain.

    Parameters
    ----------
    chain : Chain
        Dictionary and random numbers.
    values : Tensor of shape (bands, pixels)
        Pixels of the survey.
    draws : int
        Number of draws of codes and precisions in turn.
    prior : float
        c0 to f0.
    """
    generator = torch.Generator().manual_seed(chain.seed + 1_000_003)
    state = _start(chain.dictionary, values)
    step = (1.0, 1 / max(float(values.var()), 1e-12))
    steps = []
    for numbers in chain.draws(draws):
        steps.append(step)
        _sweep(chain, state, numbers, step)
        step = _precisions(state, step[0], prior, generator)
    return steps


def _start(dictionary: Tensor, values: Tensor) -> _Codes:
    code = values.new_zeros((dictionary.shape[1], values.shape[1]))
    return _Codes(values.clone(), code, values.new_empty((3, values.shape[1])))


def _sweep(
    chain: Chain,
    state: _Codes,
    numbers: list[tuple[float, float, float]],
    step: tuple[float, float],
) -> None:
    """Draw the codes of every atom once."""
    for index, (atom, values) in enumerate(zip(chain.atoms, numbers, strict=True)):
        odds, proposal, normal = values
        state.draw(index, atom, (odds, proposal, normal), step)


def _precisions(
    state: _Codes, weight: float, prior: float, generator: torch.Generator
) -> tuple[float, float]:
    """Draw the precisions of weights and noise; unused weights count with their expectation."""
    used = int(torch.count_nonzero(state.code))
    unused_power = (state.code.numel() - used) / weight
    total = float(state.code.square().sum())
    noise = float(state.residual.square().sum())
    return (
        _gamma(prior + state.code.numel() / 2, prior + (total + unused_power) / 2, generator),
        _gamma(prior + state.residual.numel() / 2, prior + noise / 2, generator),
    )


def _gamma(shape: float, rate: float, generator: torch.Generator) -> float:
    """Draw from a gamma distribution."""
    drawn = torch._standard_gamma(torch.tensor(shape, dtype=torch.double), generator=generator)
    return float(drawn) / max(rate, 1e-30)


def learn_dictionary_by_gibbs(
    spectra: Tensor,
    atoms: int,
    *,
    usage: float,
    prior: float,
    iterations: int,
    seed: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """
    Return a dictionary of spectra, the probability of each atom, and the codes of the spectra.

    Parameters
    ----------
    spectra : Tensor of shape (bands, pixels)
        HS pixels in units of the scene's brightness.
    atoms : int
        Initial number of atoms; those that no pixel uses are removed.
    usage : float
        Probability of every atom at the start.
    prior : float
        a0 to f0.
    iterations : int
        Draws; the dictionary is the mean over the second half.
    seed : int
        Random seed.

    Returns
    -------
    tuple of Tensor of shape (bands, atoms), (atoms,) and (atoms, pixels)
    """
    generator = torch.Generator().manual_seed(seed)
    bands, pixels = spectra.shape
    dictionary = torch.rand((bands, atoms), generator=generator) - 0.5
    dictionary = dictionary - dictionary.mean(dim=0)
    dictionary = dictionary / torch.linalg.vector_norm(dictionary, dim=0).clamp_min(1e-12)
    state = _start(dictionary, spectra)
    chance = torch.full((atoms,), usage)
    step = (1.0, 1 / max(float(spectra.var()), 1e-12))
    total, total_code = torch.zeros_like(dictionary), torch.zeros_like(state.code)
    for iteration in range(iterations):
        for index in range(dictionary.shape[1]):
            code = state.code[index]
            # phi given its codes: the residual without this atom, on its weights.
            variance = 1 / (step[1] * float(code.square().sum()) + bands)
            along = state.residual @ code + dictionary[:, index] * code.square().sum()
            atom = step[1] * variance * along
            atom = atom + torch.randn(bands, generator=generator) * variance**0.5
            state.residual.sub_((atom - dictionary[:, index])[:, None] * code)
            dictionary[:, index] = atom
            odds = _log_odds(chance[index], torch.rand(pixels, generator=generator))
            proposal, normal = torch.randn((2, pixels), generator=generator)
            state.draw(index, atom, (odds, proposal, normal), step)
        used = torch.count_nonzero(state.code, dim=1)
        chance = _beta(used, pixels, prior, generator)
        step = _precisions(state, step[0], prior, generator)
        retained = used > 0
        if not bool(retained.any()):
            continue
        dictionary, chance = dictionary[:, retained], chance[retained]
        total, total_code = total[:, retained], total_code[retained]
        state.code = state.code[retained]
        if iteration >= iterations // 2:
            total += dictionary
            total_code += state.code
    count = iterations - iterations // 2
    return total / count, chance, total_code / count


def _beta(used: Tensor, pixels: int, prior: float, generator: torch.Generator) -> Tensor:
    """Draw pi of every atom."""
    count = len(used)
    first = torch._standard_gamma((used + prior / count).double(), generator=generator)
    second = torch._standard_gamma(
        (pixels - used + prior * (count - 1) / count).double(), generator=generator
    )
    return (first / (first + second).clamp_min(1e-300)).float()
