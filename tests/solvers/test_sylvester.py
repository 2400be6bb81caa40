"""The closed-form solution of the Sylvester equation of image fusion."""

import numpy as np
import pytest
import torch

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.psf import PSF
from hsfuse.observe import Degrade
from hsfuse.solvers.sylvester import SylvesterSolver

COMPONENTS = 3
# A real ratio, grids that need not line up, borders that cut the PSF.
GEOMETRY = Geometry(Axis(8, 3, 2.6, 0.3), Axis(9, 4, 2.3, -0.4))
OPERATOR = Degrade.between(GEOMETRY, PSF((1.1, 0.0)), dtype=torch.float64)


def positive(seed: int) -> torch.Tensor:
    """Return a symmetric positive definite matrix, (3, 3)."""
    root = torch.randn(COMPONENTS, COMPONENTS, generator=torch.Generator().manual_seed(seed))
    return (root @ root.mT + 0.1 * torch.eye(COMPONENTS)).double()


def sides(*batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return C and F of right-hand sides."""
    generator = torch.Generator().manual_seed(9)
    shapes = GEOMETRY.coarse_shape, GEOMETRY.fine_shape
    coarse, fine = (
        torch.randn(*batch, COMPONENTS, *shape, generator=generator).double() for shape in shapes
    )
    return coarse, fine


@pytest.mark.parametrize("weighted", [False, True])
def test_the_solution_is_that_of_the_dense_system(weighted: bool) -> None:
    """A U D'D + B U = D'(C) + F, solved as one linear system of all unknowns."""
    fine_weight, coarse_weight = positive(0), positive(1) if weighted else None
    coarse, fine = sides()
    solver = SylvesterSolver.of(OPERATOR, fine_weight, coarse_weight)
    found = solver.solve(coarse, fine)

    blur = np.kron(OPERATOR.rows.numpy(), OPERATOR.columns.numpy())
    weight = np.eye(COMPONENTS) if coarse_weight is None else coarse_weight.numpy()
    system = np.kron(weight, blur.T @ blur) + np.kron(fine_weight.numpy(), np.eye(blur.shape[1]))
    right = coarse.flatten(1).numpy() @ blur + fine.flatten(1).numpy()
    expected = np.linalg.solve(system, right.ravel()).reshape(found.shape)
    assert found.numpy() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_right_hand_sides_are_solved_in_a_batch() -> None:
    """Each of several right-hand sides has the solution that it has alone."""
    coarse, fine = sides(2)
    solver = SylvesterSolver.of(OPERATOR, positive(0), positive(1))
    together = solver.solve(coarse, fine)
    for index in range(2):
        alone = solver.solve(coarse[index], fine[index])
        assert torch.allclose(together[index], alone, rtol=1e-12, atol=1e-12)


def test_a_weak_prior_keeps_its_digits_in_single_precision() -> None:
    """Where only a prior of 1e-5 decides, float32 agrees with float64 to five digits."""
    coarse, fine = sides()
    weight = torch.diag(torch.tensor([1.0, 1e-3, 1e-5])).double()
    fine = weight @ fine.flatten(1)
    fine = fine.unflatten(1, GEOMETRY.fine_shape)
    exact = SylvesterSolver.of(OPERATOR, weight).solve(coarse, fine)
    single = Degrade(OPERATOR.rows.float(), OPERATOR.columns.float())
    found = SylvesterSolver.of(single, weight).solve(coarse.float(), fine.float())
    assert float((found - exact).abs().max() / exact.abs().max()) < 1e-5


def test_an_undetermined_equation_is_refused() -> None:
    """Without MS image or prior in some direction there is no unique solution."""
    singular = torch.diag(torch.tensor([1.0, 1.0, 0.0])).double()
    with pytest.raises(ValueError, match="not positive definite: smallest eigenvalue 0"):
        SylvesterSolver.of(OPERATOR, singular)
    with pytest.raises(ValueError, match="weight of the HS image"):
        SylvesterSolver.of(OPERATOR, positive(0), -positive(1))
