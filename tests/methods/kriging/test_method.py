"""`kriging`: cells independent of windows, illumination, noise."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.metrics import sam
from hsfuse.core.psf import PSF
from hsfuse.methods import Fuser, Options, Window, load_method
from hsfuse.methods.conditioning import fuse_scene, with_models
from hsfuse.methods.kriging.appearance import Appearance
from hsfuse.methods.kriging.cells import cell_axis, cell_parts, segments
from hsfuse.methods.kriging.fuser import average
from hsfuse.methods.kriging.method import Kriging
from hsfuse.methods.kriging.models import CellModel
from hsfuse.methods.kriging.settings import DEFAULT, KrigingSettings
from hsfuse.observe import Degrade
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

BANDS, RATIO = 10, 2


def cube_of(side: int, seed: int = 0) -> NDArray[np.float32]:
    """Return fields of four materials under a light that varies, (10, side, side)."""
    draw = np.random.default_rng(seed)
    spectra = 0.2 + draw.random((4, BANDS))
    rows, columns = np.mgrid[:side, :side]
    cover = ((rows // 9) * 3 + columns // 13) % 4
    light = 0.6 + 0.4 * np.sin(rows / 7) * np.cos(columns / 11)
    return (spectra[cover].transpose(2, 0, 1) * light).astype(np.float32)


def pair_of(
    cube: NDArray[np.float32], noise: float = 0.0, ratio: int = RATIO
) -> tuple[Survey, Window]:
    """Return the survey and the whole window of what two sensors see of a cube."""
    side = cube.shape[1]
    axis = Axis(side, side // ratio, float(ratio))
    geometry = Geometry(axis, axis)
    coarse = Degrade.between(geometry, PSF((1.0, 1.0))).forward(torch.from_numpy(cube)).numpy()
    coarse = coarse + noise * np.random.default_rng(1).normal(size=coarse.shape)
    coarse = coarse.astype(np.float32)
    fine = np.stack([cube[:3].mean(axis=0), cube[3:6].mean(axis=0), cube[6:].mean(axis=0)])
    survey = Survey(
        (Patch(coarse, fine, geometry, (0, 0)),),
        PSF((1.0, 1.0)),
        np.ones(BANDS, bool),
        np.linspace(400, 900, BANDS),
    )
    return survey, Window(coarse, fine, geometry, (Span(0, side), Span(0, side)), (0, 0))


FAST = KrigingSettings(features=48)
SMALL_CELLS = replace(FAST, cell=12, halo=3, ramp=2)


def test_a_window_of_cells_equals_the_same_part_of_the_whole(
    read_tile: Callable[[Fuser, Window, Span], Window],
) -> None:
    """A scene of many cells is the same read whole or through one window with its halo."""
    survey, window = pair_of(cube_of(120))
    fuser = Kriging(SMALL_CELLS).prepare(survey, Options())
    window = with_models(fuser, window)
    (whole,) = fuser.fuse([window])
    core = Span(57, 70)
    part = read_tile(fuser, window, core)
    assert len(part.models) < len(window.models) == 9
    (values,) = fuser.fuse([part])
    expected = whole[:, core.slice, core.slice]
    assert np.abs(values - expected).max() <= 2e-5 * np.abs(whole).max()


def test_cells_conditioned_together_are_those_conditioned_one_by_one() -> None:
    """Also where the last unit has fewer of them."""
    survey, window = pair_of(cube_of(120))
    together = Kriging(SMALL_CELLS).prepare(survey, Options())
    single = replace(together, settings=replace(SMALL_CELLS, unit_pixels=1))
    assert [len(f.local_models.indexes) for f in (together, single)] == [9, 25]
    cubes = [fuse_scene(fuser, window) for fuser in (together, single)]
    assert np.abs(cubes[0] - cubes[1]).max() <= 2e-5 * np.abs(cubes[0]).max()


def test_a_block_of_pixels_is_as_good_as_another() -> None:
    """How many MS pixels are computed at once, in either pass, changes the rounding alone."""
    survey, window = pair_of(cube_of(60))
    fuser = Kriging(SMALL_CELLS).prepare(survey, Options())
    cubes = []
    for block in (300, 10000):
        settings = replace(SMALL_CELLS, block=block, chunk=block // 7)
        features = replace(fuser.features, settings=settings)
        cubes.append(fuse_scene(replace(fuser, settings=settings, features=features), window))
    assert np.abs(cubes[0] - cubes[1]).max() <= 2e-5 * np.abs(cubes[0]).max()


@pytest.mark.parametrize("length", [5, 48, 49, 131])
def test_the_weights_of_cells_sum_to_one(length: int) -> None:
    """Everywhere; and the HS pixels on which a cell is conditioned include those it serves."""
    axis = Axis(length * 3 + 1, length, 3.0, 0.5)
    cells = cell_axis(length, 2.0, DEFAULT)
    total = np.zeros(axis.fine)
    for each in cell_parts(cells, axis, 0, Span(0, axis.fine)):
        total[each.part.slice] += each.weight
        conditioned = axis.fine_span(cells.coarse(each.index), cells.fine_reach)
        assert conditioned.start <= each.part.start
        assert each.part.stop <= conditioned.stop
    assert np.allclose(total, 1)


def test_estimates_are_blended_by_the_weights_of_the_cells() -> None:
    """A cell that is one everywhere, among others that are zero, has its weight as estimate."""
    survey, window = pair_of(cube_of(60))
    fuser = Kriging(SMALL_CELLS).prepare(survey, Options())
    processes, components = len(SMALL_CELLS.processes), len(fuser.noise)
    models = {}
    for unit in fuser.local_models.indexes:
        shape = map(len, fuser.local_models.coarse(*unit))
        weights = torch.zeros(processes, components, 1 + 3 + SMALL_CELLS.features)
        weights[..., 0] = (unit == (1, 0)) / SMALL_CELLS.linear_deviation
        models[unit] = CellModel(weights, torch.zeros(components, *shape)).packed()
    found = fuser.components(replace(window, models=models))
    grid, axis = fuser.local_models, window.geometry.y
    down, across = np.zeros(60), np.zeros(60)
    for cells, total, index in ((grid.y, down, 1), (grid.x, across, 0)):
        parts = {each.index: each for each in cell_parts(cells, axis, 0, Span(0, 60))}
        total[parts[index].part.slice] = parts[index].weight
    assert ((down > 0) & (down < 1)).any()
    wanted = torch.from_numpy(np.outer(down, across)).float().expand_as(found[:-1])
    assert torch.allclose(found[:-1], wanted, atol=1e-6)
    assert not found[-1].any()


def test_a_window_has_the_weights_of_the_scene() -> None:
    """Cells are those of the scene, wherever the window begins."""
    axis = Axis(393, 131, 3.0)
    cells = cell_axis(131, 2.0, DEFAULT)
    fine, coarse = Span(150, 240), Span(48, 82)
    part = axis.cut(fine, coarse)
    whole = {each.index: each for each in cell_parts(cells, axis, 0, Span(0, 393))}
    found = list(cell_parts(cells, part, coarse.start, Span(0, len(fine))))
    assert [each.index for each in found] == [1, 2, 3]
    for each in found:
        span = each.part.shifted(fine.start)
        assert each.weight == pytest.approx(
            whole[each.index].weight[span.within(whole[each.index].part)]
        )


def test_segments_cover_a_region_once_with_the_cells_of_each() -> None:
    """And none is longer than asked for."""
    cells = cell_axis(131, 2.0, DEFAULT)
    parts = list(cell_parts(cells, Axis(393, 131, 3.0), 0, Span(20, 390)))
    spans = list(segments(parts, 30))
    assert [span.start for span, _ in spans] == [20, *(span.stop for span, _ in spans[:-1])]
    assert spans[-1][0].stop == 390
    assert max(len(span) for span, _ in spans) <= 30
    for span, inside in spans:
        for each in parts:
            overlap = each.part.start < span.stop and span.start < each.part.stop
            assert overlap == (each in inside)


def test_it_beats_guided_where_colour_separates_materials() -> None:
    """Illumination that scales spectra is modelled: the error is a fraction of guided's."""
    cube = cube_of(144)
    survey, window = pair_of(cube, ratio=6)
    methods = {"guided": load_method("guided"), "kriging": Kriging(KrigingSettings(features=96))}
    error = {
        name: np.abs(fuse_scene(method.prepare(survey, Options()), window) - cube).mean()
        for name, method in methods.items()
    }
    assert error["kriging"] < 0.7 * error["guided"]


