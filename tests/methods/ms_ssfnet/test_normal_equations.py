"""The normal matrix on the HS grid, and the iteration that solves with it."""

import pytest
import torch

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.psf import PSF
from hsfuse.core.resample import FWHM_PER_SIGMA, degrade_matrix, psf_reach
from hsfuse.methods.ms_ssfnet.consistency import ConsistencySettings
from hsfuse.methods.ms_ssfnet.normal_equations import NormalMatrix, overlap_reach, solve
from hsfuse.observe import Degrade

DEFAULT = ConsistencySettings()
ROWS, COLUMNS = 7, 9


def operator(fwhm: float) -> tuple[Degrade, torch.Tensor]:
    """Return D at a ratio that is not whole, and its dense matrix (HS pixels, MS pixels)."""
    geometry = Geometry(Axis(26, ROWS, 3.5, 0.6), Axis(32, COLUMNS, 3.5, -0.3))
    degrade = Degrade.between(geometry, PSF((fwhm, 0.8 * fwhm)), dtype=torch.float64)
    return degrade, torch.kron(degrade.rows, degrade.columns)


@pytest.fixture
def draw() -> torch.Generator:
    """Return a generator of random fields."""
    return torch.Generator().manual_seed(0)


def dense(matrix: NormalMatrix) -> torch.Tensor:
    """Return all entries, (HS pixels, HS pixels): products with unit vectors."""
    units = torch.eye(ROWS * COLUMNS, dtype=torch.float64).reshape(-1, ROWS, COLUMNS)
    return (matrix @ units).reshape(ROWS * COLUMNS, -1)


@pytest.mark.parametrize("fwhm", [0.0, 1.0, 1.7])
@pytest.mark.parametrize("reach", [(1, 2), (3, 1), (0, 0)])
def test_the_stencil_is_the_normal_matrix(
    draw: torch.Generator, fwhm: float, reach: tuple[int, int]
) -> None:
    """Within its offsets it equals ``W D u D' W``; beyond them it is zero."""
    degrade, whole = operator(fwhm)
    variance = torch.rand(26, 32, generator=draw, dtype=torch.float64)
    weight = torch.rand(ROWS, COLUMNS, generator=draw, dtype=torch.float64)
    weight[2, 3] = 0
    rows = weight.reshape(-1, 1) * whole
    expected = rows @ (variance.reshape(-1, 1) * rows.T)
    index = torch.arange(ROWS * COLUMNS)
    down, right = index // COLUMNS, index % COLUMNS
    near = ((down - down[:, None]).abs() <= reach[0]) & ((right - right[:, None]).abs() <= reach[1])
    found = dense(NormalMatrix.of(degrade, weight, variance, reach))
    assert torch.allclose(found, torch.where(near, expected, 0.0), atol=1e-12)


def test_the_iteration_converges_to_the_solution(draw: torch.Generator) -> None:
    """``(A + N)^-1 r`` for a noise of its own in every component and pixel."""
    degrade, _ = operator(1.0)
    ones = torch.ones(ROWS, COLUMNS, dtype=torch.float64)
    variance = torch.rand(26, 32, generator=draw, dtype=torch.float64)
    matrix = NormalMatrix.of(degrade, ones, variance, (1, 1))
    noise = 0.1 * torch.rand(2, ROWS, COLUMNS, generator=draw, dtype=torch.float64)
    residual = torch.randn(2, ROWS, COLUMNS, generator=draw, dtype=torch.float64)
    found = solve(matrix, noise, residual, iterations=80, smallest=0.02)
    for index in range(2):
        system = dense(matrix) + torch.diag(noise[index].reshape(-1))
        expected = torch.linalg.solve(system, residual[index].reshape(-1))
        assert torch.allclose(found[index].reshape(-1), expected, rtol=1e-6, atol=1e-8)


def test_the_default_iterations_and_offsets_suffice(draw: torch.Generator) -> None:
    """The update is within some percent of the direct solution with every overlap."""
    degrade, whole = operator(1.0)
    ones = torch.ones(ROWS, COLUMNS, dtype=torch.float64)
    variance = 0.2 + torch.rand(26, 32, generator=draw, dtype=torch.float64)
    residual = degrade.forward(torch.randn(26, 32, generator=draw, dtype=torch.float64))
    noise = 0.003 * torch.ones_like(residual)
    minimum = DEFAULT.minimum_overlap
    reach = overlap_reach(1.0, minimum), overlap_reach(0.8, minimum)
    found = solve(
        NormalMatrix.of(degrade, ones, variance, reach),
        noise[None],
        residual[None],
        iterations=DEFAULT.iterations,
        smallest=DEFAULT.smallest_eigenvalue,
    )[0]
    system = whole @ (variance.reshape(-1, 1) * whole.T) + torch.diag(noise.reshape(-1))
    direct = torch.linalg.solve(system, residual.reshape(-1)).reshape(ROWS, COLUMNS)
    update, expected = (variance * degrade.adjoint(each) for each in (found, direct))
    assert (update - expected).norm() < 0.1 * expected.norm()


@pytest.mark.parametrize("fwhm", [0.7, 1.0, 1.5, 2.0])
def test_offsets_beyond_the_reach_hardly_overlap(fwhm: float) -> None:
    """The overlap is the sum of products of the PSFs' weights."""
    weights = degrade_matrix(Axis(400, 20, 20.0), fwhm)
    overlap = weights @ weights[10] / (weights[10] @ weights[10])
    reach = overlap_reach(fwhm, 0.03)
    assert overlap[11 + reach] < 0.032
    assert overlap[10 + reach] > 0.03
    assert psf_reach(fwhm) == pytest.approx(4 * fwhm / FWHM_PER_SIGMA)


def test_a_detector_without_optics_overlaps_with_no_other() -> None:
    """An FWHM of zero: the mean over the pixel."""
    assert overlap_reach(0.0, 0.03) == 0
