"""Unmixing and sparse coding: exact mixtures, objectives, and pairs of any shape."""

import itertools
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hsfuse.core.endmembers import minimum_volume_simplex
from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.methods import Method, Options, Window
from hsfuse.methods.bsr import Bsr, BsrSettings
from hsfuse.methods.csu import Csu, CsuSettings, abundance_steps, endmember_steps
from hsfuse.methods.gsomp import Gsomp, GsompSettings, pursue
from hsfuse.methods.nnsr import Nnsr, NnsrSettings
from hsfuse.methods.nonlocal_means import find_similar_pixels
from hsfuse.methods.snnmf import Snnmf, SnnmfSettings
from hsfuse.observe import Degrade, respond
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey
from hsfuse.solvers.simplex import project_simplex

# Each method with settings for the four materials of the scene, and the decibels it reaches there.
METHODS: dict[str, tuple[Method, float]] = {
    "csu": (Csu(CsuSettings(endmembers=4, penalty=1.0, maximum_rounds=40)), 45.0),
    "nnsr": (Nnsr(NnsrSettings(atoms=12, radius=6)), 55.0),
    "gsomp": (Gsomp(GsompSettings(atoms=20)), 45.0),
    "bsr": (Bsr(BsrSettings(atoms=8, iterations=200, chains=4, draws=40)), 24.0),
    "snnmf": (Snnmf(SnnmfSettings(endmembers=4)), 60.0),
}
# Fewer draws, where accuracy does not matter.
QUICK: dict[str, Method] = {"bsr": Bsr(BsrSettings(atoms=8, iterations=10, chains=1, draws=5))}


def mixture(side: int, bands: int) -> NDArray[np.float32]:
    """Return a cube of four materials whose smooth abundances sum to one, with pure pixels."""
    draw = np.random.default_rng(0)
    centres = np.linspace(0, bands, 4)[:, None]
    spectra = 0.1 + 0.8 * np.exp(-0.5 * ((np.arange(bands) - centres) / (0.25 * bands)) ** 2)
    waves = draw.uniform(0.08, 0.25, size=(4, 2))
    rows, columns = np.mgrid[:side, :side]
    height = [6 * np.sin(y * rows + x * columns + 9 * y) for y, x in waves]
    share = np.exp(height) / np.exp(height).sum(axis=0)
    return np.tensordot(spectra.T, share, axes=1).astype(np.float32)


def observed(
    cube: NDArray[np.float32], ratio: float, fine_bands: int, covered: int
) -> tuple[Survey, Window]:
    """Return the survey and the whole window; MS bands respond to the first HS bands alone."""
    bands, side, _ = cube.shape
    axis = Axis(side, int(side / ratio), ratio)
    geometry = Geometry(axis, axis)
    response = np.zeros((fine_bands, bands))
    for band, part in enumerate(np.array_split(np.arange(covered), fine_bands)):
        response[band, part] = 1 / len(part)
    values = torch.from_numpy(cube)
    coarse = Degrade.between(geometry, PSF((1.0, 1.0))).forward(values).numpy()
    fine = respond(torch.from_numpy(response.astype(np.float32)), values).numpy()
    survey = Survey(
        (Patch(coarse, fine, geometry, (0, 0)),),
        PSF((1.0, 1.0)),
        np.ones(bands, bool),
        np.linspace(400, 900, bands),
        response,
    )
    return survey, Window(coarse, fine, geometry, (Span(0, side), Span(0, side)), (0, 0))


@cache
def scene() -> tuple[NDArray[np.float32], Survey, Window]:
    """Return an exact pair of four MS bands at ratio 4, and its truth."""
    cube = mixture(64, 24)
    return cube, *observed(cube, 4.0, 4, 24)


@pytest.mark.parametrize("name", METHODS)
def test_an_exact_mixture_is_recovered(name: str) -> None:
    """Four materials under four MS bands without noise."""
    method, decibels = METHODS[name]
    cube, survey, window = scene()
    (values,) = method.prepare(survey, Options()).fuse([window])
    error = np.square(values - cube).mean()
    assert 10 * np.log10(np.square(cube).max() / error) > decibels


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("ratio", "fine_bands", "covered"), [(3.3, 1, 12), (5.0, 8, 10)])
def test_any_pair_is_fused(name: str, ratio: float, fine_bands: int, covered: int) -> None:
    """A real ratio, one MS band or more than materials, HS bands that no MS band covers."""
    cube = mixture(50, 12)
    survey, window = observed(cube, ratio, fine_bands, covered)
    method = QUICK.get(name, METHODS[name][0])
    (values,) = method.prepare(survey, Options()).fuse([window])
    assert values.shape == cube.shape
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 2 * cube.max()


