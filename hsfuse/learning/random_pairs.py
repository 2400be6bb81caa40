"""
Pairs drawn at random from cubes: place, scale, light, sensors, blur and noise all vary.

What is drawn depends on (seed, number) alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Axis, Geometry
from hsfuse.errors import PairError, SensorError
from hsfuse.learning.recipe import Recipe
from hsfuse.nets.ms_ssfnet import Architecture
from hsfuse.observe import Degrade, respond
from hsfuse.pair.survey import Patch, Survey
from hsfuse.sensor.catalogue import Sensor, response_matrix

__all__ = ["Drawn", "draw_pair"]

# Fewer HS pixels a side teach nothing of a scene: its subspace and regressions need some.
_FEWEST, _MOST = 12, 40
# Fine pixels a side of one observation: what a core observes in a few seconds.
_LARGEST = 448
# A band with less data than this, or without variation, is left out; so is such a place.
_LEAST_DATA = 0.5
_TRIES = 20


@dataclass(frozen=True)
class Drawn:
    """
    A made pair.

    Attributes
    ----------
    truth : Tensor of shape (bands, rows, columns)
        On the fine grid, NaN where there is no data.
    survey : Survey
        Of the pair, which is its one patch; its blur is what is believed.
    fwhm : float
        The blur's true width in HS pixels.
    """

    truth: Tensor
    survey: Survey
    fwhm: float


def draw_pair(
    cubes: Sequence[xr.DataArray],
    sensors: Sequence[Sensor | None],
    architecture: Architecture,
    recipe: Recipe,
    number: int,
) -> Drawn:
    """
    Return a pair and its truth: of which cube, where and how is drawn from its number.

    Parameters
    ----------
    cubes : sequence of DataArray
        Truths, (band, y, x), lazy: one window of one of them is read.
    sensors : sequence of Sensor or None
        Fine sensors to draw from; None for a made one.
    architecture : Architecture
        Gives the size of a patch and, for `cube`, the ratio.
    recipe : Recipe
        Gives the ranges.
    number : int
        Which one.

    Raises
    ------
    PairError
        If a cube holds hardly any data.
    """
    draw = np.random.default_rng([recipe.seed, 1, number])
    cube = cubes[int(draw.integers(len(cubes)))]
    ratio = _ratio(cube, architecture, recipe, draw)
    least = max(_FEWEST * ratio, float(recipe.patch * architecture.ratio))
    truth, wavelength = _read(cube, ratio, least, recipe, draw)
    truth = _under_other_light(truth, recipe, draw)
    sensor = sensors[int(draw.integers(len(sensors)))]
    matrix = _response(sensor, wavelength, draw)
    pair, fwhm = _seen(truth, matrix, ratio, recipe, draw)
    believed = fwhm
    if draw.random() < 0.5:
        believed = fwhm * float(np.exp(recipe.belief * draw.normal()))
    known = matrix if draw.random() < 0.5 else None
    survey = Survey((pair,), (believed,) * 2, np.ones(len(truth), bool), wavelength, known)
    return Drawn(truth, survey, fwhm)


def _ratio(
    cube: xr.DataArray, architecture: Architecture, recipe: Recipe, draw: np.random.Generator
) -> float:
    if recipe.predicts == "cube":
        return float(architecture.ratio)
    low, high = recipe.ratio
    high = max(low, min(high, min(cube.sizes["y"], cube.sizes["x"]) / _FEWEST))
    ratio = float(np.exp(draw.uniform(math.log(low), math.log(high))))
    return float(round(ratio)) if draw.random() < 0.7 else ratio


def _read(
    cube: xr.DataArray, ratio: float, least: float, recipe: Recipe, draw: np.random.Generator
) -> tuple[Tensor, NDArray[np.float64]]:
    """Return a part of a cube, at another scale, and the wavelengths of its bands."""
    shape = cube.sizes["y"], cube.sizes["x"]
    zoom = float(np.exp(draw.uniform(0, math.log(recipe.zoom))))
    zoom = max(1.0, min(zoom, min(shape) / least))
    wanted = draw.uniform(_FEWEST, _MOST) * ratio
    side = min(max(wanted, least), float(_LARGEST)) * zoom
    rows, columns = (min(math.ceil(side), n) for n in shape)
    for _ in range(_TRIES):
        top, left = (
            int(draw.integers(shape[0] - rows + 1)),
            int(draw.integers(shape[1] - columns + 1)),
        )
        part = cube.isel(y=slice(top, top + rows), x=slice(left, left + columns))
        values = part.compute(scheduler="synchronous").to_numpy()
        if np.isfinite(values).any(axis=0).mean() > _LEAST_DATA:
            break
    else:
        raise PairError(
            f"{cube.attrs.get('source', 'a cube')}: {_TRIES} places of {rows} x {columns} pixels "
            "hold hardly any data; cubes with more would be accepted"
        )
    with np.errstate(invalid="ignore"):
        spread = np.nanmax(values, axis=(1, 2), initial=0) - np.nanmin(
            values, axis=(1, 2), initial=0
        )
    kept = (np.isfinite(values).mean(axis=(1, 2)) > _LEAST_DATA) & (spread > 0)
    truth = torch.from_numpy(values[kept])
    if zoom > 1:
        small = round(rows / zoom), round(columns / zoom)
        shrunk = Geometry(Axis(rows, small[0], zoom), Axis(columns, small[1], zoom))
        valid = torch.isfinite(truth).all(dim=0)
        filled = torch.where(valid, truth, torch.zeros_like(truth))
        truth, share = Degrade.between(shrunk, (0.0, 0.0)).forward_masked(filled, valid)
        truth[:, share < 1 - 1e-6] = torch.nan
    return truth.clamp_min(0), cube["wavelength"].to_numpy()[kept]


def _under_other_light(truth: Tensor, recipe: Recipe, draw: np.random.Generator) -> Tensor:
    """Return the cube with a smooth gain along its spectrum."""
    place = np.linspace(0, np.pi, len(truth))
    curve = sum(draw.normal() * np.cos(k * place + draw.uniform(0, np.pi)) for k in (1, 2, 3))
    gain = np.exp(recipe.illuminant * curve).astype(np.float32)
    return truth * torch.from_numpy(gain)[:, None, None]


def _response(
    sensor: Sensor | None, wavelength: NDArray[np.float64], draw: np.random.Generator
) -> NDArray[np.float64]:
    """Return R of a sensor, or of a made one where it is None or the cube does not cover it."""
    made = _made_response(wavelength, draw)
    if sensor is None:
        return made
    try:
        found = response_matrix(sensor, wavelength)
    except SensorError:
        return made
    covered = found.coverage > 0.9
    return found.matrix[covered] if covered.any() else made


def _made_response(
    wavelength: NDArray[np.float64], draw: np.random.Generator
) -> NDArray[np.float64]:
    """Return R of a made sensor: one to nine Gaussian bands, mostly in silicon's range."""
    known = np.isfinite(wavelength).all()
    place = wavelength if known else np.linspace(400, 2500, len(wavelength))
    low, high = float(place.min()), float(place.max())
    if draw.random() < 0.75:
        high = max(min(high, 900.0), low + 0.2 * (high - low))
    count = int(draw.choice([1, 3, 3, 3, 4, 4, 4, 6, 9]))
    if count == 3 and low < 470 and high > 640 and draw.random() < 0.6:
        centres = np.array([460.0, 540.0, 605.0]) + draw.normal(scale=12, size=3)
        widths = draw.uniform(50, 120, size=3)
    else:
        step = (high - low) / count
        centres = low + step * (np.arange(count) + draw.uniform(0.1, 0.9, size=count))
        widths = step * draw.uniform(0.4, 1.5, size=count)
    widths = np.maximum(widths, 2 * np.diff(place).mean())
    response = np.exp(-0.5 * ((place - centres[:, None]) / (widths[:, None] / 2.355)) ** 2)
    matrix: NDArray[np.float64] = response / response.sum(axis=1, keepdims=True)
    return matrix


