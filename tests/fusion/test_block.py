"""The flow: tiles equal the whole, every scheduler gives the same bits, masks do not leak."""

import pickle
from dataclasses import replace

import dask
import numpy as np
import pytest
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from scipy.stats import spearmanr

from hsfuse.errors import PairError, PlanError
from hsfuse.fusion.block import fuse_block
from hsfuse.fusion.lazy import fuse, lazy_result
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.fusion.settings import FusionSettings
from hsfuse.sensor.catalogue import load_sensor
from hsfuse.synthetic.sample import make_sample
from hsfuse.synthetic.simulation import observe

BANDS = slice(0, 60, 5)


@pytest.fixture(scope="module")
def pair() -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return a small made scene of ten bands, its RGB and its truth, on unaligned grids."""
    sample = make_sample(size=(40, 44), seed=3)
    cube = sample.truth.isel(band=BANDS).compute().chunk({"band": -1, "y": 64, "x": 64})
    cube["band"] = np.arange(1, cube.sizes["band"] + 1)
    seen = observe(
        cube,
        rgb_sensor="generic-rgb",
        ratio=4.0,
        fwhm=1.0,
        hs_snr=40,
        ms_snr=45,
        offset=(1.0, 2.5),
    )
    return tuple(part.persist(scheduler="synchronous") for part in seen)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def corner(pair: tuple[xr.DataArray, ...]) -> tuple[xr.DataArray, ...]:
    """Return 24 x 24 HS pixels of the pair, and what lies about them of the others."""
    sides = (24, 4 * 26, 4 * 26)
    return tuple(
        part.isel(y=slice(0, side), x=slice(0, side))
        for part, side in zip(pair, sides, strict=True)
    )


@pytest.fixture(scope="module")
def tiled(pair: tuple[xr.DataArray, ...]) -> Plan:
    """Return the plan of the pair by `guided` in tiles of 32 pixels."""
    hs, rgb, _ = pair
    return plan_fusion(hs, rgb, method="guided", align=False, tile=32)


def test_tiles_equal_the_whole(pair: tuple[xr.DataArray, ...], tiled: Plan) -> None:
    """Blocks of 32 pixels and one block of everything give the same cube to 1e-5."""
    hs, rgb, _ = pair
    small = lazy_result(tiled)
    whole = lazy_result(plan_fusion(hs, rgb, method="guided", align=False, tile=512))
    assert small.data.npartitions > 4
    assert whole.data.npartitions == 1
    expected = whole.compute()
    difference = np.abs(small.compute() - expected).max()
    assert float(difference) <= 1e-5 * float(np.abs(expected).max())


def test_blended_tiles_equal_the_whole(pair: tuple[xr.DataArray, ...]) -> None:
    """More overlap than the reach is blended, and still the same cube."""
    hs, rgb, _ = pair
    plan = plan_fusion(hs, rgb, method="guided", tile=48)
    reach = plan.rows.halo
    blended = lazy_result(
        plan_fusion(hs, rgb, method="guided", align=False, tile=48, overlap=reach + 12)
    )
    expected = lazy_result(plan).compute()
    difference = np.abs(blended.compute() - expected).max()
    assert float(difference) <= 1e-5 * float(np.abs(expected).max())


def test_a_crop_costs_a_crop_and_has_the_same_bits(tiled: Plan) -> None:
    """The lazy array's chunks are the block function's values."""
    lazy = lazy_result(tiled)
    crop = lazy.isel(y=slice(32, 64), x=slice(32, 64)).compute(scheduler="threads")
    assert np.array_equal(crop.to_numpy(), fuse_block(tiled, 1, 1), equal_nan=True)
    with dask.config.set(scheduler="synchronous"):
        assert np.array_equal(lazy.compute(), lazy.compute(scheduler="threads"), equal_nan=True)


def test_a_plan_travels_with_its_bits(tiled: Plan) -> None:
    """A plan pickles, keeps its digest, and gives the same block elsewhere."""
    other = pickle.loads(pickle.dumps(tiled))
    assert other.digest == tiled.digest
    assert np.array_equal(fuse_block(other, 0, 1), fuse_block(tiled, 0, 1), equal_nan=True)


def test_no_data_is_exactly_where_an_input_lacks_it(pair: tuple[xr.DataArray, ...]) -> None:
    """Masked pixels are NaN; all others have the values they would have had, or nearly."""
    hs, rgb, _ = pair
    plan = plan_fusion(hs, rgb, method="guided", align=False)
    hole = plan.pair.rgb.copy(data=plan.pair.rgb.to_numpy().copy())
    hole[0, 60:70, 50:61] = np.nan
    coarse = hs.copy(data=hs.to_numpy().copy())
    coarse[:, 5, 7] = np.nan
    fused = fuse(coarse.chunk(), hole.chunk(), method="guided", align=False).compute()
    missing = np.isnan(fused).all(axis=0)
    assert np.array_equal(missing, np.isnan(fused).any(axis=0))
    # The HS pixel under a fine pixel, by the two grids.
    y, x = plan.pair.geometry.y, plan.pair.geometry.x
    row = np.floor((np.arange(y.fine) + 0.5 - y.origin) / y.ratio) == 5
    column = np.floor((np.arange(x.fine) + 0.5 - x.origin) / x.ratio) == 7
    expected = np.outer(row, column)
    expected[60:70, 50:61] = True
    assert np.array_equal(missing.to_numpy(), expected)


def test_the_result_is_georeferenced_and_knows_its_bands(
    pair: tuple[xr.DataArray, ...],
) -> None:
    """Grid of the RGB, wavelengths and flags of the HS, nothing computed."""
    hs, rgb, _ = pair
    fused = fuse(hs, rgb, method="bicubic", align=False)
    assert fused.rio.crs == rgb.rio.crs
    first = rgb.sel(y=fused.y[0], x=fused.x[0], method="nearest")
    assert (float(first.y), float(first.x)) == (float(fused.y[0]), float(fused.x[0]))
    assert fused.rio.resolution() == pytest.approx(rgb.rio.resolution())
    assert np.array_equal(fused["wavelength"], hs["wavelength"])
    assert fused["good"].dtype == bool
    assert fused["covered"].dtype == bool
    assert fused["explained"].dtype == float
    assert fused.dtype == np.float32
    assert dask.is_dask_collection(fused.data)


def test_guided_is_nearer_the_truth_than_bicubic(pair: tuple[xr.DataArray, ...]) -> None:
    """On a made scene with both sensors' noise."""
    hs, rgb, truth = pair
    errors = {
        name: float(np.abs(fused - truth.sel(y=fused.y, x=fused.x, method="nearest")).mean())
        for name in ("bicubic", "guided")
        for fused in [fuse(hs, rgb, method=name, align=False).compute().drop_vars("band")]
    }
    assert errors["guided"] < 0.6 * errors["bicubic"]


