"""Lost values of single bands follow from the bands beside them."""

import numpy as np
import pytest

from hsfuse.core.spectral_gaps import fit_gaps

BANDS = 24
WAVELENGTH = np.linspace(400, 1000, BANDS)


def scene() -> np.ndarray:
    """Return mixtures of three spectra, one with a red edge, float32."""
    draw = np.random.default_rng(0)
    spectra = np.stack(
        [0.1 + 0.3 / (1 + np.exp((700 - WAVELENGTH) / 30)), WAVELENGTH / 3000, np.full(BANDS, 0.4)]
    )
    shares = draw.dirichlet(np.ones(3), (20, 20))
    return np.moveaxis(shares @ spectra, 2, 0).astype(np.float32)


def test_lost_values_come_back() -> None:
    """To a tenth of a band's deviation, at the ends of the spectrum and at its edge too."""
    truth = scene()
    cube = truth.copy()
    lost = np.random.default_rng(1).random(cube.shape) < 0.03
    cube[lost] = np.nan
    gaps = fit_gaps([cube], np.ones(BANDS, dtype=bool), WAVELENGTH)
    assert gaps is not None
    closed = gaps.closed(cube)
    assert np.isfinite(closed).all()
    np.testing.assert_array_equal(closed[~lost], truth[~lost])
    error = np.sqrt(np.mean((closed - truth)[lost] ** 2))
    assert error < 0.1 * truth.std(axis=(1, 2)).mean()
    assert gaps.values == pytest.approx(lost.mean(), rel=1e-6)


def test_a_window_is_part_of_the_whole() -> None:
    """Of each pixel alone: blocks of the image are the image."""
    cube = scene()
    cube[np.random.default_rng(1).random(cube.shape) < 0.03] = np.nan
    gaps = fit_gaps([cube], np.ones(BANDS, dtype=bool), WAVELENGTH)
    assert gaps is not None
    np.testing.assert_array_equal(
        gaps.closed(cube[:, 3:9, 5:])[:, 1:], gaps.closed(cube)[:, 4:9, 5:]
    )


@pytest.mark.parametrize("lost", [slice(None), slice(0, BANDS // 2), slice(8, 13)])
def test_a_pixel_that_lost_much_is_lost(lost: slice) -> None:
    """All of it, a detector's half, or more bands in a row than a line explains."""
    cube = scene()
    cube[3, 10, 10] = np.nan
    cube[lost, 4, 5] = np.nan
    gaps = fit_gaps([cube], np.ones(BANDS, dtype=bool), WAVELENGTH)
    assert gaps is not None
    closed = gaps.closed(cube)
    np.testing.assert_array_equal(np.isnan(closed[:, 4, 5]), np.isnan(cube[:, 4, 5]))
    assert np.isfinite(closed[:, 10, 10]).all()


def test_bad_and_empty_bands_are_no_gaps() -> None:
    """They lack data everywhere, which says nothing of a pixel."""
    cube = scene()
    cube[5] = np.nan
    cube[9, ::2] = np.nan
    good = np.arange(BANDS) != 9
    assert fit_gaps([cube], good, WAVELENGTH) is None
