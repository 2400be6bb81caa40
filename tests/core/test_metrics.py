"""Metrics against formulas written out, and what each of them must not depend on."""

import math
from dataclasses import asdict, astuple
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsfuse.core.metrics import cc, ergas, psnr, rmse, sam, score, spectral_angles, ssim, uiqi

ALL = [rmse, psnr, sam, ssim, cc, uiqi, lambda t, e: ergas(t, e, ratio=4.0)]


def cubes(bands=3, rows=40, columns=37, seed=0, error=0.05):
    """Return a smooth random truth and an estimate that is off by some noise."""
    generator = np.random.default_rng(seed)
    slope = np.linspace(0, 0.5, columns) + np.linspace(0, 0.3, rows)[:, None]
    truth = slope + 0.2 * generator.random((bands, rows, columns))
    estimate = truth + error * generator.standard_normal(truth.shape)
    return truth.astype(np.float32), estimate.astype(np.float32)


def test_an_exact_estimate_is_perfect_by_every_figure():
    truth, _ = cubes()
    found = score(truth, truth, ratio=4.0)
    assert (found.rmse, found.rmse_8bit, found.sam, found.ergas) == (0, 0, 0, 0)
    assert found.psnr == math.inf
    assert found.ssim == pytest.approx(1, abs=1e-12)
    assert found.uiqi == pytest.approx(1, abs=1e-12)
    assert found.cc == pytest.approx(1, abs=1e-9)
    assert (found.bands, found.pixels) == (3, 40 * 37)


def test_more_noise_is_worse_by_every_figure():
    scores = [astuple(score(*cubes(error=e), ratio=4.0))[:8] for e in (0.01, 0.05, 0.2)]
    rising = (1, 1, -1, 1, -1, 1, -1, -1)
    for better, worse in pairwise(scores):
        assert all(s * (w - b) > 0 for b, w, s in zip(better, worse, rising, strict=True))


def test_the_pixel_figures_equal_their_formulas_written_out():
    truth, estimate = (c.astype(float) for c in cubes(rows=6, columns=5))
    bands, pixels = 3, 30
    t, e = truth.reshape(bands, pixels), estimate.reshape(bands, pixels)
    error = [sum((t[b, p] - e[b, p]) ** 2 for p in range(pixels)) / pixels for b in range(bands)]
    assert rmse(truth, estimate) == pytest.approx(math.sqrt(sum(error) / bands))
    assert psnr(truth, estimate, peak=0.7) == pytest.approx(
        sum(10 * math.log10(0.7**2 / mse) for mse in error) / bands
    )
    means = [sum(t[b]) / pixels for b in range(bands)]
    assert ergas(truth, estimate, ratio=8.0) == pytest.approx(
        100 / 8 * math.sqrt(sum(x / m**2 for x, m in zip(error, means, strict=True)) / bands)
    )
    angles = [
        math.acos(t[:, p] @ e[:, p] / math.sqrt((t[:, p] @ t[:, p]) * (e[:, p] @ e[:, p])))
        for p in range(pixels)
    ]
    assert sam(truth, estimate) == pytest.approx(math.degrees(sum(angles) / pixels))
    assert cc(truth, estimate) == pytest.approx(
        sum(np.corrcoef(t[b], e[b])[0, 1] for b in range(bands)) / bands
    )


def test_ssim_equals_its_formula_window_by_window():
    truth, estimate = cubes(bands=2, rows=14, columns=13)
    peak = 0.8
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    i = np.arange(11) - 5
    weight = np.exp(-(i[:, None] ** 2 + i**2) / (2 * 1.5**2))
    weight /= weight.sum()
    found = []
    for band in range(2):
        for row in range(4):
            for column in range(3):
                cut = (band, slice(row, row + 11), slice(column, column + 11))
                x, y = truth[cut].astype(float), estimate[cut].astype(float)
                mx, my = (weight * x).sum(), (weight * y).sum()
                vx, vy = (weight * (x - mx) ** 2).sum(), (weight * (y - my) ** 2).sum()
                vxy = (weight * (x - mx) * (y - my)).sum()
                luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
                found.append(luminance * (2 * vxy + c2) / (vx + vy + c2))
    assert ssim(truth, estimate, peak=peak) == pytest.approx(np.mean(found), rel=1e-9)


@pytest.mark.parametrize("size", [5, 8, 32])
def test_uiqi_equals_its_formula_window_by_window(size):
    truth, estimate = cubes(bands=2, rows=size + 3, columns=size + 2)
    found = []
    for band in range(2):
        for row in range(4):
            for column in range(3):
                cut = (band, slice(row, row + size), slice(column, column + size))
                x, y = truth[cut].astype(float), estimate[cut].astype(float)
                covariance = ((x - x.mean()) * (y - y.mean())).mean()
                found.append(
                    4 * covariance * x.mean() * y.mean()
                    / ((x.var() + y.var()) * (x.mean() ** 2 + y.mean() ** 2))
                )  # fmt: skip
    assert uiqi(truth, estimate, size) == pytest.approx(np.mean(found), rel=1e-9)


