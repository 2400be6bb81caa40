"""Distortions of QNR and HQNR against an implementation pixel by pixel, and at their limits."""

import numpy as np
import pytest

from hsfuse.core.distortion import (
    Distortion,
    WindowPixels,
    noise_distortion,
    window_distortion,
)
from hsfuse.core.synthesis import SynthesisedBands

BANDS, MS = 5, 2


def q(a, b):
    """Wang and Bovik 2002, eq. 1, of two lists of numbers."""
    covariance = np.mean(a * b) - a.mean() * b.mean()
    structure = 2 * covariance / (a.var() + b.var())
    return structure * 2 * a.mean() * b.mean() / (a.mean() ** 2 + b.mean() ** 2)


def multiply(a, b):
    """Return the Cayley-Dickson product of numbers of shape (components, ...)."""
    half = len(a) // 2
    if not half:
        return a * b
    first, second, third, fourth = a[:half], a[half:], b[:half], b[half:]
    return np.concatenate(
        [
            multiply(first, third) - multiply(conjugate(fourth), second),
            multiply(fourth, first) + multiply(second, conjugate(third)),
        ]
    )


def conjugate(a):
    return np.concatenate([a[:1], -a[1:]])


def q2n(reference, other):
    """Garzelli and Nencini 2009 on numbers of eight components, pixel by pixel."""
    mean, spread = reference.mean(axis=1)[:, None], reference.std(axis=1)[:, None]
    a, b = (
        np.concatenate([(each - mean) / spread + 1, np.zeros((8 - BANDS, each.shape[1]))])
        for each in (reference, other)
    )
    mean_a, mean_b = a.mean(axis=1), b.mean(axis=1)
    covariance = multiply(a, conjugate(b)).mean(axis=1) - multiply(mean_a, conjugate(mean_b))
    power = sum(
        (each**2).sum(axis=0).mean() - (m**2).sum() for each, m in ((a, mean_a), (b, mean_b))
    )
    lengths = np.linalg.norm(mean_a), np.linalg.norm(mean_b)
    bias = 2 * lengths[0] * lengths[1] / (lengths[0] ** 2 + lengths[1] ** 2)
    return 2 * np.linalg.norm(covariance) / power * bias


@pytest.fixture(scope="module")
def windows():
    """Return two windows of random, correlated bands, and synthesised bands."""
    draw = np.random.default_rng(4)

    def bands(count, pixels):
        shared = draw.random(pixels)
        return 0.2 + draw.random((count, 1)) * shared + 0.1 * draw.random((count, pixels))

    pixels = [
        WindowPixels(bands(BANDS, 90), bands(MS, 90), *(bands(n, 10) for n in (BANDS, MS, BANDS)))
        for _ in range(2)
    ]
    return pixels, SynthesisedBands(draw.random((BANDS, MS)), draw.random(BANDS))


def test_distortions_are_those_of_the_definitions(windows):
    """Means of Q over windows are compared, not the distortions of windows averaged."""
    pixels, (weights, offset) = windows
    found = sum(
        (window_distortion(each, SynthesisedBands(weights, offset)) for each in pixels),
        Distortion.none(BANDS),
    )
    pairs, own = np.zeros((BANDS, BANDS)), np.zeros(BANDS)
    for window in pixels:
        fused, hs = window.fused, window.hs
        sharp, blurred = (
            weights @ each + offset[:, None] for each in (window.ms, window.degraded_ms)
        )
        for l in range(BANDS):  # noqa: E741 - the letter of the definitions
            own[l] += (q(fused[l], sharp[l]) - q(hs[l], blurred[l])) / len(pixels)
            for r in range(BANDS):
                pairs[l, r] += (q(fused[l], fused[r]) - q(hs[l], hs[r])) / len(pixels)
    off = ~np.eye(BANDS, dtype=bool)
    assert found.spectral().mean() == pytest.approx(np.abs(pairs[off]).mean())
    assert found.spatial() == pytest.approx(np.abs(own))
    khan = 1 - np.mean([q2n(each.hs, each.degraded) for each in pixels])
    assert found.khan() == pytest.approx(khan)
    assert 0.05 < khan < 1


def test_a_cube_with_the_relations_of_the_hs_image_has_no_distortion(windows):
    """Every pixel repeated, as nearest-neighbour interpolation would do."""
    pixels, synthesis = windows
    hs, degraded_ms = pixels[0].hs, pixels[0].degraded_ms
    repeated = WindowPixels(
        np.repeat(hs, 9, axis=1), np.repeat(degraded_ms, 9, axis=1), hs, degraded_ms, hs
    )
    found = window_distortion(repeated, synthesis)
    assert found.spectral() == pytest.approx(0, abs=1e-12)
    assert found.spatial() == pytest.approx(0, abs=1e-12)
    assert found.khan() == pytest.approx(0, abs=1e-12)


def test_the_limit_by_noise_is_what_a_perfect_cube_gets():
    """Of an HS image that is the degraded cube and noise, over many pixels."""
    draw = np.random.default_rng(8)
    clean = 0.3 + 0.1 * draw.standard_normal((BANDS, 1)) * draw.standard_normal(40_000)
    clean += 0.02 * draw.standard_normal(clean.shape)
    ms = clean[:MS] + 0.1
    noise = np.linspace(0.01, 0.05, BANDS)
    hs = clean + noise[:, None] * draw.standard_normal(clean.shape)
    synthesis = SynthesisedBands(draw.random((BANDS, MS)), np.zeros(BANDS))
    pixels = WindowPixels(clean, ms, hs, ms, clean)
    perfect = window_distortion(pixels, synthesis)
    limit = noise_distortion(pixels, synthesis, noise, perfect)
    assert limit.khan() == pytest.approx(perfect.khan(), rel=0.02)
    assert limit.spectral() == pytest.approx(perfect.spectral(), abs=0.005)
    assert limit.spatial() == pytest.approx(perfect.spatial(), abs=0.005)
    assert perfect.khan() > 0.02
    none = noise_distortion(pixels, synthesis, np.zeros(BANDS), perfect)
    assert (none.khan(), none.spectral().sum(), none.spatial().sum()) == pytest.approx((0, 0, 0))


def test_flat_bands_have_figures(windows):
    """A factor of an index without meaning is one; no figure is NaN."""
    _, synthesis = windows
    flat = WindowPixels(*(np.full((n, 9), 0.5) for n in (BANDS, MS, BANDS, MS, BANDS)))
    found = window_distortion(flat, synthesis)
    assert found.khan() == 0
    assert np.isfinite([*found.spectral(), *found.spatial()]).all()


def test_no_windows_have_no_distortion():
    none = Distortion.none(3)
    assert np.isnan([none.khan(), *none.spectral(), *none.spatial()]).all()