def test_every_step_of_csu_lowers_its_sum_of_squares() -> None:
    """PALM with steps below 1 / curvature, from any start."""
    draw = torch.Generator().manual_seed(0)
    coarse, seen = (torch.rand(shape, generator=draw) for shape in ((24, 60), (6, 60)))
    start = torch.rand((24, 6), generator=draw)
    steps = itertools.islice(endmember_steps(coarse, start, seen, 1.01), 60)
    falls([float((coarse - found @ seen).square().sum()) for found in (start, *steps)])
    fine, response = (torch.rand(shape, generator=draw) for shape in ((3, 60), (3, 6)))
    start = project_simplex(seen)
    steps = itertools.islice(abundance_steps(fine, response, start, 1.01), 60)
    falls([float((fine - response @ found).square().sum()) for found in (start, *steps)])


def test_endmembers_of_csu_may_be_as_bright_as_any_pixel() -> None:
    """No pixel of either image is above the spectrum of ones, the limit of the endmembers."""
    cube = mixture(64, 24)
    cube[:, 30:34, 30:34] *= 3  # smaller than an HS pixel
    survey, window = observed(cube, 8.0, 4, 24)
    method = Csu(CsuSettings(endmembers=4, maximum_rounds=1))
    units = method.prepare(survey, Options()).units
    assert float(units.coarse(window.coarse)[0].max()) <= 1
    limit = torch.from_numpy(units.response.sum(axis=1))[:, None, None]
    assert (units.fine(window.fine)[0] <= 1.001 * limit).all()


def falls(values: list[float]) -> None:
    """Assert that an objective never rises and ends below its start."""
    assert (np.diff(values) <= 1e-6 * values[0]).all()
    assert values[-1] < 0.9 * values[0]


def test_the_smallest_simplex_is_found_without_pure_pixels() -> None:
    """The corners are those of the materials, though no pixel holds more than 80 % of one."""
    draw = np.random.default_rng(0)
    endmembers = draw.random((12, 4))
    mixed = draw.dirichlet(np.ones(4), 600).T
    mixed = mixed[:, mixed.max(axis=0) < 0.8]
    corners = minimum_volume_simplex(endmembers @ mixed, 4, penalty=1.0)
    distance = np.abs(corners[:, :, None] - endmembers[:, None]).max(axis=0).min(axis=0)
    assert distance.max() < 0.03


def test_the_objective_of_snnmf_falls_from_round_to_round() -> None:
    """Both steps solve a convex problem."""
    _, survey, _ = scene()
    fuser = METHODS["snnmf"][0].prepare(survey, Options())
    objectives = fuser.objectives  # type: ignore[attr-defined]
    assert len(objectives) > 2
    falls(list(objectives))


def test_pixels_of_a_patch_share_their_atoms() -> None:
    """The atoms of which all pixels are mixed are found, of as many as the search may take."""
    draw = torch.Generator().manual_seed(1)
    response = torch.rand((6, 40), generator=draw)
    mixed = torch.rand((2, 30, 3), generator=draw)
    patches = mixed @ response[:, [3, 17, 29]].mT
    atom, code = pursue(response, patches, GsompSettings(selected=2))
    fitted = (code[..., None] * response.mT[atom]).sum(dim=2)
    assert (fitted - patches).abs().max() < 0.1 * patches.max()
    assert len(atom[0][code[0] > 1e-3].unique()) < 12


def test_similar_pixels_have_similar_patches() -> None:
    """Those of a striped image lie on the same stripe, and a gap is like no other pixel."""
    image = torch.arange(20.0).repeat(20, 1)[None] % 4
    known = torch.ones((20, 20), dtype=torch.bool)
    known[9, 9] = False
    similar = find_similar_pixels(image, known, count=5, radius=8, bandwidth=0.01)
    torch.testing.assert_close(similar.weight.sum(dim=1), torch.ones(400))
    mean = similar.mean(image.flatten(1)).unflatten(1, (20, 20))
    inside = (slice(None), slice(2, 7), slice(2, 18))
    torch.testing.assert_close(mean[inside], image[inside])
    assert not (similar.index[: 8 * 20] == 9 * 20 + 9).any()
