"""A part of a pair is what the whole pair is there."""

import numpy as np
import pytest
import xarray as xr

import hsfuse
from hsfuse.errors import PairError, PlanError
from hsfuse.fusion.lazy import open_input
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.fusion.settings import FusionSettings
from hsfuse.pair.part import check_bands, check_bbox, find_window, select_bands
from hsfuse.synthetic.sample import make_sample

PLAIN = {"method": "bicubic", "align": False}


@pytest.fixture(scope="module")
def pair() -> tuple[xr.DataArray, xr.DataArray]:
    """Return a small simulated pair in memory, ratio 3, grids that are not aligned."""
    made = make_sample(
        hs_sensor="generic-vnir", rgb_sensor="sentinel-2a:B2,B3,B4", size=(14, 16), ratio=3
    )
    return tuple(each.compute().chunk() for each in (made.scene, made.rgb))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def whole(pair: tuple[xr.DataArray, xr.DataArray]) -> xr.DataArray:
    """Return the fusion of the whole pair."""
    return hsfuse.fuse(*pair, **PLAIN).compute()


def box(raster: xr.DataArray, rows: slice, columns: slice) -> tuple[float, float, float, float]:
    """Return the bounding box of some pixels, a quarter of a pixel within their outer edges."""
    part = raster[:, rows, columns]
    step = 0.25 * abs(float(raster.x[1] - raster.x[0]))
    x, y = part.x.values, part.y.values
    return x.min() - step, y.min() - step, x.max() + step, y.max() + step


