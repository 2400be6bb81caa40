"""The spectral response estimated from a pair, its uncertainty, and when it is doubted."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from hsfuse.pair.plausibility import describe_centres, response_warning
from hsfuse.pair.radiometry import measure_radiometry
from hsfuse.pair.response_estimate import ResponseEstimate, estimate_response, predictor_weights
from hsfuse.pair.survey import Survey
from hsfuse.sensor.catalogue import response_matrix, sensor_from_bands
from tests.pair.test_radiometry import survey

WAVELENGTH = np.arange(400.0, 2400.0, 10.0)
CENTRES = np.array([620.0, 540.0, 460.0])
NAMES = ("red", "green", "blue")
STRAIGHT = np.zeros(3, bool)


def scene(noise: float = 0.002) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy smooth spectra of 200 bands to the short-wave infrared, and those without."""
    draw = np.random.default_rng(0)
    materials = gaussian_filter1d(draw.random((8, WAVELENGTH.size)), 6.0, axis=1)
    materials = (materials - materials.min()) / np.ptp(materials)
    # As of land, reflectance and contrast are low in the visible.
    materials *= np.interp(WAVELENGTH, [400, 700, 900], [0.2, 0.3, 1.0])
    clear = (draw.dirichlet(np.full(8, 0.5), 900) @ materials).T
    return clear + noise * draw.normal(size=clear.shape), clear


def camera(clear: np.ndarray) -> np.ndarray:
    """Return the bands of a camera with the responses of :data:`CENTRES`, 80 nm wide."""
    return response_matrix(sensor_from_bands(CENTRES, np.full(3, 80.0)), WAVELENGTH).matrix @ clear


@pytest.mark.parametrize("tone", [1.0, 1 / 2.2])
def test_centres_come_back_with_or_without_a_tone_curve(tone: float) -> None:
    """A photograph with gamma has the centres of the linear image, each within its range."""
    spectra, clear = scene()
    seen = camera(clear)
    seen -= 0.98 * seen.min(axis=1, keepdims=True)  # to shadows, where the curve is steep
    found = estimate_response(spectra, 250 * seen**tone, np.ones(900), WAVELENGTH)
    np.testing.assert_allclose(found.centre, CENTRES, atol=10)
    assert (found.lowest <= found.centre + 1e-6).all()
    assert (found.centre <= found.highest + 1e-6).all()
    assert found.response.sum(axis=1) == pytest.approx(1)
    assert (found.response >= 0).all()
    far = np.abs(WAVELENGTH - CENTRES[:, None]) > 200
    assert (found.response * far).sum(axis=1).max() < 0.05


def test_a_predictor_is_no_response() -> None:
    """With a tone curve it predicts better, by bands at which the camera sees nothing."""
    spectra, clear = scene()
    bands = camera(clear) ** (1 / 2.2)
    far = np.abs(WAVELENGTH - CENTRES[:, None]) > 200
    assert (predictor_weights(spectra, bands) * far).sum(axis=1).max() > 0.3


def test_order_units_and_gaps_of_the_bands_do_not_matter() -> None:
    """Gain, offset, bands in descending order, and a water band left out."""
    spectra, clear = scene()
    bands, weight = camera(clear), np.ones(900)
    plain = estimate_response(spectra, bands, weight, WAVELENGTH)
    kept = np.flatnonzero((WAVELENGTH < 1350) | (WAVELENGTH > 1450))[::-1]
    other = estimate_response(spectra[kept], 300 * bands + 20, weight, WAVELENGTH[kept])
    np.testing.assert_allclose(other.centre, plain.centre, atol=8)


def test_band_numbers_serve_where_wavelengths_are_unknown() -> None:
    spectra, clear = scene()
    numbers = np.arange(1.0, WAVELENGTH.size + 1)
    bands = camera(clear)
    found = estimate_response(spectra, bands, np.ones(900), numbers, nanometres=False)
    np.testing.assert_allclose(400 + 10 * (found.centre - 1), CENTRES, atol=15)
    assert "HS band" in describe_centres(found, NAMES)
    assert response_warning(found, NAMES, STRAIGHT) == ""