def test_noise_is_not_added() -> None:
    """The residual of the HS image is added less its share of noise."""
    cube = cube_of(48)
    shares = []
    for noise in (0.0, 0.05):
        survey, window = pair_of(cube, noise)
        fuser = Kriging(FAST).prepare(survey, Options())
        known = replace(fuser, noise=np.full_like(fuser.noise, noise))
        estimates = known.components(with_models(known, window))
        unaware = replace(fuser, noise=np.zeros_like(fuser.noise))
        added = unaware.components(with_models(unaware, window))
        shares.append(float(estimates[-1].square().mean() / added[-1].square().mean()))
        assert torch.equal(estimates[:-1], added[:-1])
    assert shares[0] == 1
    assert shares[1] < 0.5


def test_the_processes_and_the_residual_contain_the_hs_image() -> None:
    """D of their sum is nearly the HS image where it has no noise."""
    survey, window = pair_of(cube_of(60))
    fuser = Kriging(SMALL_CELLS).prepare(survey, Options())
    fuser = replace(fuser, noise=np.zeros_like(fuser.noise))
    estimates = fuser.components(with_models(fuser, window))
    degrade = Degrade.between(window.geometry, fuser.guided.psf)
    observed, _ = fuser.guided.project(window.coarse)
    whole, without = (
        float((degrade.forward(each) - observed).square().mean())
        for each in (average(estimates), estimates[:-1].mean(dim=0))
    )
    assert whole < 0.5 * without
    assert whole < 1e-3 * float(observed.square().mean())