@pytest.mark.parametrize(("top", "left"), [(0, 0), (7, 13), (30, 36)])
def test_a_box_is_the_whole_there(pair, whole, top, left):
    """The pixels whose centres lie in the box have the values of the fusion of the whole pair."""
    rows, columns = slice(top, top + 12), slice(left, left + 9)
    wanted = whole[:, rows, columns]
    found = hsfuse.fuse(*pair, bbox=box(whole, rows, columns), **PLAIN)
    np.testing.assert_array_equal(found.x, wanted.x)
    np.testing.assert_array_equal(found.y, wanted.y)
    # the lower limit of the values is that of the part
    np.testing.assert_allclose(found.compute().values, wanted.values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bands", ["2-40", "30,2-5,4, 655-664.9nm", [3, 4, 30]])
def test_bands_are_the_whole_there(pair, whole, bands):
    """Bands are selected by number or wavelength, in the order of the file, with its values."""
    found = hsfuse.fuse(*pair, bands=bands, **PLAIN)
    centre, number = whole["wavelength"].values, np.arange(1, 62)
    chosen = {
        "2-40": (number >= 2) & (number <= 40),
        "30,2-5,4, 655-664.9nm": np.isin(number, [2, 3, 4, 5, 30])
        | (centre >= 655) & (centre <= 664.9),
    }.get(str(bands), np.isin(number, [3, 4, 30]))
    wanted = whole[chosen]
    np.testing.assert_array_equal(found["wavelength"], wanted["wavelength"])
    np.testing.assert_array_equal(found["band"], np.arange(1, len(wanted) + 1))
    np.testing.assert_allclose(found.compute().values, wanted.values, rtol=1e-4, atol=1e-5)


def test_ms_bands_outside_the_selected_bands_are_left_out_and_named(pair):
    def planned(bands: str) -> Plan:
        settings = FusionSettings(bands=bands, **PLAIN)
        inputs = (
            open_input(each, settings, role) for each, role in zip(pair, ("hs", "rgb"), strict=True)
        )
        return plan_fusion(*inputs, settings)

    plan = planned("400-600nm")
    assert [str(name) for name in plan.pair.rgb["band_name"].values] == ["B2", "B3"]
    assert plan.radiometry.response.shape[0] == 2
    assert any("B4" in note and "left out" in note for note in plan.notes)
    with pytest.raises(PairError, match="no MS band lies within"):
        planned("900-1000nm")


def test_a_box_in_degrees_holds_what_its_corners_hold(pair):
    """The box about a transformed box holds its pixels; x is longitude, as gdalwarp takes it."""
    rgb = pair[1]
    there = rgb.rio.transform_bounds("EPSG:4326")
    rows, columns = find_window(rgb, there, "EPSG:4326")
    assert (len(rows), len(columns)) == rgb.shape[1:]
    middle = [(there[n] + there[n + 2]) / 2 for n in (0, 1)]
    rows, columns = find_window(rgb, (*middle, there[2], there[3]), "EPSG:4326")
    assert rows.start == 0
    assert columns.stop == rgb.sizes["x"]
    assert abs(len(rows) - rgb.sizes["y"] / 2) <= 2


def flat(bands: int, size: int, step: float) -> xr.DataArray:
    """Return a raster of one value, in which no place differs from another."""
    centre = step * (np.arange(size) + 0.5)
    raster = xr.DataArray(
        np.full((bands, size, size), 0.5, np.float32),
        dims=("band", "y", "x"),
        coords={
            "wavelength": ("band", np.linspace(500.0, 800.0, bands)),
            "fwhm": ("band", np.full(bands, 20.0)),
            "y": 5_000_000 - centre,
            "x": 400_000 + centre,
        },
    )
    return raster.rio.write_crs("EPSG:32633").chunk()


def test_another_place_is_another_digest():
    """A resume mixes no two parts, also where all else is the same."""
    hs, rgb = flat(8, 30, 30.0), flat(3, 90, 10.0)
    boxes = [box(rgb, slice(n, n + 12), slice(30, 42)) for n in (30, 36)]
    plans = [plan_fusion(hs, rgb, FusionSettings(bbox=each, **PLAIN)) for each in boxes]
    assert plans[0].pair.fine_geometry == plans[1].pair.fine_geometry
    assert plans[0].pair.output == plans[1].pair.output
    assert plans[0].digest != plans[1].digest


@pytest.mark.parametrize("text", ["", "0-3", "5-2", "red", "1-", "900-450nm", "3,,4", "1.5"])
def test_what_is_no_selection_is_refused_before_anything_is_read(text):
    with pytest.raises(PlanError, match="as in 1-50,60,900-1000nm"):
        check_bands(text)


def test_bands_that_the_image_lacks_are_refused(pair):
    for text, words in {
        "60-62": "has 61 bands, no band 62",
        "2000-2400nm": "400 to 1000 nm",
        "7": "two or more",
    }.items():
        with pytest.raises(PairError, match=words):
            select_bands(pair[0], text)
    unknown = pair[0].assign_coords(wavelength=("band", np.full(61, np.nan)))
    with pytest.raises(PairError, match="`hs_sensor`"):
        select_bands(unknown, "400-500nm")


def test_boxes_that_are_none_or_elsewhere_are_refused(pair):
    for bbox, crs in (((1, 0, 0, 1), None), ((0, 0, 1, np.nan), None), ((0, 0, 1, 1), "EPSG:0")):
        with pytest.raises(PlanError, match="bbox"):
            check_bbox(bbox, crs)
    with pytest.raises(PairError, match="no pixel in the bbox 0 0 1 1; its own bounds are 39240"):
        find_window(pair[1], (0, 0, 1, 1))
    hint = r"in longitude and latitude pass .*bbox.crs.*EPSG:4326"
    with pytest.raises(PairError, match=hint):
        find_window(pair[1], (0, 0, 1, 1))
    for bbox, crs in (((0, 0, 1, 1), "EPSG:4326"), ((1000, 1000, 2000, 2000), None)):
        with pytest.raises(PairError, match="no pixel in the bbox") as caught:
            find_window(pair[1], bbox, crs)
        assert "longitude and latitude" not in str(caught.value)
    with pytest.raises(PlanError, match="without `bbox`"):
        FusionSettings(bbox_crs="EPSG:4326")
    with pytest.raises(PairError, match="not georeferenced"):
        find_window(pair[1].assign_attrs(georeferenced=False), (0, 0, 1, 1))
