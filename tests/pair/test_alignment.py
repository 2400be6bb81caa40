"""Where the HS image lies and how blurred it is come from the pair itself."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from affine import Affine

from hsfuse.core.drift import Drift
from hsfuse.errors import PairError
from hsfuse.fusion.plan import plan_fusion
from hsfuse.io.displacement import displace as displaced_raster
from hsfuse.pair import sampling
from hsfuse.pair.alignment import align_pair, measure_alignment
from hsfuse.pair.geometry import make_pair
from hsfuse.pair.sampling import survey_pair
from hsfuse.synthetic.sample import make_sample
from hsfuse.synthetic.simulation import SimulatedRasters, observe

RATIO = 4.0
BANDS = "sentinel-2a:B2,B3,B4,B8"


@pytest.fixture(scope="module")
def truth() -> xr.DataArray:
    """Return a made landscape of 47 x 47 HS pixels at ratio 4."""
    made = make_sample(hs_sensor="generic-vnir", rgb_sensor=BANDS, size=(47, 47), ratio=RATIO)
    return made.truth.compute()


def pair(truth: xr.DataArray, **more: object) -> SimulatedRasters:
    """Return what two sensors see of the landscape, with their noise."""
    options = {"ratio": RATIO, "rgb_sensor": BANDS, "hs_snr": 40, "ms_snr": 45, "fwhm": 1.0}
    return computed(observe(truth, **(options | more)))  # type: ignore[arg-type]


def computed(seen: SimulatedRasters) -> SimulatedRasters:
    """Return the same rasters, lazy as those of files, computed once."""
    return SimulatedRasters(*(raster.compute().chunk() for raster in seen))


def displace(scene: xr.DataArray, down: float, right: float) -> xr.DataArray:
    """Return the scene, whose file says it lies elsewhere: by HS pixels up and left."""
    stated = scene.rio.transform()
    moved = scene.assign_coords(
        y=scene["y"] - down * stated.e, x=scene["x"] - right * stated.a
    ).rio.write_transform(stated * Affine.translation(-right, -down))
    return moved.assign_attrs(georeferenced=True)


@pytest.mark.parametrize(
    ("shift", "width"),
    [
        ((0.0, 0.0), 2.0),
        ((0.3, -0.45), 0.8),
        pytest.param((-1.2, 2.0), 1.3, marks=pytest.mark.slow),
        ((2.9, -2.9), 2.0),
    ],
    ids=str,
)
def test_shift_and_width_come_back(
    truth: xr.DataArray, shift: tuple[float, float], width: float
) -> None:
    """To a tenth of an HS pixel and of the width, without R and in any units."""
    made = pair(truth, fwhm=width)
    rgb = made.rgb * np.float32(250) + np.float32(30)
    made_pair = make_pair(displace(made.scene, *shift), rgb.assign_attrs(made.rgb.attrs))
    found = measure_alignment(survey_pair(made_pair))
    assert found is not None
    assert found.reliable
    exact = replace(found, shift=(0.0, 0.0), shift_error=(0.0004, 0.0004))
    assert exact.description == "no shift (standard error below 0.0005 HS pixels)"
    assert found.shift == pytest.approx(shift, abs=0.1)
    assert found.psf.fwhm == pytest.approx((width, width), rel=0.1)


def test_widths_along_and_across_are_told_apart(truth: xr.DataArray) -> None:
    """A push-broom sensor blurs more along its track."""
    made = pair(truth, fwhm=(1.8, 1.0))
    found = measure_alignment(survey_pair(make_pair(made.scene, made.rgb)))
    assert found is not None
    assert found.psf.fwhm == pytest.approx((1.8, 1.0), rel=0.1)


def test_a_wrong_transform_is_corrected(truth: xr.DataArray) -> None:
    """A wrong transform costs nothing: the geometry is that of the right one, and it is said."""
    made = pair(truth)
    right = make_pair(made.scene, made.rgb).geometry
    laid, found = align_pair(displace(made.scene, 0.8, -1.6), made.rgb)
    assert found is not None
    for axis in ("y", "x"):
        told, own = getattr(right, axis), getattr(laid.geometry, axis)
        # The HS pixels that touch the overlap may begin elsewhere; where their edges lie is one.
        apart = (own.origin - told.origin) / RATIO
        assert abs(apart - round(apart)) < 0.1
        assert own.ratio == told.ratio
    assert any("0.80 HS pixels down" in note and "1.6" in note for note in laid.notes)


def test_what_lies_right_stays(truth: xr.DataArray) -> None:
    """Bit for bit the geometry of the files, where the pair agrees with them."""
    made = pair(truth)
    laid, _ = align_pair(made.scene, made.rgb)
    assert laid.geometry == make_pair(made.scene, made.rgb).geometry
    assert not any("corrected" in note for note in laid.notes)


def test_an_assumed_width_is_replaced_and_a_known_one_is_doubted(truth: xr.DataArray) -> None:
    """What somebody measured is used, and the user is told that the pair disagrees."""
    from hsfuse.sensor.catalogue import load_sensor

    made = pair(truth, fwhm=1.7)
    laid, _ = align_pair(made.scene, made.rgb)
    assert laid.psf.fwhm == pytest.approx((1.7, 1.7), rel=0.1)
    assert laid.psf.status == "estimated from the pair"
    assert laid.psf.standard_error is not None
    sensor = load_sensor("generic-vnir")
    known = replace(sensor, psf=replace(sensor.psf, status="measured"))
    laid, _ = align_pair(made.scene, made.rgb, hs_sensor=known)
    assert laid.psf == known.psf
    assert any("the estimate from the pair is FWHM 1.7" in note for note in laid.notes)


def test_pictures_of_two_places_are_refused(truth: xr.DataArray) -> None:
    """One line names both files and what was found."""
    made = pair(truth)
    hs, rgb = made.scene[:, :30, :30], made.rgb[:, :120, :120]
    strange, hs = rgb.copy(data=rgb.data[:, ::-1, ::-1]), hs.assign_attrs(source="hs.tif")
    with pytest.raises(
        PairError, match=r"hs\.tif and rgb\.tif: the two images do not show the same ground"
    ):
        align_pair(hs, strange.assign_attrs(made.rgb.attrs, source="rgb.tif"))


def test_cloud_and_holes_do_not_move_the_rest(truth: xr.DataArray) -> None:
    """A bright patch that only one sensor saw, and pixels without data, are left out."""
    made = pair(truth)
    rgb, scene = made.rgb.compute(), displace(made.scene.compute(), 0.5, 0.5)
    rgb.values[:, 20:60, 100:150] = rgb.values.max() * 1.5
    scene.values[:, 30:34, 8:12] = np.nan
    found = measure_alignment(survey_pair(make_pair(scene.chunk(), rgb.chunk())))
    assert found is not None
    assert found.shift == pytest.approx((0.5, 0.5), abs=0.1)
    assert found.changed > 0.02


@pytest.mark.slow
def test_flat_images_tell_nothing(truth: xr.DataArray) -> None:
    """The georeferencing of the files is used, and nothing breaks."""
    made = pair(truth)
    draw = np.random.default_rng(0)
    flat = [
        raster.copy(data=draw.normal(1.0, 0.01, raster.shape).astype(np.float32)).chunk()
        for raster in (made.scene, made.rgb)
    ]
    laid, found = align_pair(*flat)
    assert found is None or not found.reliable
    assert laid.geometry == make_pair(*flat).geometry


def test_nothing_is_moved_unasked(truth: xr.DataArray) -> None:
    """Without align the plan is that of the files."""
    made = pair(truth, fwhm=1.7)
    scene = displace(made.scene, 1.0, 0.0)
    plan = plan_fusion(scene, made.rgb, method="bicubic", align=False)
    assert plan.alignment is None
    assert plan.pair.geometry == make_pair(scene, made.rgb).geometry
    assert plan.pair.psf.fwhm == (1.0, 1.0)


def bent(truth: xr.DataArray, drift: Drift) -> xr.DataArray:
    """Return the cube as an HS sensor finds it that lies elsewhere from place to place."""
    coarse = Drift(
        truth.shape[1:],  # type: ignore[arg-type]
        tuple(tuple(-RATIO_LARGE * v for v in own) for own in drift.terms),  # type: ignore[arg-type]
        0.0,
        0,
    )
    return displaced_raster(truth.chunk(), coarse).compute()


RATIO_LARGE = 2.0


@pytest.fixture(scope="module")
def large() -> xr.DataArray:
    """
    Return a made landscape at ratio 2, in a few bands.

    Its 112 x 112 HS pixels are more than :func:`small_windows` lets a survey read as one.
    """
    made = make_sample(
        hs_sensor="generic-vnir", rgb_sensor=BANDS, size=(112, 112), ratio=RATIO_LARGE
    )
    return made.truth.isel(band=slice(None, None, 8)).compute()


@pytest.fixture(scope="module")
def seen_large(large: xr.DataArray) -> SimulatedRasters:
    """Return what two sensors see of the large landscape, where both files say."""
    options = {"rgb_sensor": BANDS, "ratio": RATIO_LARGE, "hs_snr": 40, "ms_snr": 45}
    return computed(observe(large, **options))


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a survey read windows of 36 HS pixels, so that a small scene has nine of them."""
    monkeypatch.setattr(sampling, "_SETTINGS", replace(sampling._SETTINGS, side=36))


