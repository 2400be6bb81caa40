"""The formation model and its adjoints."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.psf import PSF
from hsfuse.observe import Degrade, respond, unseen_share


def geometry(ratio: float, shift: float) -> Geometry:
    """Return a small unaligned geometry with unequal axes."""
    rows, columns = 5, 7
    return Geometry(
        Axis(int(rows * ratio), rows, ratio, shift),
        Axis(int(columns * ratio * 1.05), columns, ratio * 1.05, -shift),
    )


@given(st.floats(2, 10), st.floats(-2, 2), st.floats(0, 2), st.integers(0, 99))
def test_the_adjoint_of_blur_is_its_adjoint(
    ratio: float, shift: float, fwhm: float, seed: int
) -> None:
    """<D z, x> = <z, D' x> for any ratio, offset and width."""
    grids = geometry(ratio, shift)
    operator = Degrade.between(grids, PSF((fwhm, fwhm / 2)), dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    fine = torch.randn(3, *grids.fine_shape, generator=generator, dtype=torch.float64)
    coarse = torch.randn(3, *grids.coarse_shape, generator=generator, dtype=torch.float64)
    left = (operator.forward(fine) * coarse).sum()
    right = (fine * operator.adjoint(coarse)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-9, abs=1e-9)


def test_the_adjoint_of_the_response_is_its_transpose() -> None:
    """<R z, y> = <z, R' y>."""
    generator = torch.Generator().manual_seed(0)
    response = torch.rand(3, 31, generator=generator)
    cube = torch.rand(31, 6, 5, generator=generator)
    image = torch.rand(3, 6, 5, generator=generator)
    left = (respond(response, cube) * image).sum()
    right = (cube * respond(response.mT, image)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-5)


def test_blur_and_response_commute() -> None:
    """Seen by both sensors in either order, a cube gives the same image."""
    grids = geometry(4.0, 0.5)
    operator = Degrade.between(grids, PSF((1.0, 1.0)), dtype=torch.float64)
    cube = torch.rand(8, *grids.fine_shape, dtype=torch.float64)
    response = torch.rand(3, 8, dtype=torch.float64)
    first = operator.forward(respond(response, cube))
    assert torch.allclose(first, respond(response, operator.forward(cube)))


def test_pixels_without_data_do_not_count() -> None:
    """The masked mean of a flat field is flat, and NaN does not spread."""
    grids = geometry(4.0, 0.0)
    cube = torch.full((2, *grids.fine_shape), 0.25)
    valid = torch.ones(grids.fine_shape, dtype=torch.bool)
    valid[3:9, 2:13] = False
    cube[:, ~valid] = torch.nan
    seen, share = Degrade.between(grids, PSF((1.0, 1.0))).forward_masked(cube, valid)
    assert torch.allclose(seen[:, share > 0.01], torch.tensor(0.25), atol=1e-6)
    assert float(share.min()) < 0.9


@given(st.floats(2, 6), st.floats(0, 2), st.floats(-0.5, 0.5))
def test_ground_beyond_the_grid_is_unseen_as_a_gap_is(
    ratio: float, fwhm: float, shift: float
) -> None:
    """A grid that ends has the unseen share of a larger one with data on that part alone."""
    psf = PSF((fwhm, 0.7 * fwhm))
    margin, count = math.ceil(9 * ratio), math.ceil(8 * ratio)
    whole = Axis(count + 2 * margin, 12, ratio, margin + shift)
    inside = Axis(count, 12, ratio, shift)
    valid = torch.zeros(whole.fine, whole.fine, dtype=torch.bool)
    valid[margin : margin + count, margin : margin + count] = True
    _, share = Degrade.between(Geometry(whole, whole), psf, dtype=torch.float64).forward_masked(
        valid.double(), valid
    )
    ended = unseen_share(Geometry(inside, inside), psf, torch.ones(12, 12, dtype=torch.float64))
    assert torch.allclose(ended, 1 - share, atol=1e-4)
    assert torch.allclose(unseen_share(Geometry(whole, whole), psf, share), 1 - share, atol=1e-4)