def test_too_little_overlap_is_refused(pair: tuple[xr.DataArray, ...]) -> None:
    """Tiles that would differ from the whole are not made in silence."""
    hs, rgb, _ = pair
    with pytest.raises(PlanError, match="at least the reach"):
        plan_fusion(hs, rgb, method="guided", align=False, overlap=3)
    with pytest.raises(PlanError, match="at most"):
        plan_fusion(hs, rgb, method="guided", align=False, tile=32, overlap=4000)


def test_a_device_that_is_not_there_is_refused(pair: tuple[xr.DataArray, ...]) -> None:
    """The message says what would do."""
    hs, rgb, _ = pair
    with pytest.raises(PlanError, match="auto, cpu or cuda"):
        plan_fusion(hs, rgb, device="tpu")


def test_sensors_may_be_given_as_objects(pair: tuple[xr.DataArray, ...]) -> None:
    """A definition and its name are the same thing."""
    hs, rgb, _ = pair
    plain = {"method": "bicubic", "align": False}
    named = plan_fusion(hs, rgb, **plain, hs_sensor="enmap", rgb_sensor="generic-rgb")
    given = plan_fusion(
        hs,
        rgb,
        **plain,
        hs_sensor=load_sensor("enmap"),
        rgb_sensor=load_sensor("generic-rgb"),
    )
    assert np.array_equal(named.radiometry.response, given.radiometry.response)
    assert named.pair.psf == given.pair.psf


