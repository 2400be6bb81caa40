"""Data consistency: nearer to each image, without adding noise."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.methods.ms_ssfnet.consistency import (
    ConsistencySettings,
    DataConsistency,
    Observations,
    UpdateRegion,
)
from hsfuse.methods.ms_ssfnet.kalman_gain import KalmanGain
from hsfuse.observe import Degrade

RESPONSE = np.array([[0.5, 0.2, 0.1], [0.3, -0.4, 0.2]])
# u: one for every pixel.
EVEN = torch.ones(48, 48)
CONSISTENCY = DataConsistency(
    PSF((1.0, 1.0)),
    RESPONSE,
    np.zeros(3),
    np.ones(3),
    KalmanGain.of(RESPONSE, np.ones(3), 1e-8 * np.eye(2)),
)


def with_noise(
    noise: float = 0.0, prior: float = 1.0, settings: ConsistencySettings = CONSISTENCY.settings
) -> DataConsistency:
    """Return the update for a noise of the HS image and a prior standard deviation."""
    return replace(
        CONSISTENCY,
        hs_noise=np.full(3, noise),
        prior_deviation=np.full(3, prior),
        settings=settings,
    )


@dataclass(frozen=True)
class Case:
    """A scene of three components, (3, 48, 48), and its noise-free observations."""

    truth: torch.Tensor
    observations: Observations


@pytest.fixture
def case() -> Case:
    """Return a random scene."""
    axis = Axis(48, 12, 4.0)
    geometry = Geometry(axis, axis)
    truth = torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(0))
    observations = Observations(
        geometry,
        Degrade.between(geometry, CONSISTENCY.psf).forward(truth),
        torch.ones(12, 12, dtype=torch.bool),
        torch.tensordot(torch.from_numpy(RESPONSE).float(), truth, dims=1),
        torch.ones(48, 48, dtype=torch.bool),
    )
    return Case(truth, observations)


def test_the_truth_does_not_change(case: Case) -> None:
    """Components that are consistent with both images remain as they are."""
    updated = CONSISTENCY.update(case.truth, EVEN, case.observations)
    assert torch.allclose(updated, case.truth, atol=1e-4)


def test_the_result_is_nearer_to_the_hs_image(case: Case) -> None:
    """The residual of the HS image is smaller."""
    hs = case.observations.hs
    degrade = Degrade.between(case.observations.geometry, CONSISTENCY.psf)
    result = CONSISTENCY.hs_update(torch.zeros(3, 48, 48), EVEN, case.observations)
    assert (hs - degrade.forward(result)).square().sum() < 0.1 * hs.square().sum()


def test_the_update_is_the_most_probable_one(case: Case) -> None:
    """It converges to ``u D' (D u D' + N)^-1 (S - D Z)``, here solved directly."""
    # No HS pixel at the edge of the MS image, so that none has an area without MS pixels.
    axis = Axis(48, 8, 4.0, 8.0)
    observations = replace(
        case.observations,
        geometry=Geometry(axis, axis),
        hs=case.observations.hs[:, 2:-2, 2:-2],
        hs_valid=case.observations.hs_valid[2:-2, 2:-2],
    )
    settings = ConsistencySettings(
        100, smallest_eigenvalue=0.05, minimum_overlap=1e-9, psf_error=0.0
    )
    variance = 0.2 + torch.rand(48, 48, generator=torch.Generator().manual_seed(3))
    result = with_noise(0.1, settings=settings).hs_update(
        torch.zeros(3, 48, 48), variance, observations
    )
    degrade = Degrade.between(observations.geometry, CONSISTENCY.psf)
    matrix = torch.kron(degrade.rows, degrade.columns).double()
    covariance = variance.ravel()[:, None].double() * matrix.T
    gain = covariance @ torch.linalg.inv(matrix @ covariance + 0.01 * torch.eye(64))
    expected = (gain @ observations.hs.reshape(3, -1).T.double()).T.reshape(3, 48, 48)
    assert torch.allclose(result.double(), expected, atol=1e-3)


def test_gaps_of_the_ms_image_leave_the_most_probable_update(case: Case) -> None:
    """D is the mean over MS pixels with data, in the residual and in the normal equations."""
    draw = torch.Generator().manual_seed(5)
    valid = torch.rand(48, 48, generator=draw) > 0.15
    # A constant HS image: areas without MS pixels do not differ from others.
    observations = replace(case.observations, hs=torch.zeros(3, 12, 12), ms_valid=valid)
    settings = ConsistencySettings(
        200, smallest_eigenvalue=0.02, minimum_overlap=1e-9, psf_error=0.0
    )
    fused = torch.rand(3, 48, 48, generator=draw)
    result = with_noise(0.1, settings=settings).hs_update(fused, EVEN, observations)
    degrade = Degrade.between(observations.geometry, CONSISTENCY.psf)
    weights = torch.kron(degrade.rows, degrade.columns).double() * valid.reshape(1, -1)
    weights /= weights.sum(dim=1, keepdim=True)
    gain = weights.T @ torch.linalg.inv(weights @ weights.T + 0.01 * torch.eye(144))
    expected = -(gain @ weights @ fused.reshape(3, -1).T.double()).T.reshape(3, 48, 48)
    assert torch.allclose(result.double(), expected, atol=1e-3)


def test_residuals_are_distributed_to_pixels_where_the_estimates_differ(case: Case) -> None:
    """A certain pixel does not change; an uncertain neighbour does."""
    fused = case.truth.clone()
    fused[:, 22, 22] += 2.0
    variance = torch.full((48, 48), 0.01)
    variance[22, 22] = 10.0
    uncertain, even = (
        fused + CONSISTENCY.hs_update(fused, each, case.observations) - case.truth
        for each in (variance, EVEN)
    )
    assert uncertain.square().mean() < 0.2 * even.square().mean()


def test_an_inexact_psf_changes_the_truth_little(case: Case) -> None:
    """Less than where the PSF counts as exact."""
    geometry = case.observations.geometry
    hs = Degrade.between(geometry, PSF((1.03, 1.03))).forward(case.truth)
    observations = replace(case.observations, hs=hs)
    exact, inexact = (
        with_noise(prior=0.01, settings=ConsistencySettings(psf_error=error)).hs_update(
            case.truth, EVEN, observations
        )
        for error in (0.0, 0.03)
    )
    assert inexact.square().mean() < 0.5 * exact.square().mean()


def test_a_stated_error_of_the_psf_is_used() -> None:
    """A standard error of the FWHM that is larger than the setting replaces it."""
    settings = ConsistencySettings(psf_error=0.02)
    stated = PSF((1.0, 0.0), standard_error=(0.1, 0.001))
    assert settings.wider(stated).fwhm == pytest.approx((1.1, 0.001))
    assert settings.wider(PSF((1.0, 2.0))).fwhm == pytest.approx((1.02, 2.04))


def test_areas_beyond_the_ms_image_are_no_errors_of_the_estimate(case: Case) -> None:
    """HS pixels at the edge observed an area without MS pixels: the truth hardly changes there."""
    observations = replace(
        case.observations,
        geometry=Geometry(Axis(32, 12, 4.0, -8.0), Axis(48, 12, 4.0)),
        ms=case.observations.ms[:, 8:40],
        ms_valid=case.observations.ms_valid[8:40],
    )
    change = with_noise(prior=0.02).hs_update(case.truth[:, 8:40], EVEN[:32], observations)
    assert change[:, :8].square().mean() < 2e-4


def test_the_ms_image_is_reproduced(case: Case) -> None:
    """Updated by the MS image, A of the result is that image, and the error is smaller."""
    noise = torch.randn(case.truth.shape, generator=torch.Generator().manual_seed(1))
    fused = case.truth + 0.1 * noise
    updated = fused + CONSISTENCY.ms_update(fused, EVEN, case.observations)
    response = torch.from_numpy(RESPONSE).float()
    predicted = torch.tensordot(response, updated, dims=1)
    assert torch.allclose(predicted, case.observations.ms, atol=1e-3)
    error, before = (each - case.truth for each in (updated, fused))
    assert error.square().mean() < 0.6 * before.square().mean()


def test_the_update_by_the_ms_image_is_limited_where_estimates_differ_much(case: Case) -> None:
    """It grows with the variance of a pixel up to a limit, that of single objects."""
    noisy = replace(CONSISTENCY, gain=KalmanGain.of(RESPONSE, 0.1 * np.ones(3), np.eye(2)))
    fused = torch.zeros(3, 48, 48)
    small, large, larger = (
        float(noisy.ms_update(fused, variance * EVEN, case.observations).norm())
        for variance in (1.0, 1e3, 1e6)
    )
    assert small < 0.5 * large
    assert larger == pytest.approx(large, rel=0.02)


def test_noise_is_not_added(case: Case) -> None:
    """An HS image that differs by its noise alone changes little."""
    hs = case.observations.hs
    noise = 0.05 * torch.randn(hs.shape, generator=torch.Generator().manual_seed(2))
    observations = replace(case.observations, hs=hs + noise)
    copied, filtered = (
        with_noise(deviation, prior=0.05).hs_update(case.truth, EVEN, observations)
        for deviation in (0.0, 0.05)
    )
    assert filtered.square().mean() < 0.2 * copied.square().mean()


def test_hs_pixels_without_data_change_nothing(case: Case) -> None:
    """There is no update around them."""
    valid = case.observations.hs_valid.clone()
    valid[4:8, 4:8] = False
    observations = replace(case.observations, hs_valid=valid)
    change = CONSISTENCY.hs_update(torch.zeros(3, 48, 48), EVEN, observations)
    assert change[:, 22:26, 22:26].abs().max() < 1e-6


def test_the_stated_reach_holds(case: Case) -> None:
    """A change of one HS pixel changes nothing beyond it."""
    hs = case.observations.hs.clone()
    hs[:, 0, 0] += 1
    one, other = (
        CONSISTENCY.update(case.truth, EVEN, observations)
        for observations in (case.observations, replace(case.observations, hs=hs))
    )
    rows = torch.nonzero((other - one).abs().amax(dim=(0, 2)) > 1e-6)[:, 0]
    assert int(rows.max()) / 4 <= CONSISTENCY.reach[0] + 1


def cut(whole: Observations, region: UpdateRegion) -> Observations:
    """Return the observations of a region."""
    axes = zip((whole.geometry.y, whole.geometry.x), region.fine, region.coarse, strict=True)
    rows, columns = (span.slice for span in region.fine)
    coarse_rows, coarse_columns = (span.slice for span in region.coarse)
    return Observations(
        Geometry(*(axis.cut(fine, coarse) for axis, fine, coarse in axes)),
        whole.hs[:, coarse_rows, coarse_columns],
        whole.hs_valid[coarse_rows, coarse_columns],
        whole.ms[:, rows, columns],
        whole.ms_valid[rows, columns],
    )


@pytest.mark.parametrize("fwhm", [(0.0, 0.0), (1.0, 1.0), (1.7, 0.9)])
def test_a_window_equals_the_same_part_of_the_whole(fwhm: tuple[float, float]) -> None:
    """With gaps, at a ratio that is not whole, the update of a core needs its region alone."""
    draw = torch.Generator().manual_seed(4)
    geometry = Geometry(Axis(180, 50, 3.6, -0.4), Axis(181, 50, 3.6, 0.7))
    fused, variance = torch.rand(3, 180, 181, generator=draw), torch.rand(180, 181, generator=draw)
    observations = Observations(
        geometry,
        torch.rand(3, 50, 50, generator=draw),
        torch.rand(50, 50, generator=draw) > 0.1,
        torch.rand(2, 180, 181, generator=draw),
        torch.rand(180, 181, generator=draw) > 0.1,
    )
    consistency = replace(CONSISTENCY, psf=PSF(fwhm))
    core = Span(83, 96), Span(88, 95)
    whole = consistency.update(fused, variance, observations)
    region = consistency.region(geometry, core)
    assert len(region.fine[0]) < 150, "the window is nearly all of it"
    rows, columns = (span.slice for span in region.fine)
    part = consistency.update(
        fused[:, rows, columns], variance[rows, columns], cut(observations, region)
    )
    inside = part[:, core[0].within(region.fine[0]), core[1].within(region.fine[1])]
    assert torch.allclose(inside, whole[:, core[0].slice, core[1].slice], atol=1e-5)