def test_a_name_decides_between_centres_that_fit_alike() -> None:
    """Bands without spectral contrast allow any; of a clear one the name changes nothing."""
    draw = np.random.default_rng(1)
    grey = np.outer(np.ones(60), draw.random(400))
    visible = np.arange(400.0, 1000.0, 10.0)
    band = grey[:1] + 0.01 * draw.normal(size=(1, 400))
    for colour, low, high in (("blue", 400, 520), ("red", 570, 720)):
        found = estimate_response(grey, band, np.ones(400), visible, colours=(colour,))
        assert low <= found.centre[0] <= high
        assert not found.contradicts_colour[0]
        assert found.highest[0] - found.lowest[0] > 200
    spectra, clear = scene()
    wrong = estimate_response(
        spectra, camera(clear), np.ones(900), WAVELENGTH, colours=("blue", "green", "red")
    )
    assert wrong.contradicts_colour.tolist() == [True, False, True]
    np.testing.assert_allclose(wrong.centre, CENTRES, atol=15)


def test_nothing_is_estimated_of_a_band_that_is_noise() -> None:
    """The range is all that the HS image covers, and nothing breaks."""
    spectra, _ = scene()
    band = np.random.default_rng(3).normal(size=(1, 900))
    found = estimate_response(spectra, band, np.ones(900), WAVELENGTH)
    assert found.highest[0] - found.lowest[0] > 500
    assert np.isfinite(found.response).all()
    flat = estimate_response(spectra, np.full((1, 900), 0.2), np.ones(900), WAVELENGTH)
    assert flat.response.sum() == pytest.approx(1)


def estimate(centre: list[float], spread: float = 10.0) -> ResponseEstimate:
    middle = np.array(centre)
    return ResponseEstimate(
        np.eye(3), middle, middle - spread, middle + spread, np.zeros(3, bool), nanometres=True
    )


def test_a_plausible_estimate_is_not_doubted() -> None:
    assert response_warning(estimate([620, 540, 460]), NAMES, STRAIGHT) == ""


@pytest.mark.parametrize(
    ("found", "curved", "reason"),
    [
        (estimate([620, 540, 460], spread=80), STRAIGHT, "wide ranges"),
        (estimate([460, 540, 620]), STRAIGHT, "order of their wavelengths"),
        (estimate([418, 412, 408]), STRAIGHT, "one centre"),
        (
            replace(estimate([620, 540, 460]), contradicts_colour=np.array([True, False, False])),
            STRAIGHT,
            "red fits best at 620 nm",
        ),
        (estimate([620, 540, 460]), np.array([True, True, False]), "red, green follow the HS"),
    ],
)
def test_the_warning_says_why_and_what_to_do(
    found: ResponseEstimate, curved: np.ndarray, reason: str
) -> None:
    warning = response_warning(found, NAMES, curved)
    assert reason in warning
    assert "--rgb-sensor" in warning
    assert "not the response of the sensor" in warning


def lit(tone: float) -> Survey:
    """Return a surveyed pair that becomes darker from top to bottom, with a tone curve."""
    made = survey()
    patch = made.patches[0]
    light = np.linspace(1.0, 0.02, 120, dtype=np.float32)
    coarse = patch.coarse * light.reshape(30, 4).mean(axis=1)[:, None]
    fine = (patch.fine * light[:, None]) ** np.float32(tone)
    return replace(made, patches=(replace(patch, coarse=coarse, fine=fine),))


def test_a_photograph_is_told_from_a_linear_image() -> None:
    """With an estimated response by the warning, with a stated one by a note."""
    linear = measure_radiometry(lit(1.0))
    assert not any(linear.curved)
    assert linear.estimate is not None
    assert "tone curve" not in linear.warning
    found = measure_radiometry(lit(1 / 2.2))
    assert all(found.curved)
    assert "tone curve" in found.warning
    stated = np.kron(np.eye(2), np.full(10, 0.1))
    for tone, noted in ((1.0, False), (1 / 2.2, True)):
        found = measure_radiometry(replace(lit(tone), response=stated))
        assert found.estimate is None
        assert found.warning == ""
        assert any("tone curve" in note for note in found.notes) == noted