def test_a_sensor_of_other_bands_is_refused(pair: tuple[xr.DataArray, ...]) -> None:
    """A PSF of another sensor would give a wrong result in silence."""
    hs, rgb, _ = pair
    with pytest.raises(PairError, match="sensor cave-31"):
        plan_fusion(hs, rgb, method="bicubic", hs_sensor="cave-31")


@pytest.mark.usefixtures("few_features")
def test_standard_errors_are_a_coordinate_of_the_cube(
    corner: tuple[xr.DataArray, ...], component_weights: str
) -> None:
    """Finite where the cube is, and of the size and order of its errors; no band is added."""
    hs, rgb, truth = corner
    hole = rgb.copy(data=rgb.to_numpy().copy())
    hole[0, 60:70, 50:61] = np.nan
    asked = {"weights": component_weights, "uncertainty": True, "align": False}
    cube = fuse(hs, hole.chunk(), **asked).compute()
    error = cube["standard_error"]
    assert error.dims == ("y", "x")
    for name in ("wavelength", "good", "band_name"):
        assert np.array_equal(cube[name], hs[name])
    assert np.array_equal(np.isnan(error), np.isnan(cube).any(axis=0))
    assert float(error.min()) >= 0
    wanted = truth.sel(y=cube.y, x=cube.x, method="nearest").to_numpy()
    good = cube["good"].to_numpy()
    true = np.sqrt(((cube.to_numpy() - wanted)[good] ** 2).mean(axis=0))
    known = np.isfinite(true)
    predicted, true = error.to_numpy()[known], true[known]
    assert 0.8 < (true < 1.645 * predicted).mean() < 0.99
    assert spearmanr(true, predicted).statistic > 0.5


@pytest.mark.usefixtures("few_features")
def test_standard_errors_of_tiles_are_those_of_the_whole(
    corner: tuple[xr.DataArray, ...], component_weights: str
) -> None:
    """Blocks and one block of everything have the same; the cube is the one without them."""
    hs, rgb, _ = corner
    asked = FusionSettings(weights=component_weights, uncertainty=True, align=False)
    part = plan_fusion(hs, rgb, asked, tile=64)
    rows, columns = (replace(axis, size=512) for axis in (part.rows, part.columns))
    whole = replace(part, rows=rows, columns=columns)
    plain = plan_fusion(hs, rgb, replace(asked, uncertainty=False), tile=512)
    assert part.shape == plain.shape
    assert part.planes == plain.planes + 1
    assert whole.digest != plain.digest
    assert any("standard error" in note for note in whole.notes)
    expected = fuse_block(whole, 0, 0)
    block = fuse_block(part, 1, 1)
    size = part.rows.size
    same = expected[:, size : size + block.shape[1], size : size + block.shape[2]]
    assert np.allclose(block[-1], same[-1], rtol=1e-3, equal_nan=True)
    assert np.abs(block[:-1] - same[:-1]).max() <= 1e-4 * np.abs(expected[:-1]).max()
    assert np.array_equal(fuse_block(plain, 0, 0), expected[:-1], equal_nan=True)


@pytest.mark.parametrize("method", ["bicubic", "guided"])
def test_a_method_without_standard_error_is_refused(
    pair: tuple[xr.DataArray, ...], method: str
) -> None:
    """One line names the method, and what would do."""
    hs, rgb, _ = pair
    with pytest.raises(
        PlanError, match=rf"^{method} gives no standard error; methods that do: ms-ssfnet$"
    ):
        fuse(hs, rgb, method=method, uncertainty=True)


def test_weights_for_a_method_that_takes_none_are_refused(pair: tuple[xr.DataArray, ...]) -> None:
    """They would be left unused without a word."""
    hs, rgb, _ = pair
    with pytest.raises(
        PlanError,
        match=r"^guided takes no weights, got mine\.safetensors; methods with weights: ms-ssfnet",
    ):
        fuse(hs, rgb, method="guided", weights="mine.safetensors")