def _seen(
    truth: Tensor,
    matrix: NDArray[np.float64],
    ratio: float,
    recipe: Recipe,
    draw: np.random.Generator,
) -> tuple[Patch, float]:
    """Return the pair that two sensors see, and the blur's true width."""
    geometry = _grid(truth.shape[1:], ratio, draw)
    fwhm = float(draw.uniform(*recipe.fwhm))
    valid = torch.isfinite(truth).all(dim=0)
    filled = torch.where(valid, truth, torch.zeros_like(truth))
    coarse, share = Degrade.between(geometry, (fwhm, fwhm)).forward_masked(filled, valid)
    fine = respond(torch.from_numpy(matrix.astype(np.float32)), filled)
    if draw.random() >= recipe.clean:
        snr = float(draw.uniform(*recipe.snr))
        generator = torch.Generator().manual_seed(int(draw.integers(2**31)))
        coarse = _noisy(coarse, snr, generator)
        fine = _noisy(fine, snr + float(draw.uniform(5, 15)), generator)
    coarse[:, share <= 0.5] = torch.nan
    fine[:, ~valid] = torch.nan
    return Patch(coarse.numpy(), fine.numpy(), geometry, (0, 0)), fwhm


def _grid(shape: Sequence[int], ratio: float, draw: np.random.Generator) -> Geometry:
    """Return whole HS pixels over a fine grid; a ratio that is no whole number lies anywhere."""
    axes = []
    for length in shape:
        start = 0.0 if ratio == round(ratio) else float(draw.uniform(0, ratio))
        axes.append(Axis(length, max(1, math.floor((length - start) / ratio)), ratio, start))
    return Geometry(axes[0], axes[1])


def _noisy(values: Tensor, snr: float, generator: torch.Generator) -> Tensor:
    level = values.square().mean(dim=(1, 2), keepdim=True).sqrt() * 10 ** (-snr / 20)
    return values + level * torch.randn(values.shape, generator=generator)