@pytest.mark.parametrize("metric", ALL)
def test_pixels_without_data_in_either_cube_count_nowhere(metric):
    truth, estimate = cubes(rows=80, columns=70)
    expected = metric(truth[:, 3:, 2:-1], estimate[:, 3:, 2:-1])
    truth[1, :3] = np.nan
    estimate[0, :, :2] = np.nan
    estimate[2, :, -1] = np.inf
    assert metric(truth, estimate) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("metric", [ssim, uiqi])
def test_a_gap_takes_every_window_that_touches_it(metric):
    truth, estimate = cubes(rows=120, columns=60)
    estimate[:, :60] = truth[:, :60]
    truth[:, 60:90] = np.nan
    estimate[:, 90:] += 5.0  # below the gap: 30 rows, which hold SSIM windows but no UIQI window
    value = metric(truth, estimate)
    assert value == pytest.approx(1, abs=1e-9) if metric is uiqi else value < 0.95


@given(st.floats(1e-3, 1e3), st.integers(0, 5))
def test_the_spectral_angle_does_not_see_brightness(scale, seed):
    truth, estimate = (c.astype(float) for c in cubes(rows=4, columns=4, seed=seed))
    assert sam(truth, estimate * scale) == pytest.approx(sam(truth, estimate), rel=1e-9)
    assert sam(truth, truth * scale) < 1e-6


@given(st.floats(1e-4, 1e4))
def test_units_do_not_matter_where_the_peak_is_in_them(scale):
    truth, estimate = (c.astype(float) for c in cubes())
    one, other = (score(truth * s, estimate * s, ratio=4.0, peak=s) for s in (1.0, scale))
    expected, found = asdict(one), asdict(other)
    assert found.pop("rmse") == pytest.approx(expected.pop("rmse") * scale)
    assert found.pop("peak") == expected.pop("peak") * scale
    assert found.pop("units") == expected.pop("units")
    assert found == pytest.approx(expected, rel=1e-6)


def test_psnr_averages_decibels_over_bands_and_not_errors():
    truth = np.zeros((2, 1, 1))
    estimate = np.array([0.1, 0.001]).reshape(2, 1, 1)
    assert psnr(truth, estimate) == pytest.approx((20 + 60) / 2)
    assert psnr(truth, estimate, peak=10.0) == pytest.approx((40 + 80) / 2)


def test_a_zero_estimate_is_a_right_angle_and_a_zero_truth_has_none():
    truth = np.zeros((2, 1, 2))
    truth[0, 0, 0] = 1.0
    assert sam(truth, np.zeros_like(truth)) == pytest.approx(90)
    assert math.isnan(sam(np.zeros_like(truth), truth))


def test_flat_and_empty_planes_are_compared_by_their_level_alone():
    flat = np.full((1, 40, 40), 0.3)
    assert uiqi(flat, flat) == pytest.approx(1)
    assert uiqi(flat, 2 * flat) == pytest.approx(2 * 2 / (1 + 4))
    assert uiqi(0 * flat, 0 * flat) == 1
    assert math.isnan(cc(flat, flat))
    assert math.isnan(ergas(0 * flat, flat, ratio=2.0))


def test_cc_leaves_constant_bands_out():
    truth, estimate = cubes(bands=2)
    alone = cc(truth[:1], estimate[:1])
    truth[1] = 0.1
    assert cc(truth, estimate) == pytest.approx(alone)


def test_images_smaller_than_a_window_have_no_structural_figure():
    truth, estimate = cubes(rows=10, columns=50)
    found = score(truth, estimate, ratio=4.0)
    assert math.isnan(found.ssim)
    assert math.isnan(found.uiqi)
    assert math.isfinite(found.psnr)


def test_nothing_known_gives_no_figure_at_all():
    truth, estimate = cubes()
    found = score(truth, estimate * np.nan, ratio=4.0)
    assert found.pixels == 0
    assert all(math.isnan(value) for value in astuple(found)[:8])


def test_cubes_of_two_shapes_are_refused_with_both_shapes():
    truth, estimate = cubes()
    with pytest.raises(ValueError, match=r"\(3, 40, 37\) and \(3, 40, 36\)"):
        score(truth, estimate[:, :, :-1])


def test_sam_is_the_mean_of_the_map_of_angles():
    """Pixels without data or without a direction are NaN in the map and no part of the mean."""
    truth, estimate = cubes()
    estimate[1, 3, 4] = np.nan
    truth[:, 5, 6] = 0
    angles = spectral_angles(truth, estimate)
    assert np.argwhere(np.isnan(angles)).tolist() == [[3, 4], [5, 6]]
    assert np.nanmean(angles) == pytest.approx(sam(truth, estimate), rel=1e-12)
    one = truth[:, 7:8, 8:9], estimate[:, 7:8, 8:9]
    assert angles[7, 8] == pytest.approx(sam(*one), rel=1e-12)