def test_relative_errors_count_alike_in_light_and_shade() -> None:
    """Residuals are weighted by inverse brightness: spectra in shade keep their angle."""
    side, half = 96, 48
    shade = np.where(np.arange(side) < half, 1.0, 0.05)
    cube = (cube_of(side) * shade).astype(np.float32)
    survey, window = pair_of(cube, ratio=4)
    fuser = Kriging(KrigingSettings(features=96)).prepare(survey, Options())
    values = fuse_scene(fuser, window)
    lit, shaded = (..., slice(0, half - 8)), (..., slice(half + 8, None))
    assert sam(cube[shaded], values[shaded]) < 3 * sam(cube[lit], values[lit])
    weight = fuser.design(window)[0].weight.reshape(24, 24)
    assert (weight[:, 14:].min() > 1.2 * weight[:, :10].max()).item()


def test_positions_are_those_in_the_scene_less_whole_periods() -> None:
    """So a window far away has small positions, which float32 resolves."""
    survey, window = pair_of(cube_of(48))
    fuser = Kriging(FAST).prepare(survey, Options())
    period = int(FAST.period)
    near, far = (
        fuser.pixels(replace(window, start=start)) for start in ((3, 5), (3 + 40 * period, 5))
    )
    assert near.y.numpy() == pytest.approx(3 + (np.arange(48) + 0.5) / RATIO)
    assert near.x.numpy() == pytest.approx(5 + (np.arange(48) + 0.5) / RATIO)
    assert torch.equal(near.y, far.y)
    assert torch.equal(near.x, far.x)


def test_the_average_is_of_the_processes_plus_the_residual() -> None:
    """Equal processes without a residual give the process."""
    one = torch.rand(2, 3, 4)
    nothing = torch.zeros(2, 3, 4)
    assert torch.allclose(average(torch.stack([one, one, one, nothing])), one)
    assert torch.allclose(average(torch.stack([one, one, 2 * one])), 3 * one)


def test_brightness_scales_and_chromaticity_does_not() -> None:
    """Twice the light is twice the brightness of the same colour, but for the darkest."""
    survey, window = pair_of(cube_of(48))
    appearance = Appearance.measure(survey)
    fine = torch.from_numpy(window.fine)
    (bands, brightness), (brighter, twice) = (appearance.relative(s * fine) for s in (10.0, 20.0))
    assert torch.allclose(2 * brightness, twice)
    once, again = appearance.maps(bands, brightness), appearance.maps(brighter, twice)
    assert (once[1:4] - again[1:4]).abs().max() < 0.1
