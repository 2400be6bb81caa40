"""The methods that are a network: `ssf-cnn`, `ssf-resnet`, `spectral-resnet` and `dhsis`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from network_weights import write_weights

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.errors import PlanError, WeightsError
from hsfuse.methods import METHODS, Options, Window, check_options, load_method
from hsfuse.methods.dhsis import (
    DhsisSettings,
    FusionProblem,
    initial_estimate,
    solution_reach,
)
from hsfuse.observe import Degrade, respond
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

NAMES = sorted(name for name, spec in METHODS.items() if spec.needs_weights)
WAVELENGTH = np.linspace(400.0, 700.0, 6)
PSF_ = PSF((1.0, 1.0))
RESPONSE = np.kron(np.eye(3), [[0.5, 0.5]])


def pair(ratio: float, coarse: int, *, dtype: torch.dtype = torch.float32) -> tuple[Survey, Window]:
    """Return the survey and the window of a simulated pair with six bands."""
    side = int(ratio * coarse)
    geometry = Geometry(Axis(side, coarse, ratio), Axis(side, coarse, ratio))
    rows, columns = np.mgrid[:side, :side]
    cover = np.stack(
        [np.sin(rows / 7) > 0, np.sin((rows + columns) / 11) > 0, np.cos(columns / 5) + 1]
    )
    spectra = np.random.default_rng(0).random((6, 3))
    cube = torch.from_numpy(0.2 + np.tensordot(spectra, cover, axes=1)).to(dtype)
    response = torch.from_numpy(RESPONSE).to(dtype)
    hs = Degrade.between(geometry, PSF_, dtype=dtype).forward(cube).numpy()
    ms = respond(response, cube).numpy()
    survey = Survey(
        (Patch(hs, ms, geometry, (0, 0)),), PSF_, np.ones(6, bool), WAVELENGTH, RESPONSE
    )
    whole = Span(0, side)
    return survey, Window(hs, ms, geometry, (whole, whole), (0, 0))


def problem(window: Window, dtype: torch.dtype) -> FusionProblem:
    """Return the quadratic problem of a window."""
    hs, ms = (torch.from_numpy(values).to(dtype) for values in (window.coarse, window.fine))
    return FusionProblem(hs, ms, window.geometry, PSF_, torch.from_numpy(RESPONSE).to(dtype))


@pytest.mark.parametrize("name", NAMES)
def test_without_weights_it_refuses_in_one_line(name: str) -> None:
    """No other method takes its place; the line says where weights come from."""
    with pytest.raises(PlanError, match=f"hsfuse train --network {name}") as caught:
        check_options(name, Options())
    assert "\n" not in str(caught.value)
    with pytest.raises(PlanError, match="needs weights"):
        METHODS[name].load_plain().prepare(pair(3.0, 12)[0], Options())


@pytest.mark.parametrize("name", [*NAMES, "ms-ssfnet"])
def test_weights_of_another_network_are_refused(name: str, tmp_path: Path) -> None:
    """The line names the file, its network and the one that was asked for."""
    other = "ssf-cnn" if name != "ssf-cnn" else "dhsis"
    file = write_weights(other, tmp_path, WAVELENGTH.tolist(), 3)
    with pytest.raises(WeightsError, match=f"{other}.safetensors: holds .* of {other}; .* {name}"):
        load_method(name).prepare(pair(3.0, 12)[0], Options(file))


@pytest.mark.parametrize("name", NAMES)
def test_weights_for_other_pairs_are_refused(name: str, tmp_path: Path) -> None:
    """Here for another ratio."""
    file = write_weights(name, tmp_path, WAVELENGTH.tolist(), 4)
    with pytest.raises(WeightsError, match=f"do not fit the pair: {name} take ratio 4, .* 3 by 3"):
        load_method(name).prepare(pair(3.0, 12)[0], Options(file))


@pytest.mark.parametrize("name", [*NAMES, "ms-ssfnet"])
def test_a_tile_of_the_stated_reach_equals_the_whole(name: str, tmp_path: Path, read_tile) -> None:
    """In a scene that is larger than the window, at a ratio that is not whole."""
    coarse = 24 if name != "dhsis" else 48
    survey, window = pair(2.01, coarse)
    file = write_weights(name, tmp_path, WAVELENGTH.tolist(), 2)
    fuser = METHODS[name].load_plain().prepare(survey, Options(file))
    assert fuser.name == name
    assert fuser.notes == (
        "the weights are for the MS sensor made: of another one spectra are wrong",
    )
    (whole,) = fuser.fuse([window])
    middle = window.geometry.y.fine // 2
    core = Span(middle - 3, middle + 2)
    (tile,) = fuser.fuse([read_tile(fuser, window, core)])
    expected = whole[:, core.slice, core.slice]
    # The solution of `dhsis` has no end.
    share = 1e-5 if name != "dhsis" else 5e-5
    assert np.abs(tile - expected).max() <= share * np.abs(whole).max()


@pytest.mark.parametrize("name", ["ssf-resnet", "dhsis", "ms-ssfnet"])
def test_the_scale_of_the_images_does_not_matter(name: str, tmp_path: Path) -> None:
    """Of digital numbers, or of an MS image with gain and offset, the cube is the same."""
    survey, window = pair(4.0, 12)
    file = write_weights(name, tmp_path, WAVELENGTH.tolist(), 4)
    method = METHODS[name].load_plain()
    (plain,) = method.prepare(survey, Options(file)).fuse([window])
    coarse, fine = window.coarse * 4000, window.fine * 250 + 30
    scaled = Survey(
        (Patch(coarse, fine, window.geometry, (0, 0)),), PSF_, survey.marked, WAVELENGTH, RESPONSE
    )
    other = Window(coarse, fine, window.geometry, window.core, (0, 0))
    (cube,) = method.prepare(scaled, Options(file)).fuse([other])
    assert cube / 4000 == pytest.approx(plain, abs=1e-3 * float(np.abs(plain).max()))


def test_the_solution_satisfies_the_normal_equations() -> None:
    """Of both images and the prior, in float64 and at a ratio that is not whole."""
    _, window = pair(2.3, 9, dtype=torch.float64)
    quadratic = problem(window, torch.float64)
    draw = torch.Generator().manual_seed(0)
    prior = torch.rand(6, *window.geometry.fine_shape, generator=draw, dtype=torch.float64)
    found = quadratic.solve(prior, 1e-2)
    operator = Degrade.between(window.geometry, PSF_, dtype=torch.float64)
    gradient = (
        operator.adjoint(operator.forward(found) - quadratic.coarse)
        + respond(
            quadratic.response.mT.contiguous(), respond(quadratic.response, found) - quadratic.fine
        )
        + 1e-2 * (found - prior)
    )
    assert float(gradient.abs().max()) < 1e-8


def test_the_truth_is_a_fixed_point() -> None:
    """A prior that both images agree with stays as it is; gaps in them do not matter then."""
    survey, window = pair(3.0, 9, dtype=torch.float64)
    del survey
    quadratic = problem(window, torch.float64)
    estimate = quadratic.solve(torch.zeros(6, 27, 27, dtype=torch.float64), 1e-9)
    hs = Degrade.between(window.geometry, PSF_, dtype=torch.float64).forward(estimate)
    ms = respond(quadratic.response, estimate)
    hs[:, 3, 4], ms[:, 10:12, 5] = torch.nan, torch.nan
    holed = FusionProblem(hs, ms, window.geometry, PSF_, quadratic.response)
    assert torch.allclose(holed.solve(estimate, 1e-3), estimate, atol=1e-12)


def test_the_initial_estimate_agrees_with_both_images() -> None:
    """With a weak prior both residuals are small against those of interpolation."""
    _, window = pair(3.0, 9, dtype=torch.float64)
    quadratic = problem(window, torch.float64)
    found = initial_estimate(quadratic, quadratic.coarse, DhsisSettings(initial=1e-6))
    operator = Degrade.between(window.geometry, PSF_, dtype=torch.float64)
    assert torch.allclose(operator.forward(found), quadratic.coarse, atol=1e-3)
    assert torch.allclose(respond(quadratic.response, found), quadratic.fine, atol=1e-3)


def test_a_weaker_prior_and_a_wider_psf_reach_farther() -> None:
    """Beyond the stated distance the inverse is negligible by its definition."""
    near = solution_reach(PSF_, (4.0, 4.0), 1e-1)
    assert near < solution_reach(PSF_, (4.0, 4.0), 1e-4)
    assert near < solution_reach(PSF((1.8, 1.8)), (4.0, 4.0), 1e-1)