@pytest.mark.slow
@pytest.mark.usefixtures("small_windows")
def test_a_shift_that_changes_over_the_scene_comes_back(
    large: xr.DataArray, seen_large: SimulatedRasters
) -> None:
    """A sloping surface, to a tenth of an HS pixel; the pair is bent back along it."""
    drift = Drift((112, 112), ((0.3, 0.35, -0.15), (-0.4, 0.1, 0.4)), 0.0, 0)
    seen = observe(bent(large, drift), rgb_sensor=BANDS, ratio=RATIO_LARGE, hs_snr=40)
    laid, found = align_pair(seen.scene.compute().chunk(), seen_large.rgb)
    assert found is not None
    assert found.drift is not None
    places = np.meshgrid(*2 * [np.linspace(17, 95, 8)], indexing="ij")
    assert found.drift.at(*places) == pytest.approx(drift.at(*places), abs=0.1)
    assert any("varies over the scene by up to" in note for note in laid.notes)
    assert laid.psf.fwhm == pytest.approx((1.0, 1.0), rel=0.2)  # both resamplings blur too
    again = measure_alignment(survey_pair(replace(laid, hs=laid.hs.compute().chunk())))
    assert again is not None
    assert np.abs(again.local[:, 2:4]).max() < 0.1


@pytest.mark.slow
@pytest.mark.usefixtures("small_windows")
def test_a_steady_shift_is_never_resampled(seen_large: SimulatedRasters) -> None:
    """The HS image's values stay what its file holds."""
    laid, _ = align_pair(displace(seen_large.scene, 0.4, -0.7), seen_large.rgb)
    values = laid.hs.isel(y=slice(50, 60), x=slice(50, 60)).values
    assert np.isin(values[3], seen_large.scene.isel(band=3).values).all()
