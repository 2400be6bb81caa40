"""Solvers for abundances and dictionaries: optimality conditions and exact data."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from hsfuse.solvers.active_set import nonnegative_least_squares
from hsfuse.solvers.beta_process import Chain, learn_dictionary_by_gibbs, sample_codes
from hsfuse.solvers.dictionary import learn_dictionary
from hsfuse.solvers.nonnegative import nonnegative_codes
from hsfuse.solvers.simplex import project_simplex


def test_the_nearest_abundances_are_on_the_simplex() -> None:
    """No other point of the simplex is nearer, and a point of it stays."""
    draw = torch.Generator().manual_seed(0)
    values = 3 * torch.randn((7, 50), generator=draw)
    found = project_simplex(values)
    assert found.min() >= 0
    torch.testing.assert_close(found.sum(dim=0), torch.ones(50))
    torch.testing.assert_close(project_simplex(found), found)
    # Where the projection is positive the distance is the same, elsewhere larger (KKT).
    distance = values - found
    level = (distance * (found > 0)).sum(dim=0) / (found > 0).sum(dim=0)
    assert ((distance - level) * (found > 0)).abs().max() < 1e-4
    assert ((distance - level)[found == 0]).max() < 1e-4


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_codes_are_optimal(penalty: float) -> None:
    """The gradient vanishes where codes are positive and is not negative elsewhere (KKT)."""
    draw = torch.Generator().manual_seed(0)
    dictionary, image = (torch.rand(shape, generator=draw) for shape in ((20, 8), (20, 30)))
    codes = nonnegative_codes(dictionary, image, penalty=penalty, iterations=500)
    gradient = dictionary.mT @ (dictionary @ codes - image) + penalty
    assert codes.min() >= 0
    assert gradient[codes > 1e-3].abs().max() < 1e-2
    assert gradient.min() > -1e-2


def test_abundances_may_sum_to_one() -> None:
    """Mixtures are unmixed exactly."""
    draw = np.random.default_rng(0)
    endmembers = torch.from_numpy(draw.random((20, 5)).astype(np.float32))
    mixed = torch.from_numpy(draw.dirichlet(np.full(5, 0.3), 40).T.astype(np.float32))
    found = nonnegative_codes(endmembers, endmembers @ mixed, sum_to_one=True, iterations=500)
    torch.testing.assert_close(found, mixed, atol=2e-3, rtol=0)


def test_active_sets_solve_non_negative_least_squares() -> None:
    """The residual of every pixel is that of SciPy's solver on the atoms of its group."""
    draw = torch.Generator().manual_seed(0)
    dictionary, image = (torch.rand(shape, generator=draw) for shape in ((4, 25), (3, 10, 4)))
    support = torch.rand((3, 25), generator=draw) < 0.5
    atom, code = nonnegative_least_squares(dictionary, image, support)
    assert code.min() >= 0
    fitted = (code[..., None] * dictionary.mT[atom]).sum(dim=2)
    for group in range(3):
        assert support[group][atom[group][code[group] > 0]].all()
        residual = torch.linalg.vector_norm(image[group] - fitted[group], dim=1)
        design = dictionary[:, support[group]].numpy()
        expected = [nnls(design, pixel.numpy())[1] for pixel in image[group]]
        np.testing.assert_allclose(residual, expected, atol=1e-5)


def test_a_dictionary_is_non_negative_and_fits() -> None:
    """Spectra of three materials need three atoms; their length is at most one."""
    draw = torch.Generator().manual_seed(0)
    spectra = torch.rand((20, 3), generator=draw) @ torch.rand((3, 80), generator=draw)
    dictionary = learn_dictionary(spectra, 6, penalty=1e-4, rounds=30)
    assert dictionary.min() >= 0
    assert torch.linalg.vector_norm(dictionary, dim=0).max() <= 1 + 1e-5
    codes = nonnegative_codes(dictionary, spectra, penalty=1e-4)
    assert (dictionary @ codes - spectra).abs().mean() < 0.005 * spectra.max()


def test_gibbs_sampling_draws_from_the_posterior() -> None:
    """With one atom the mean of many chains is that of the posterior in closed form."""
    atom, usage, precisions = torch.tensor([[0.8], [0.6]]), 0.3, (2.0, 5.0)
    values = torch.tensor([[0.1, 0.9, -0.5], [0.2, 0.4, 0.1]])
    chains = (Chain(atom, torch.tensor([usage]), seed) for seed in range(150))
    mean = sum(sample_codes(chain, values, [precisions] * 8)[0] for chain in chains) / 150
    along = (atom.mT @ values)[0]
    total = precisions[0] + precisions[1]  # the atom has length one
    bayes = (precisions[0] / total) ** 0.5 * torch.exp((precisions[1] * along) ** 2 / (2 * total))
    used = usage * bayes / (usage * bayes + 1 - usage)
    torch.testing.assert_close(mean, used * precisions[1] * along / total, atol=0.07, rtol=0)


def test_atoms_that_no_pixel_uses_are_removed() -> None:
    """Spectra of two materials leave few of twenty atoms, which explain them."""
    draw = torch.Generator().manual_seed(0)
    spectra = torch.rand((30, 2), generator=draw) @ torch.rand((2, 100), generator=draw)
    dictionary, usage, codes = learn_dictionary_by_gibbs(
        spectra, 20, usage=0.005, prior=1e-6, iterations=80, seed=0
    )
    assert dictionary.shape[1] == len(usage) == len(codes) < 12
    assert (dictionary @ codes - spectra).square().mean() < 0.05 * spectra.var()
