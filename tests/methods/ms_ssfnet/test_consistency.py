"""Data consistency: nearer to each image, without adding noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.methods.ms_ssfnet.consistency import (
    Observations,
    apply_consistency,
    hs_update,
    ms_update,
    update_reach,
    update_region,
)
from hsfuse.methods.ms_ssfnet.kalman_gain import KalmanGain, error_covariance, unexplained_share
from hsfuse.methods.ms_ssfnet.settings import ConsistencySettings
from hsfuse.observe import Degrade

SEEN = np.array([[0.5, 0.2, 0.1], [0.3, -0.4, 0.2]])


@pytest.fixture
def observed() -> tuple[torch.Tensor, Observations]:
    """Return a truth of three components and the noise-free observations of it."""
    axis = Axis(48, 12, 4.0)
    geometry = Geometry(axis, axis)
    draw = torch.Generator().manual_seed(0)
    truth = torch.rand(3, 48, 48, generator=draw)
    seen = torch.from_numpy(SEEN.astype(np.float32))
    return truth, Observations(
        geometry,
        PSF((1.0, 1.0)),
        KalmanGain.of(SEEN, np.ones(3), 1e-8 * np.eye(2)),
        Degrade.between(geometry, PSF((1.0, 1.0))).forward(truth),
        torch.ones(12, 12, dtype=torch.bool),
        torch.tensordot(seen, truth, dims=1),
        torch.ones(48, 48, dtype=torch.bool),
        torch.zeros(3),
        torch.ones(3),
        seen,
    )


EVEN = torch.ones(48, 48)


def test_the_truth_stays_the_truth(observed: tuple[torch.Tensor, Observations]) -> None:
    """What is consistent already is not changed."""
    truth, seen = observed
    assert torch.allclose(apply_consistency(truth, EVEN, seen), truth, atol=1e-4)


def test_the_result_is_nearer_to_the_hs_image(
    observed: tuple[torch.Tensor, Observations],
) -> None:
    """The residual of the HS image is smaller."""
    _, seen = observed
    degrade = Degrade.between(seen.geometry, seen.psf)
    result = hs_update(torch.zeros(3, 48, 48), EVEN, seen)
    left = (seen.hs - degrade.forward(result)).square().sum()
    assert left < 0.1 * seen.hs.square().sum()


def test_the_update_is_the_most_probable_one(
    observed: tuple[torch.Tensor, Observations],
) -> None:
    """It converges to ``u D' (D u D' + N)^-1 (S - D Z)``, here solved directly."""
    _, seen = observed
    # No HS pixel at the edge of the MS image, which shows all of the ground.
    axis = Axis(48, 8, 4.0, 8.0)
    seen = replace(
        seen,
        geometry=Geometry(axis, axis),
        hs=seen.hs[:, 2:-2, 2:-2],
        hs_valid=seen.hs_valid[2:-2, 2:-2],
        noise=torch.full((3,), 0.1),
    )
    many = ConsistencySettings(100, smallest_eigenvalue=0.05, least_overlap=1e-9, psf_error=0.0)
    variance = 0.2 + torch.rand(48, 48, generator=torch.Generator().manual_seed(3))
    result = hs_update(torch.zeros(3, 48, 48), variance, seen, many)
    one = Degrade.between(seen.geometry, seen.psf)
    whole = torch.kron(one.rows, one.columns).double()
    likely = variance.ravel()[:, None].double() * whole.T
    gain = likely @ torch.linalg.inv(whole @ likely + 0.01 * torch.eye(64))
    expected = (gain @ seen.hs.reshape(3, -1).T.double()).T.reshape(3, 48, 48)
    assert torch.allclose(result.double(), expected, atol=1e-3)


def test_gaps_of_the_ms_image_leave_the_most_probable_update(
    observed: tuple[torch.Tensor, Observations],
) -> None:
    """D is the mean over MS pixels with data, in the residual and in the normal equations."""
    _, seen = observed
    draw = torch.Generator().manual_seed(5)
    known = torch.rand(48, 48, generator=draw) > 0.15
    # An even HS image: unseen ground does not differ.
    seen = replace(seen, hs=torch.zeros(3, 12, 12), fine_valid=known, noise=torch.full((3,), 0.1))
    many = ConsistencySettings(200, smallest_eigenvalue=0.02, least_overlap=1e-9, psf_error=0.0)
    fused = torch.rand(3, 48, 48, generator=draw)
    result = hs_update(fused, EVEN, seen, many)
    one = Degrade.between(seen.geometry, seen.psf)
    weights = torch.kron(one.rows, one.columns).double() * known.reshape(1, -1)
    weights /= weights.sum(dim=1, keepdim=True)
    gain = weights.T @ torch.linalg.inv(weights @ weights.T + 0.01 * torch.eye(144))
    expected = -(gain @ weights @ fused.reshape(3, -1).T.double()).T.reshape(3, 48, 48)
    assert torch.allclose(result.double(), expected, atol=1e-3)


def test_residuals_go_to_pixels_where_the_estimates_disagree(
    observed: tuple[torch.Tensor, Observations],
) -> None:
    """A certain pixel does not change; the uncertain one beside it does."""
    truth, seen = observed
    start = truth.clone()
    start[:, 22, 22] += 2.0
    variance = torch.full((48, 48), 0.01)
    variance[22, 22] = 10.0
    error = (start + hs_update(start, variance, seen) - truth).square()
    even = (start + hs_update(start, EVEN, seen) - truth).square()
    assert error.mean() < 0.2 * even.mean()


def test_a_psf_that_is_not_known_exactly_does_little_harm(
    observed: tuple[torch.Tensor, Observations],
) -> None:
    """The truth changes little by an HS image of another PSF, and more if D were exact."""
    truth, seen = observed
    other = Degrade.between(seen.geometry, PSF((1.03, 1.03))).forward(truth)
    seen = replace(seen, hs=other, prior_deviation=torch.full((3,), 0.01))
    exact, aware = (
        hs_update(truth, EVEN, seen, ConsistencySettings(psf_error=error)) for error in (0.0, 0.03)
    )
    assert aware.square().mean() < 0.5 * exact.square().mean()


def test_a_stated_error_of_the_psf_is_used(observed: tuple[torch.Tensor, Observations]) -> None:
    """A standard error of the FWHM that is larger than the setting replaces it."""
    settings = ConsistencySettings(psf_error=0.02)
    known = PSF((1.0, 0.0), standard_error=(0.1, 0.001))
    assert settings.wider(known).fwhm == pytest.approx((1.1, 0.001))
    assert settings.wider(PSF((1.0, 2.0))).fwhm == pytest.approx((1.02, 2.04))


def test_ground_beyond_the_ms_image_is_not_an_error_of_the_estimate(
    observed: tuple[torch.Tensor, Observations],
) -> None:
    """HS pixels at the edge saw other ground: the truth hardly changes there."""
    truth, seen = observed
    beyond = Geometry(Axis(32, 12, 4.0, -8.0), Axis(48, 12, 4.0))
    cut = replace(
        seen,
        geometry=beyond,
        prior_deviation=torch.full((3,), 0.02),
        fine=seen.fine[:, 8:40],
        fine_valid=seen.fine_valid[8:40],
    )
    added = hs_update(truth[:, 8:40], EVEN[:32], cut)
    assert added[:, :8].square().mean() < 2e-4


def test_the_error_of_the_ms_image_grows_with_what_is_unexplained() -> None:
    """A residual k times larger counts for more than k squared; noise alone for its own size."""
    draw = np.random.default_rng(0)
    seen, residual = draw.normal(size=(2, 500)), 0.02 * draw.normal(size=(2, 500))
    settings, noise = ConsistencySettings(), np.array([0.1, 0.2])

    def covariance(residual: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return error_covariance(residual, noise, unexplained_share(residual, seen), settings)

    alone = covariance(0 * residual, noise)
    assert alone == pytest.approx(settings.fine_error * np.diag(noise**2))
    once, twice = (covariance(k * residual, 0 * noise) for k in (1, 2))
    assert np.all(np.diag(twice) > 4.05 * np.diag(once))
    # No more than all of an image is unexplained.
    most = covariance(1e6 * residual, 0 * noise)
    assert np.all(np.diag(most) < 1e12 * (1 + settings.unexplained) * np.diag(once))


def test_the_gain_is_that_of_each_variance() -> None:
    """``u C A' (u A C A' + N)^-1`` pixel by pixel, here inverted directly."""
    draw = np.random.default_rng(0)
    error = np.cov(draw.normal(size=(2, 20)))
    deviation = np.array([1.0, 0.5, 2.0])
    variance = draw.random((3, 4)) * 5
    residual = draw.normal(size=(2, 3, 4))
    gain = KalmanGain.of(SEEN, deviation, error)
    found = gain.update(torch.from_numpy(residual), torch.from_numpy(variance)).numpy()
    covariance = deviation[:, None] ** 2 * SEEN.T
    for pixel in np.ndindex(3, 4):
        u = variance[pixel]
        weights = u * covariance @ np.linalg.inv(u * SEEN @ covariance + error)
        assert found[:, *pixel] == pytest.approx(weights @ residual[:, *pixel], rel=1e-6)


def test_the_ms_image_is_reproduced(observed: tuple[torch.Tensor, Observations]) -> None:
    """Updated by the MS image, A of the result is that image, and the error is smaller."""
    truth, seen = observed
    start = truth + 0.1 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    moved = start + ms_update(start, EVEN, seen)
    shown = torch.tensordot(seen.response, moved, dims=1)
    assert torch.allclose(shown, seen.fine, atol=1e-3)
    assert (moved - truth).square().mean() < 0.6 * (start - truth).square().mean()


def test_the_ms_image_is_not_followed_farther_where_estimates_differ_by_far(
    observed: tuple[torch.Tensor, Observations],
) -> None:
    """The update grows with the variance of a pixel up to a limit, that of single objects."""
    _, seen = observed
    noisy = replace(seen, gain=KalmanGain.of(SEEN, 0.1 * np.ones(3), np.eye(2)))
    start = torch.zeros(3, 48, 48)
    some, more, most = (
        float(ms_update(start, size * EVEN, noisy).norm()) for size in (1.0, 1e3, 1e6)
    )
    assert some < 0.5 * more
    assert most == pytest.approx(more, rel=0.02)


def test_noise_is_not_added(observed: tuple[torch.Tensor, Observations]) -> None:
    """An HS image that differs by its noise alone changes little."""
    truth, seen = observed
    noise = 0.05 * torch.randn(seen.hs.shape, generator=torch.Generator().manual_seed(2))
    noisy = replace(seen, hs=seen.hs + noise, prior_deviation=torch.full((3,), 0.05))
    copied = hs_update(truth, EVEN, noisy)
    aware = hs_update(truth, EVEN, replace(noisy, noise=torch.full((3,), 0.05)))
    assert aware.square().mean() < 0.2 * copied.square().mean()


def test_a_gap_changes_nothing(observed: tuple[torch.Tensor, Observations]) -> None:
    """HS pixels without data have no update around them."""
    _, seen = observed
    used = seen.hs_valid.clone()
    used[4:8, 4:8] = False
    start = torch.zeros(3, 48, 48)
    added = hs_update(start, EVEN, replace(seen, hs_valid=used))
    assert added[:, 22:26, 22:26].abs().max() < 1e-6


def test_the_stated_reach_holds(observed: tuple[torch.Tensor, Observations]) -> None:
    """One HS pixel changes nothing farther away than that."""
    truth, seen = observed
    other = seen.hs.clone()
    other[:, 0, 0] += 1
    change = apply_consistency(truth, EVEN, replace(seen, hs=other)) - apply_consistency(
        truth, EVEN, seen
    )
    rows = torch.nonzero(change.abs().amax(dim=(0, 2)) > 1e-6)[:, 0]
    assert int(rows.max()) / 4 <= update_reach(seen.psf)[0] + 1


def cut(seen: Observations, fine: tuple[Span, Span], coarse: tuple[Span, Span]) -> Observations:
    """Return the observations of a window."""
    axes = zip((seen.geometry.y, seen.geometry.x), fine, coarse, strict=True)
    rows, columns = fine[0].slice, fine[1].slice
    down, right = coarse[0].slice, coarse[1].slice
    return replace(
        seen,
        geometry=Geometry(*(axis.cut(f, c) for axis, f, c in axes)),
        hs=seen.hs[:, down, right],
        hs_valid=seen.hs_valid[down, right],
        fine=seen.fine[:, rows, columns],
        fine_valid=seen.fine_valid[rows, columns],
    )


@pytest.mark.parametrize("fwhm", [(0.0, 0.0), (1.0, 1.0), (1.7, 0.9)])
def test_a_window_equals_the_same_part_of_the_whole(
    observed: tuple[torch.Tensor, Observations], fwhm: tuple[float, float]
) -> None:
    """With gaps, at a ratio that is not whole, the update of a core needs its region alone."""
    _, seen = observed
    draw = torch.Generator().manual_seed(4)
    geometry = Geometry(Axis(180, 50, 3.6, -0.4), Axis(181, 50, 3.6, 0.7))
    fused, variance = torch.rand(3, 180, 181, generator=draw), torch.rand(180, 181, generator=draw)
    seen = replace(
        seen,
        geometry=geometry,
        psf=PSF(fwhm),
        hs=torch.rand(3, 50, 50, generator=draw),
        hs_valid=torch.rand(50, 50, generator=draw) > 0.1,
        fine=torch.rand(2, 180, 181, generator=draw),
        fine_valid=torch.rand(180, 181, generator=draw) > 0.1,
    )
    core = Span(83, 96), Span(88, 95)
    whole = apply_consistency(fused, variance, seen)
    region, coarse = update_region(geometry, core, seen.psf)
    assert len(region[0]) < 150, "the window is nearly all of it"
    rows, columns = region[0].slice, region[1].slice
    part = apply_consistency(
        fused[:, rows, columns], variance[rows, columns], cut(seen, region, coarse)
    )
    inside = part[:, core[0].within(region[0]), core[1].within(region[1])]
    assert torch.allclose(inside, whole[:, core[0].slice, core[1].slice], atol=1e-5)
