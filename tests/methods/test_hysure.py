"""The method hysure: its objective, exact data, pixels without data."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.metrics import psnr
from hsfuse.core.psf import PSF
from hsfuse.methods import Options, Window
from hsfuse.methods.hysure import Hysure, HysureSettings, Objective
from hsfuse.observe import Degrade
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey


def scene(endmembers: int) -> tuple[np.ndarray, Survey, Window]:
    """Return a cube of flat fields of some materials, its survey and its whole window."""
    draw = np.random.default_rng(1)
    sides = Axis(24, 6, 4.0), Axis(28, 7, 4.0)
    rows, columns = np.mgrid[:24, :28]
    materials = (rows // 5 + 2 * (columns // 6)) % endmembers
    spectra = np.cumsum(draw.uniform(0.0, 0.15, size=(endmembers, 16)), axis=1)
    cube = spectra[materials].transpose(2, 0, 1)
    response = np.repeat(np.eye(4), 4, axis=1) / 4
    geometry, psf = Geometry(*sides), PSF((1.0, 1.0))
    operator = Degrade.between(geometry, psf, dtype=torch.float64)
    coarse = operator.forward(torch.from_numpy(cube)).numpy().astype(np.float32)
    fine = np.tensordot(response, cube, 1).astype(np.float32)
    wavelength = np.linspace(400, 900, 16)
    patch = Patch(coarse, fine, geometry, (0, 0))
    survey = Survey((patch,), psf, np.ones(16, bool), wavelength, response)
    return cube, survey, Window(coarse, fine, geometry, (Span(0, 24), Span(0, 28)), (0, 0))


def objective_of(survey: Survey, window: Window, settings: HysureSettings) -> Objective:
    """Return the objective over the whole scene."""
    return Hysure(settings).prepare(survey, Options()).objective(window)


def test_the_objective_falls_to_a_minimum() -> None:
    """Each part of the iterations ends lower; other penalties lead to the same minimum."""
    _, survey, window = scene(6)
    ends = []
    for penalty in (2e-3, 8e-3):
        settings = HysureSettings(endmembers=6, penalty=penalty, iterations=400)
        objective = objective_of(survey, window, settings)
        found: list[torch.Tensor] = []
        objective.minimise(found.append)
        values = [objective.value(found[k]) for k in (1, 20, 399)]
        assert values == sorted(values, reverse=True)
        ends.append(found[-1])
    first, second = (objective.value(found) - objective.value(0 * found) for found in ends)
    assert first == pytest.approx(second, rel=1e-5)
    assert torch.allclose(ends[0], ends[1], atol=2e-2)


def test_exact_data_of_low_rank_are_recovered() -> None:
    """Without noise, as many materials as MS bands, and a weak total variation: 55 dB."""
    cube, survey, window = scene(4)
    settings = HysureSettings(endmembers=4, total_variation=1e-6)
    (fused,) = Hysure(settings).prepare(survey, Options()).fuse([window])
    assert psnr(cube, fused, peak=float(cube.max())) > 55


def test_pixels_without_data_have_no_weight() -> None:
    """An HS pixel without data changes little, since its surroundings show the same materials."""
    _, survey, window = scene(6)
    fuser = Hysure(HysureSettings(endmembers=6)).prepare(survey, Options())
    (whole,) = fuser.fuse([window])
    coarse, fine = window.coarse.copy(), window.fine.copy()
    coarse[:, 2, 4] = np.nan
    fine[:, 21:23, 2:4] = np.nan
    (fused,) = fuser.fuse([replace(window, coarse=coarse, fine=fine)])
    assert np.abs(fused - whole)[:, :18].max() < 0.05 * np.abs(whole).max()
    # Within the gap of the MS image total variation continues what is beside it.
    assert np.abs(fused - whole)[:, 18:].max() < 0.1 * np.abs(whole).max()
