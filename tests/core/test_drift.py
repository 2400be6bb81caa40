"""A surface through the shifts of windows."""

import numpy as np
import pytest

from hsfuse.core.drift import Drift, fit_drift


def windows(drift: Drift, count: int, noise: float = 0.0) -> np.ndarray:
    """Return what a square of windows would tell of a drift."""
    places = np.linspace(30, 270, count)
    rows, columns = (axis.ravel() for axis in np.meshgrid(places, places, indexing="ij"))
    shifts = drift.at(rows, columns)
    shifts = shifts + noise * np.random.default_rng(0).normal(size=shifts.shape)
    return np.stack([rows, columns, *shifts, *np.full((2, rows.size), 0.01)], axis=1)


def test_a_surface_of_second_order_comes_back() -> None:
    """Through 25 windows, of which two are far off."""
    drift = Drift((300, 300), ((0.3, 0.5, -0.2, 0.3, 0.0, 0.0), (-0.4, 0.1, 0.6, 0, 0.2, 0)), 0, 0)
    local = windows(drift, 5, noise=0.02)
    local[[3, 17], 2:4] += 1.5
    found = fit_drift(local, (300, 300))
    assert found is not None
    places = np.meshgrid(*2 * [np.linspace(10, 290, 8)], indexing="ij")
    assert found.at(*places) == pytest.approx(drift.at(*places), abs=0.1)
    assert found.scatter < 0.1
    assert found.spread == pytest.approx(drift.spread, abs=0.1)


def test_noise_bends_nothing() -> None:
    """A steady shift stays one, whatever the windows scatter."""
    steady = Drift((300, 300), ((0.3,), (-0.4,)), 0, 0)
    found = fit_drift(windows(steady, 5, noise=0.05), (300, 300))
    assert found is not None
    assert found.spread == pytest.approx(0, abs=1e-9)
    assert found.at(100, 100) == pytest.approx((0.3, -0.4), abs=0.05)


def test_few_windows_bend_nothing() -> None:
    """Less than two a term are no evidence, and one tells nothing at all."""
    sloping = Drift((300, 300), ((0.0, 0.5, 0.0), (0.0, 0.0, 0.5)), 0, 0)
    found = fit_drift(windows(sloping, 2), (300, 300))
    assert found is not None
    assert found.spread == pytest.approx(0, abs=1e-9)
    assert fit_drift(np.empty((1, 6)), (300, 300)) is None
