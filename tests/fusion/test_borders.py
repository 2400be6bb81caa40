"""Pixels of the MS image beyond the HS image serve the fusion at its border."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from hsfuse.fusion.block import fuse_block
from hsfuse.fusion.lazy import lazy_result
from hsfuse.fusion.plan import plan_fusion
from hsfuse.methods.kriging.fuser import KrigingFuser
from hsfuse.synthetic.sample import make_sample
from hsfuse.synthetic.simulation import observe

RATIO = 4


@pytest.fixture(scope="module")
def pair() -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return an HS image of 24 x 24 pixels and twelve bands, its MS image and the truth."""
    sample = make_sample(size=(32, 32), seed=3)
    cube = sample.truth.isel(band=slice(0, 60, 5)).compute().chunk()
    cube["band"] = np.arange(1, cube.sizes["band"] + 1)
    seen = observe(
        cube, rgb_sensor="generic-rgb", ratio=float(RATIO), fwhm=1.5, hs_snr=40, ms_snr=45
    )
    return tuple(part.persist(scheduler="synchronous") for part in seen)  # type: ignore[return-value]


def error(fused: xr.DataArray, truth: xr.DataArray) -> float:
    """Return the root mean square error one HS pixel inside the truth's border."""
    inner = slice(RATIO, -RATIO)
    truth = truth.isel(y=inner, x=inner)
    at = fused.sel(y=truth.y, x=truth.x, method="nearest")
    return float(np.sqrt(np.square(at.to_numpy() - truth.to_numpy()).mean()))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["guided", "kriging"])
def test_a_border_cut_off_the_hs_image_costs_the_rest_nothing(
    pair: tuple[xr.DataArray, ...], method: str
) -> None:
    """One HS pixel less on every side: the rest is fused as well as before, or nearly."""
    hs, rgb, truth = pair
    cut = hs.isel(y=slice(1, -1), x=slice(1, -1))
    whole, less = (plan_fusion(h, rgb, method=method, align=False) for h in (hs, cut))
    # Of one fuser: parameters that are selected on fewer pixels may be others.
    fuser = whole.fuser
    if isinstance(fuser, KrigingFuser):  # the cells are those of the scene
        fuser = replace(fuser, shape=(cut.sizes["y"], cut.sizes["x"]))
    less = replace(less, fuser=fuser)
    errors = [error(lazy_result(plan).compute(), truth) for plan in (whole, less)]
    assert errors[1] < 1.02 * errors[0]


def test_the_output_is_the_overlap_and_tiles_read_beyond_it(
    pair: tuple[xr.DataArray, ...],
) -> None:
    """Its grid is that of the MS pixels on the HS image, in one tile as in several."""
    hs, rgb, _ = pair
    cut = hs.isel(y=slice(6, -3), x=slice(2, -5))
    plan = plan_fusion(cut, rgb, method="guided", align=False, tile=32)
    whole = plan_fusion(cut, rgb, method="guided", align=False)
    assert plan.shape[1:] == (RATIO * cut.sizes["y"], RATIO * cut.sizes["x"])
    assert plan.rows.window(0).start < 0
    expected = fuse_block(whole, 0, 0)
    part = fuse_block(plan, 0, 1)
    same = expected[:, : part.shape[1], 32 : 32 + part.shape[2]]
    assert np.abs(part - same).max() <= 1e-5 * np.abs(expected).max()


def test_pixels_beyond_the_output_are_fused_with_it(pair: tuple[xr.DataArray, ...]) -> None:
    """An MS pixel outside the HS image changes the border inside it, where D sees it."""
    hs, rgb, _ = pair
    cut = hs.isel(y=slice(4, -4), x=slice(4, -4))
    other = rgb.copy(data=rgb.to_numpy().copy())
    other[:, : 4 * RATIO] = other.max()
    fused = [
        fuse_block(plan_fusion(cut, each.chunk(), method="guided", align=False), 0, 0)
        for each in (rgb, other)
    ]
    assert np.abs(fused[0] - fused[1])[:, :2].max() > 0
