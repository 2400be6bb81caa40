"""Vector total variation: adjoint, linear system, norm and proximal operator."""

import pytest
import torch

from hsfuse.solvers.total_variation import Gradient, GradientSystem, shrink, total_variation


def field(seed: int = 0) -> Gradient:
    """Return a random field of three components."""
    generator = torch.Generator().manual_seed(seed)
    return Gradient(*torch.randn(2, 3, 5, 6, generator=generator, dtype=torch.float64))


def test_the_adjoint_of_the_gradient_is_its_adjoint() -> None:
    """<grad u, g> = <u, grad' g>."""
    image, other = field().y, field(1)
    found = Gradient.of(image)
    left = (found.y * other.y + found.x * other.x).sum()
    assert float(left) == pytest.approx(float((image * other.adjoint()).sum()))


@pytest.mark.parametrize("columns", [5, 6])
def test_the_gradient_system_is_solved(columns: int) -> None:
    """(I + grad' grad) U = F, for an even and an odd width."""
    right = field().y[..., :columns].contiguous()
    found = GradientSystem.of(right).solve(right.clone())
    assert torch.allclose(found + Gradient.of(found).adjoint(), right, atol=1e-12)


def test_total_variation_is_the_sum_of_the_norms_within_the_image() -> None:
    """A step between two halves counts once a row, and not between opposite borders."""
    image = torch.zeros(2, 4, 6)
    image[:, :, 3:] = torch.tensor([3.0, 4.0])[:, None, None]
    assert float(total_variation(image)) == pytest.approx(4 * 5.0)


def test_shrinking_is_the_proximal_operator() -> None:
    """No random field near the result has a lower ``t sum |g| + |g - f|² / 2``."""
    given, threshold = field(), 1.5
    result = shrink(given, threshold)

    def cost(candidate: Gradient) -> float:
        rest = candidate.plus(given, -1.0)
        fit = rest.y.square().sum() + rest.x.square().sum()
        return float(threshold * candidate.norm().sum() + fit / 2)

    least = cost(result)
    assert all(cost(result.plus(field(k), 1e-3)) > least for k in range(1, 20))
