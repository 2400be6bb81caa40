"""`cnmf`: mixtures, noise, gaps and bands that are left out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.methods import Options, Window, load_method
from hsfuse.methods.cnmf.method import Cnmf
from hsfuse.methods.cnmf.settings import CnmfSettings
from hsfuse.observe import Degrade, respond
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

BANDS, RATIO, COARSE, FINE_BANDS = 24, 4.0, 30, 4
SIDE = int(COARSE * RATIO)


def mixture(seed: int = 0) -> NDArray[np.float32]:
    """Return a cube that is a linear mixture of four materials, smooth and with patches of each."""
    draw = np.random.default_rng(seed)
    centres = np.linspace(0, BANDS, 4)[:, None]
    spectra = 0.1 + np.exp(-0.5 * ((np.arange(BANDS) - centres) / 6) ** 2)
    waves = draw.uniform(0.04, 0.16, size=(4, 2))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    height = [6 * np.sin(y * rows + x * columns + 9 * y) for y, x in waves]
    share = np.exp(height) / np.exp(height).sum(axis=0)
    return np.tensordot(spectra.T, share, axes=1).astype(np.float32)


def observed(cube: NDArray[np.float32], *, offset: float = 0.0) -> tuple[Survey, Window]:
    """Return the survey and the whole window of the noise-free pair."""
    geometry = Geometry(Axis(SIDE, COARSE, RATIO), Axis(SIDE, COARSE, RATIO))
    response = np.zeros((FINE_BANDS, BANDS))
    for band in range(FINE_BANDS):
        response[band, 6 * band : 6 * band + 6] = 1 / 6
    values = torch.from_numpy(cube)
    coarse = Degrade.between(geometry, PSF((1.0, 1.0))).forward(values).numpy()
    fine = respond(torch.from_numpy(response.astype(np.float32)), values).numpy() + offset
    survey = Survey(
        (Patch(coarse, fine, geometry, (0, 0)),),
        PSF((1.0, 1.0)),
        np.ones(BANDS, bool),
        np.linspace(400, 900, BANDS),
        response,
    )
    return survey, Window(coarse, fine, geometry, (Span(0, SIDE), Span(0, SIDE)), (0, 0))


def fuse(survey: Survey, window: Window) -> NDArray[np.float32]:
    """Return the fused window."""
    return load_method("cnmf").prepare(survey, Options()).fuse([window])[0]


def misfit(values: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Return the root mean square error over the root mean square of the truth."""
    return float(np.sqrt(np.square(values - truth).mean() / np.square(truth).mean()))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_linear_mixture_is_recovered(seed: int) -> None:
    """Four materials under four MS bands, without noise: the model holds, the cube follows."""
    cube = mixture(seed)
    assert misfit(fuse(*observed(cube)), cube) < 0.005


def test_nothing_is_negative() -> None:
    """Endmembers and abundances are not, so neither is the result, whatever the images hold."""
    survey, window = observed(mixture() - 0.15)
    assert (window.coarse < 0).any()
    assert fuse(survey, window).min() >= 0


def test_units_do_not_matter() -> None:
    """The HS image in other units gives the same cube, as far as rounding stops at one step."""
    cube = mixture()
    survey, window = observed(cube)
    other, scaled = observed(np.float32(4000) * cube)
    again = fuse(other, replace(scaled, fine=window.fine * np.float32(4000)))
    assert misfit(again / 4000, fuse(survey, window)) < 5e-3


def test_the_fine_image_may_have_an_offset() -> None:
    """Gain and offset between the sensors are measured, not fitted by an endmember."""
    cube = mixture()
    assert misfit(fuse(*observed(cube, offset=0.5)), cube) < 0.005


def test_a_band_left_out_follows_by_regression() -> None:
    """A band that is marked bad is not unmixed, yet it comes back."""
    cube = mixture()
    survey, window = observed(cube)
    marked = survey.marked.copy()
    marked[7] = False
    values = fuse(replace(survey, marked=marked), window)
    assert misfit(values[7], cube[7]) < 0.03


def test_holes_in_the_survey_are_left_out() -> None:
    """No data teaches nothing: the rest is recovered as before."""
    cube = mixture()
    survey, window = observed(cube)
    coarse, fine = window.coarse.copy(), window.fine.copy()
    coarse[:, 5:9, 5:9] = np.nan
    fine[:, 60:90, 60:90] = np.nan
    survey = replace(survey, patches=(Patch(coarse, fine, window.geometry, (0, 0)),))
    values = fuse(survey, replace(window, coarse=coarse, fine=fine))
    apart = np.ones((SIDE, SIDE), bool)
    apart[8:48, 8:48] = apart[50:100, 50:100] = False
    assert np.isfinite(values).all()
    assert misfit(values[:, apart], cube[:, apart]) < 0.03


def test_a_large_survey_is_cut() -> None:
    """The centre of the windows is enough, and is where it was."""
    cube = mixture()
    survey, window = observed(cube)
    fuser = Cnmf(CnmfSettings(maximum_pixels=SIDE**2 // 3)).prepare(survey, Options())
    assert misfit(fuser.fuse([window])[0], cube) < 0.04


def test_all_windows_of_the_survey_teach() -> None:
    """Materials are learned from every window, and one without data is passed over."""
    cube = mixture()
    survey, window = observed(cube)
    (whole,) = survey.patches
    empty = replace(whole, coarse=np.full_like(whole.coarse, np.nan))
    other = observed(mixture(1))[0].patches[0]
    survey = replace(survey, patches=(empty, other, whole))
    assert misfit(fuse(survey, window), cube) < 0.01
