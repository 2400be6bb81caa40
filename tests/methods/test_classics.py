"""The standard methods of the field against dense implementations of their equations."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.core.resample import degrade_matrix, interpolation_matrix
from hsfuse.core.synthesis import SynthesisedBands
from hsfuse.methods import Options, Window, load_method
from hsfuse.methods.fuse import Fuse, FuseSettings
from hsfuse.methods.gsa import GsaSettings
from hsfuse.methods.hypersharpening import Modulation
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

BANDS, FWHM = 7, 1.2
Array = NDArray[np.float64]


@cache
def pair(ratio: float = 3.0) -> tuple[Survey, Window]:
    """Return the survey and the whole window of a small noisy pair."""
    draw = np.random.default_rng(3)
    geometry = Geometry(Axis(int(8 * ratio), 8, ratio), Axis(int(9 * ratio), 9, ratio))
    rows, columns = np.mgrid[: geometry.y.fine, : geometry.x.fine]
    maps = np.stack(
        [1 + 0.3 * np.sin(rows / 2), (columns > 11) + 0.2, np.cos((rows + columns) / 3)]
    )
    cube = np.tensordot(np.cumsum(draw.uniform(0, 0.3, size=(BANDS, 3)), axis=0), maps, 1) + 1
    response = np.array([[0.5, 0.5, 0, 0, 0, 0, 0], [0, 0, 0.3, 0.4, 0.3, 0, 0]])
    down = [degrade_matrix(axis, FWHM) for axis in (geometry.y, geometry.x)]
    coarse = down[0] @ cube @ down[1].T
    fine = np.tensordot(response, cube, 1) * np.array([1.0, 2.0])[:, None, None] + 0.1
    coarse, fine = (
        (image + 0.01 * draw.normal(size=image.shape)).astype(np.float32)
        for image in (coarse, fine)
    )
    core = Span(0, geometry.y.fine), Span(0, geometry.x.fine)
    survey = Survey(
        (Patch(coarse, fine, geometry, (0, 0)),),
        PSF((FWHM, FWHM)),
        np.ones(BANDS, bool),
        np.linspace(400, 700, BANDS),
        response,
    )
    return survey, Window(coarse, fine, geometry, core, (0, 0))


def operators(window: Window) -> tuple[Array, Array]:
    """Return D and the interpolation of images with pixels in one axis, dense."""
    axes = window.geometry.y, window.geometry.x
    down = np.kron(*(degrade_matrix(axis, FWHM) for axis in axes))
    up = np.kron(*(interpolation_matrix(axis) for axis in axes))
    return down, up


def flat(image: NDArray[np.float32]) -> Array:
    """Return an image with its pixels in one axis."""
    return image.reshape(len(image), -1).astype(np.float64)


def fused(name: str, ratio: float = 3.0) -> Array:
    """Return what a method makes of the pair, pixels in one axis."""
    survey, window = pair(ratio)
    (cube,) = load_method(name).prepare(survey, Options()).fuse([window])
    return flat(cube)


def synthesised(spectrum: Array, fine: Array, seen: Array) -> tuple[Array, Array, float]:
    """Return the band regressed on the MS bands, D of it, and the variance of the residuals."""
    design = np.column_stack([seen.T, np.ones(seen.shape[1])])
    weights = np.linalg.lstsq(design, spectrum, rcond=None)[0]
    low = design @ weights
    return weights[:-1] @ fine + weights[-1], low, np.square(spectrum - low).mean()


def modulated(smooth: Array, sharp: Array, low: Array, variance: float) -> Array:
    """Return high-pass modulation with a gain of one where the divisor is within its error."""
    sharp, low = np.maximum(sharp, 0), np.maximum(low, 0)
    gain = (smooth * low + variance) / (low**2 + variance)
    return smooth + gain * (sharp - low)


def test_gsa_is_its_publication_band_by_band() -> None:
    """Intensity, gain and detail of Aiazzi 2007 for each HS band with its synthesised band."""
    _, window = pair()
    down, up = operators(window)
    coarse, fine = flat(window.coarse), flat(window.fine)
    centred = coarse - coarse.mean(axis=1, keepdims=True)
    gram = centred @ centred.T
    gram += GsaSettings().ridge * np.trace(gram) / BANDS * np.eye(BANDS)
    expected = []
    for band in coarse:
        sharp, low, _ = synthesised(band, fine, fine @ down.T)
        weights = np.linalg.solve(gram, centred @ (low - low.mean()))
        intensity = weights @ centred + low.mean()
        gain = np.cov(intensity, band)[0, 1] / np.var(intensity, ddof=1)
        expected.append(up @ band + gain * (sharp - up @ intensity))
    assert fused("gsa") == pytest.approx(np.array(expected), abs=1e-4)


def test_sfim_is_its_publication_pixel_by_pixel() -> None:
    """The interpolated band modulated by the MS band over its mean in a square of one HS pixel."""
    _, window = pair()
    down, up = operators(window)
    coarse, fine = flat(window.coarse), flat(window.fine)
    rows, columns = window.geometry.fine_shape
    expected = np.empty((BANDS, rows, columns))
    for index, band in enumerate(coarse):
        sharp, _, variance = synthesised(band, fine, fine @ down.T)
        sharp, smooth = sharp.reshape(rows, columns), (up @ band).reshape(rows, columns)
        for y in range(rows):
            for x in range(columns):
                mean = sharp[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].mean()
                expected[index, y, x] = modulated(smooth[y, x], sharp[y, x], mean, variance)
    assert fused("sfim") == pytest.approx(expected.reshape(BANDS, -1), abs=1e-4)


def test_mtf_glp_hpm_is_its_publication_band_by_band() -> None:
    """The interpolated band modulated by the MS band over its degraded and interpolated version."""
    _, window = pair(2.5)
    down, up = operators(window)
    coarse, fine = flat(window.coarse), flat(window.fine)
    expected = []
    for band in coarse:
        sharp, low, variance = synthesised(band, fine, fine @ down.T)
        expected.append(modulated(up @ band, sharp, up @ low, variance))
    assert fused("mtf-glp-hpm", 2.5) == pytest.approx(np.array(expected), abs=1e-4)


@pytest.mark.parametrize("name", ["sfim", "mtf-glp-hpm"])
def test_modulation_without_residuals_is_the_quotient(name: str) -> None:
    """``Z = X P / P_L``, so that ``Z / X`` is the same for two HS images of a pair."""
    survey, window = pair(2.5)
    fuser = load_method(name).prepare(survey, Options())
    assert isinstance(fuser, Modulation)
    exact = replace(fuser, deviation=np.zeros(BANDS))
    (cube,), (doubled,) = (
        exact.fuse([replace(window, coarse=factor * window.coarse)]) for factor in (1, 2)
    )
    assert doubled == pytest.approx(2 * cube, rel=1e-5)
    (bounded,) = fuser.fuse([window])
    assert bounded == pytest.approx(cube, abs=0.02 * float(cube.mean()))


@pytest.mark.parametrize("name", ["sfim", "mtf-glp-hpm"])
def test_modulation_of_dark_pixels_adds_the_details(name: str) -> None:
    """
    Details fall with the contrast of the MS image where it is below the error.

    The quotient would be the same for an MS image a quarter as bright.
    """
    survey, window = pair(2.5)
    fuser = load_method(name).prepare(survey, Options())
    assert isinstance(fuser, Modulation)
    # Low-pass values up to a tenth of the error.
    weights, offset = np.zeros_like(fuser.bands.weights), np.zeros_like(fuser.bands.offset)
    deviation = window.coarse.mean(axis=(1, 2)).astype(np.float64)
    weights[:, 0] = 0.1 * deviation / np.nanmax(window.fine[0])
    smooth = flat(window.coarse) @ operators(window)[1].T
    changes = []
    for factor in (1.0, 0.25):
        bands = SynthesisedBands(factor * weights, offset)
        dark = replace(fuser, bands=bands, deviation=deviation, minimum=0.0)
        (cube,) = dark.fuse([window])
        changes.append(np.abs(flat(cube) - smooth).max(axis=1))
    assert changes[1] == pytest.approx(0.25 * changes[0], rel=0.1)


def test_fuse_minimises_its_objective() -> None:
    """The closed form is the least-squares solution of all unknowns of the scene together."""
    survey, window = pair(2.5)
    fuser = Fuse(FuseSettings(components=3)).prepare(survey, Options())
    down, up = operators(window)
    coarse, fine = flat(window.coarse), flat(window.fine)
    subspace, radiometry = fuser.model.subspace, survey.radiometry
    count, pixels = len(subspace.basis), down.shape[1]
    loading, mean = subspace.loading.T, subspace.mean[:, None]
    seen = fine @ down.T
    left = seen.var(axis=1) * (1 - radiometry.correlation**2)
    deviation = np.sqrt(survey.fine_noise**2 + left)
    response = radiometry.gain[:, None] * radiometry.response
    prior = subspace.basis @ (coarse - mean) @ up.T
    root = np.linalg.cholesky(fuser.precision).T
    # |X - m - H D(U)| over N, |Y - l - L U| over M and |U - U(X)| over S, one row an observation.
    system = np.concatenate(
        [
            np.kron(loading / survey.noise[:, None], down),
            np.kron(response @ loading / deviation[:, None], np.eye(pixels)),
            np.kron(root, np.eye(pixels)),
        ]
    )
    level = response @ mean[:, 0] + radiometry.offset
    right = np.concatenate(
        [
            ((coarse - mean) / survey.noise[:, None]).ravel(),
            ((fine - level[:, None]) / deviation[:, None]).ravel(),
            (root @ prior).ravel(),
        ]
    )
    solution = np.linalg.solve(system.T @ system, system.T @ right).reshape(count, pixels)
    expected = loading @ solution + mean
    assert flat(fuser.fuse([window])[0]) == pytest.approx(expected, abs=2e-4)
