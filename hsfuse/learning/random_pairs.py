"""
Random simulated pairs: windows of cubes, observed by two random sensors.

Location, scale, illumination, sensors, PSF and noise vary; all depend only on (seed, number of the
pair).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.psf import PSF
from hsfuse.core.resample import FWHM_PER_SIGMA
from hsfuse.core.text import image_size
from hsfuse.errors import PairError, SensorError
from hsfuse.learning.recipe import Recipe
from hsfuse.nets.network import Architecture
from hsfuse.observe import Degrade, respond
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey
from hsfuse.sensor.catalogue import Sensor, response_matrix

__all__ = ["SimulatedPair", "draw_pair"]


@dataclass(frozen=True, slots=True)
class _Settings:
    """
    Settings common to all recipes.

    Attributes
    ----------
    minimum_side, largest_side : int
        Range of the side of a pair in HS pixels. Fewer do not determine the subspace and the
        regressions of a scene; more take longer without a benefit.
    largest_fine_side : int
        Largest side of a pair in MS pixels, for a simulation in a few seconds on one core.
    minimum_data : float
        Smallest share of finite values of a band (otherwise removed) and of a window (otherwise
        drawn again).
    attempts : int
        Number of windows drawn before a cube counts as empty.
    minimum_coverage : float
        Smallest share of the response of an MS band inside the bands of the cube.
    integer_ratio : float
        Probability of an integer ratio, as between most real sensors.
    inaccurate_fwhm, known_response : float
        Probability that the FWHM given to the method has the error of ``Recipe.belief``, and that
        the response of the MS sensor is given to it.
    silicon : float
        Probability that a random MS sensor is limited to ``silicon_end`` nm, the limit of silicon.
    rgb : float
        Probability that a random sensor of three bands in the visible is a colour camera.
    ms_snr_gain : tuple of float
        Range in decibels of the difference between the signal-to-noise ratios of MS and HS image:
        an MS band collects more light.
    minimum_ground : float
        Smallest share of the weight of the PSF on data for an HS pixel to have data.
    """

    minimum_side: int = 12
    largest_side: int = 40
    largest_fine_side: int = 448
    minimum_data: float = 0.5
    attempts: int = 20
    minimum_coverage: float = 0.9
    integer_ratio: float = 0.7
    inaccurate_fwhm: float = 0.5
    known_response: float = 0.5
    silicon: float = 0.75
    silicon_end: float = 900.0
    rgb: float = 0.6
    ms_snr_gain: tuple[float, float] = (5.0, 15.0)
    minimum_ground: float = 0.5


_SETTINGS = _Settings()


@dataclass(frozen=True)
class SimulatedPair:
    """
    A simulated pair and its reference.

    Attributes
    ----------
    truth : Tensor of shape (bands, rows, columns)
        Reference on the fine grid, in the units of the cube, NaN for no data.
    survey : Survey
        Survey with the pair as its only patch; its ``psf`` is that given to the method.
    psf : PSF
        True PSF, in HS pixels.
    """

    truth: Tensor
    survey: Survey
    psf: PSF


def draw_pair(
    cubes: Sequence[xr.DataArray],
    sensors: Sequence[Sensor | None],
    architecture: Architecture,
    recipe: Recipe,
    number: int,
) -> SimulatedPair:
    """
    Return a random simulated pair and its reference.

    Parameters
    ----------
    cubes : sequence of DataArray
        Truths, (band, y, x), lazy: one window of one of them is read.
    sensors : sequence of Sensor or None
        MS sensors to draw from; None for a random one.
    architecture : Architecture
        Architecture: size of a training patch and, for `cube`, the ratio.
    recipe : Recipe
        Ranges of the random parameters.
    number : int
        Number of the pair; with ``recipe.seed`` the random seed.

    Raises
    ------
    PairError
        If no window of the drawn cube holds enough data.
    """
    draw = np.random.default_rng([recipe.seed, 1, number])
    cube = cubes[int(draw.integers(len(cubes)))]
    ratio = _draw_ratio(cube, architecture, recipe, draw)
    minimum_side = max(_SETTINGS.minimum_side * ratio, float(recipe.patch * architecture.ratio))
    truth, wavelength = _draw_window(cube, ratio, minimum_side, recipe, draw)
    truth = _change_illumination(truth, recipe, draw)
    sensor = sensors[int(draw.integers(len(sensors)))]
    matrix = _response(sensor, wavelength, draw)
    pair, psf = _observe(truth, matrix, ratio, recipe, draw)
    stated_psf = psf
    if draw.random() < _SETTINGS.inaccurate_fwhm:
        fwhm = psf.fwhm[0] * float(np.exp(recipe.belief * draw.normal()))
        stated_psf = PSF((fwhm, fwhm))
    stated_response = None
    # A network for one sensor is always given the correct response, as at inference.
    if draw.random() < _SETTINGS.known_response or recipe.predicts == "cube":
        stated_response = _shifted(matrix, wavelength, recipe.response_shift * float(draw.normal()))
    survey = Survey((pair,), stated_psf, np.ones(len(truth), bool), wavelength, stated_response)
    return SimulatedPair(truth, survey, psf)


def _draw_ratio(
    cube: xr.DataArray, architecture: Architecture, recipe: Recipe, draw: np.random.Generator
) -> float:
    if recipe.predicts == "cube":
        return float(architecture.ratio)
    low, high = recipe.ratio
    largest = min(cube.sizes["y"], cube.sizes["x"]) / _SETTINGS.minimum_side
    high = max(low, min(high, largest))
    ratio = float(np.exp(draw.uniform(math.log(low), math.log(high))))
    return float(round(ratio)) if draw.random() < _SETTINGS.integer_ratio else ratio


def _draw_window(
    cube: xr.DataArray, ratio: float, minimum_side: float, recipe: Recipe, draw: np.random.Generator
) -> tuple[Tensor, NDArray[np.float64]]:
    """Return a window of a cube, downsampled, and the wavelengths of its bands."""
    shape = cube.sizes["y"], cube.sizes["x"]
    zoom = float(np.exp(draw.uniform(0, math.log(recipe.zoom))))
    zoom = max(1.0, min(zoom, min(shape) / minimum_side))
    drawn = draw.uniform(_SETTINGS.minimum_side, _SETTINGS.largest_side) * ratio
    side = min(max(drawn, minimum_side), float(_SETTINGS.largest_fine_side)) * zoom
    rows, columns = (min(math.ceil(side), n) for n in shape)
    values = _read_window(cube, rows, columns, draw)
    with np.errstate(invalid="ignore"):
        spread = np.nanmax(values, axis=(1, 2), initial=0) - np.nanmin(
            values, axis=(1, 2), initial=0
        )
    used = (np.isfinite(values).mean(axis=(1, 2)) > _SETTINGS.minimum_data) & (spread > 0)
    truth = torch.from_numpy(values[used])
    if zoom > 1:
        truth = _downsample(truth, zoom)
    return truth.clamp_min(0), cube["wavelength"].to_numpy()[used]


def _read_window(
    cube: xr.DataArray, rows: int, columns: int, draw: np.random.Generator
) -> NDArray[np.float32]:
    """Return a random window (bands, rows, columns) with data."""
    for _ in range(_SETTINGS.attempts):
        top = int(draw.integers(cube.sizes["y"] - rows + 1))
        left = int(draw.integers(cube.sizes["x"] - columns + 1))
        part = cube.isel(y=slice(top, top + rows), x=slice(left, left + columns))
        values: NDArray[np.float32] = part.compute(scheduler="synchronous").to_numpy()
        if np.isfinite(values).any(axis=0).mean() > _SETTINGS.minimum_data:
            return values
    raise PairError(
        f"{cube.attrs.get('source', 'a cube')}: {_SETTINGS.attempts} random windows of "
        f"{image_size(rows, columns)} hold hardly any data; expected data in more than "
        f"{100 * _SETTINGS.minimum_data:.0f} % of a window's pixels"
    )


def _downsample(truth: Tensor, zoom: float) -> Tensor:
    """Return the means over pixels ``zoom`` times larger; NaN where data are missing."""
    rows, columns = truth.shape[1:]
    small = Geometry(
        Axis(rows, round(rows / zoom), zoom), Axis(columns, round(columns / zoom), zoom)
    )
    valid = torch.isfinite(truth).all(dim=0)
    filled = torch.where(valid, truth, torch.zeros_like(truth))
    mean, share = Degrade.between(small, PSF((0.0, 0.0))).forward_masked(filled, valid)
    mean[:, share < 1 - 1e-6] = torch.nan
    return mean


def _change_illumination(truth: Tensor, recipe: Recipe, draw: np.random.Generator) -> Tensor:
    """Return the cube with a smooth random gain along its spectrum."""
    place = np.linspace(0, np.pi, len(truth))
    curve = sum(draw.normal() * np.cos(k * place + draw.uniform(0, np.pi)) for k in (1, 2, 3))
    gain = np.exp(recipe.illuminant * curve).astype(np.float32)
    return truth * torch.from_numpy(gain)[:, None, None]


def _response(
    sensor: Sensor | None, wavelength: NDArray[np.float64], draw: np.random.Generator
) -> NDArray[np.float64]:
    """Return R of a sensor; of a random sensor if it is None or the cube does not cover it."""
    # Always drawn, so that the following random numbers do not depend on the sensor.
    random = _random_response(wavelength, draw)
    if sensor is None:
        return random
    try:
        response = response_matrix(sensor, wavelength)
    except SensorError:
        return random
    covered = response.coverage > _SETTINGS.minimum_coverage
    return response.matrix[covered] if covered.any() else random


def _random_response(
    wavelength: NDArray[np.float64], draw: np.random.Generator
) -> NDArray[np.float64]:
    """Return R of a random sensor with one to nine Gaussian bands."""
    has_wavelengths = np.isfinite(wavelength).all()
    place = wavelength if has_wavelengths else np.linspace(400, 2500, len(wavelength))
    low, high = float(place.min()), float(place.max())
    if draw.random() < _SETTINGS.silicon:
        high = max(min(high, _SETTINGS.silicon_end), low + 0.2 * (high - low))
    count = int(draw.choice([1, 3, 3, 3, 4, 4, 4, 6, 9]))
    if count == 3 and low < 470 and high > 640 and draw.random() < _SETTINGS.rgb:
        centres = np.array([460.0, 540.0, 605.0]) + draw.normal(scale=12, size=3)
        widths = draw.uniform(50, 120, size=3)
    else:
        step = (high - low) / count
        centres = low + step * (np.arange(count) + draw.uniform(0.1, 0.9, size=count))
        widths = step * draw.uniform(0.4, 1.5, size=count)
    widths = np.maximum(widths, 2 * np.diff(place).mean())
    response = np.exp(-0.5 * ((place - centres[:, None]) / (widths[:, None] / FWHM_PER_SIGMA)) ** 2)
    matrix: NDArray[np.float64] = response / response.sum(axis=1, keepdims=True)
    return matrix


def _shifted(
    matrix: NDArray[np.float64], wavelength: NDArray[np.float64], shift: float
) -> NDArray[np.float64]:
    """Return R with the MS bands shifted by ``shift`` nm; unchanged without wavelengths."""
    if shift == 0 or not np.isfinite(wavelength).all():
        return matrix
    order = np.argsort(wavelength)
    moved = np.stack(
        [np.interp(wavelength - shift, wavelength[order], row[order]) for row in matrix]
    )
    result: NDArray[np.float64] = moved / moved.sum(axis=1, keepdims=True)
    return result


def _observe(
    truth: Tensor,
    matrix: NDArray[np.float64],
    ratio: float,
    recipe: Recipe,
    draw: np.random.Generator,
) -> tuple[Patch, PSF]:
    """Return the observed pair, on the stated grid, and the true PSF of the HS sensor."""
    geometry = _grid(truth.shape[1:], ratio, draw)
    shift = recipe.shift * ratio * draw.normal(size=2)
    true = Geometry(_moved(geometry.y, shift[0]), _moved(geometry.x, shift[1]))
    fwhm = float(draw.uniform(*recipe.fwhm))
    psf = PSF((fwhm, fwhm))
    valid = torch.isfinite(truth).all(dim=0)
    filled = torch.where(valid, truth, torch.zeros_like(truth))
    coarse, share = Degrade.between(true, psf).forward_masked(filled, valid)
    fine = respond(torch.from_numpy(matrix.astype(np.float32)), filled)
    if draw.random() >= recipe.clean:
        snr = float(draw.uniform(*recipe.snr))
        generator = torch.Generator().manual_seed(int(draw.integers(2**31)))
        coarse = _add_noise(coarse, snr, generator)
        fine = _add_noise(fine, snr + float(draw.uniform(*_SETTINGS.ms_snr_gain)), generator)
    coarse[:, share <= _SETTINGS.minimum_ground] = torch.nan
    fine[:, ~valid] = torch.nan
    return Patch(coarse.numpy(), fine.numpy(), geometry, (0, 0)), psf


def _grid(shape: Sequence[int], ratio: float, draw: np.random.Generator) -> Geometry:
    """Return a grid of complete HS pixels, at a random offset unless the ratio is an integer."""
    axes = []
    for length in shape:
        start = 0.0 if ratio == round(ratio) else float(draw.uniform(0, ratio))
        axes.append(Axis(length, max(1, math.floor((length - start) / ratio)), ratio, start))
    return Geometry(axes[0], axes[1])


def _moved(axis: Axis, shift: float) -> Axis:
    """Return the axis with its coarse pixels shifted by ``shift`` fine pixels."""
    return replace(axis, origin=axis.origin + float(shift))


def _add_noise(values: Tensor, snr: float, generator: torch.Generator) -> Tensor:
    """Return values with white noise at ``snr`` decibels in every band."""
    level = values.square().mean(dim=(1, 2), keepdim=True).sqrt() * 10 ** (-snr / 20)
    return values + level * torch.randn(values.shape, generator=generator)
