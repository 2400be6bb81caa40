"""The metrics against scikit-image and torchmetrics; where these differ, how is stated."""

from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from hsfuse.core.metrics import ergas, psnr, sam, ssim, uiqi

PEAK = 0.8


@pytest.fixture(scope="module")
def pair() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a truth and an estimate of 3 bands, 40 x 37 pixels, of different levels."""
    generator = np.random.default_rng(3)
    slope = np.linspace(0, 0.5, 37) + np.linspace(0, 0.3, 40)[:, None]
    truth = np.array([0.5, 1.0, 2.0])[:, None, None] * (slope + 0.2 * generator.random((3, 40, 37)))
    return truth, 1.1 * truth + 0.05 * generator.standard_normal(truth.shape)


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """Return torchmetrics, which takes seconds to import: in the process that needs it alone."""
    return import_module("torchmetrics.functional.image")


def tensors(*cubes: NDArray[np.float64]) -> tuple[torch.Tensor, ...]:
    """Return each cube as a batch of one image, channels first, as torchmetrics takes it."""
    return tuple(torch.from_numpy(cube)[None] for cube in cubes)


def test_psnr_is_the_mean_over_bands_of_that_of_scikit_image(pair) -> None:
    """scikit-image takes the error over all values at once; here each band has its decibels."""
    truth, estimate = pair
    bands = [
        peak_signal_noise_ratio(t, e, data_range=PEAK) for t, e in zip(truth, estimate, strict=True)
    ]
    assert psnr(truth, estimate, PEAK) == pytest.approx(np.mean(bands), rel=1e-9)
    joint = peak_signal_noise_ratio(truth, estimate, data_range=PEAK)
    assert psnr(truth, estimate, PEAK) != pytest.approx(joint, rel=1e-3)


def test_psnr_is_that_of_torchmetrics_reduced_over_bands(pair, reference: ModuleType) -> None:
    """With rows and columns as the reduced dimensions and the mean over the bands left."""
    truth, estimate = (torch.from_numpy(cube) for cube in pair)
    expected = reference.peak_signal_noise_ratio(estimate, truth, data_range=PEAK, dim=(1, 2))
    assert psnr(*pair, PEAK) == pytest.approx(expected.item(), rel=1e-6)


def test_ssim_is_that_of_scikit_image(pair) -> None:
    """With the window of Wang et al.: Gaussian, sigma 1.5, 11 pixels, population covariance."""
    expected = structural_similarity(
        *pair,
        data_range=PEAK,
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(*pair, PEAK) == pytest.approx(expected, rel=1e-9)


def test_sam_is_that_of_torchmetrics(pair, reference: ModuleType) -> None:
    """Which gives radians; here degrees."""
    truth, estimate = tensors(*pair)
    expected = np.degrees(reference.spectral_angle_mapper(estimate, truth).item())
    assert sam(*pair) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("ratio", [3.0, 8.0])
def test_ergas_is_that_of_torchmetrics(pair, reference: ModuleType, ratio: float) -> None:
    """The ratio is fine pixels per coarse pixel in both: 100 / ratio."""
    truth, estimate = tensors(*pair)
    expected = reference.error_relative_global_dimensionless_synthesis(estimate, truth, ratio=ratio)
    assert ergas(*pair, ratio) == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("size", [7, 31])
def test_uiqi_is_that_of_torchmetrics_with_a_flat_window(
    pair, reference: ModuleType, size: int
) -> None:
    """Which weights windows by a Gaussian; one that is very wide is Wang and Bovik's flat one."""
    truth, estimate = tensors(*pair)
    expected = reference.universal_image_quality_index(
        estimate, truth, kernel_size=(size, size), sigma=(1e6, 1e6)
    )
    assert uiqi(*pair, size) == pytest.approx(expected.item(), rel=1e-9)
