"""Two rasters become a pair by their transforms, or are refused in one line."""

import dask
import numpy as np
import pytest
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from hsfuse.errors import PairError
from hsfuse.pair.geometry import make_pair, transform
from hsfuse.pair.sampling import survey_pair
from hsfuse.sensor.catalogue import load_sensor

UTM = "EPSG:32633"
CORNER = Affine(1, 0, 400000, 0, -1, 5800000)  # one metre pixels, north up


def raster(
    name: str,
    bands: int,
    shape: tuple[int, int],
    placed: Affine | None,
    crs: str | None = UTM,
    wavelength: tuple[float, float] | None = (450, 950),
    width: float = 10.0,
) -> xr.DataArray:
    """Return a lazy raster of noise as `open_raster` would give it."""
    values = np.random.default_rng(1).random((bands, *shape)).astype(np.float32) + 0.1
    centres = np.full(bands, np.nan) if wavelength is None else np.linspace(*wavelength, bands)
    array = xr.DataArray(
        values,
        dims=("band", "y", "x"),
        coords={
            "band": np.arange(1, bands + 1),
            "wavelength": ("band", centres),
            "fwhm": ("band", np.where(np.isnan(centres), np.nan, width)),
            "good": ("band", np.ones(bands, bool)),
            "band_name": ("band", [f"b{i}" for i in range(bands)]),
        },
        attrs={"source": name, "georeferenced": placed is not None, "sensor": ""},
    ).chunk()
    placed = placed or Affine.identity()
    if placed.b == 0 and placed.d == 0:
        array["y"] = placed.f + (np.arange(shape[0]) + 0.5) * placed.e
        array["x"] = placed.c + (np.arange(shape[1]) + 0.5) * placed.a
    array = array.rio.write_transform(placed)
    return array.rio.write_crs(crs) if crs else array


def hs(placed: Affine | None, shape: tuple[int, int] = (20, 24), **more: object) -> xr.DataArray:
    """Return an HS raster."""
    return raster("hs.tif", 12, shape, placed, **more)  # type: ignore[arg-type]


def rgb(placed: Affine | None, shape: tuple[int, int] = (90, 96), **more: object) -> xr.DataArray:
    """Return an RGB raster within the HS range."""
    more = {"wavelength": (550, 850), "width": 60.0} | more
    return raster("rgb.tif", 3, shape, placed, **more)  # type: ignore[arg-type]


@settings(max_examples=20)
@given(
    ratio=st.sampled_from([16.0, 10.0, 25 / 3, 10 / 3, 4.0]),
    stretch=st.floats(0.95, 1.05),
    shift=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    flips=st.tuples(st.booleans(), st.booleans()),
)
def test_the_geometry_is_that_of_the_transforms(
    ratio: float, stretch: float, shift: tuple[float, float], flips: tuple[bool, bool]
) -> None:
    """An HS pixel's centre lies where the two affines say, however the file is oriented."""
    placed = CORNER * Affine.translation(*shift) * Affine.scale(ratio, ratio * stretch)
    for flip, axis, count in zip(flips, ("x", "y"), (24, 20), strict=True):
        if flip:  # the same place, stored the other way round
            placed = placed * (
                Affine.translation(count, 0) * Affine.scale(-1, 1)
                if axis == "x"
                else Affine.translation(0, count) * Affine.scale(1, -1)
            )
    coarse = hs(placed)
    pair = make_pair(coarse, rgb(CORNER, shape=(int(22 * ratio) + 8, int(24 * ratio) + 8)))
    # A file pixel, found again in the pair by its value.
    wanted = float(coarse[0, 1, 2])
    rows, columns = np.nonzero(pair.hs[0].to_numpy() == np.float32(wanted))
    assert len(rows) == 1
    world = placed * (2.5, 1.5)
    inside = ~transform(pair.rgb) * world
    y, x = pair.geometry.y, pair.geometry.x
    assert y.centres()[rows[0]] == pytest.approx(inside[1], abs=2e-3)
    assert x.centres()[columns[0]] == pytest.approx(inside[0], abs=2e-3)
    assert (x.ratio, y.ratio) == pytest.approx((ratio, ratio * stretch), rel=1e-6)


@settings(max_examples=20)
# A tenth off the quarters: no centre lies on an edge.
@given(*(st.integers(-160, 160).map(lambda n: n / 4 + 0.1),) * 2)
def test_the_output_grid_is_the_rgb_lattice_cut_to_the_overlap(x: float, y: float) -> None:
    """Every output pixel is an RGB pixel whose centre lies on the HS image, and all such are."""
    coarse = hs(CORNER * Affine.translation(x, y) * Affine.scale(4))
    fine = rgb(CORNER)
    pair = make_pair(coarse, fine)
    column = (np.arange(96) + 0.5 > x) & (np.arange(96) + 0.5 < x + 96)
    row = (np.arange(90) + 0.5 > y) & (np.arange(90) + 0.5 < y + 80)
    assert np.array_equal(pair.rgb.x, fine.x[column])
    assert np.array_equal(pair.rgb.y, fine.y[row])
    assert pair.rgb.rio.crs == fine.rio.crs
    offset = np.flatnonzero(column)[0], np.flatnonzero(row)[0]
    assert transform(pair.rgb).almost_equals(CORNER * Affine.translation(*offset))


def test_grids_rotated_alike_are_not_warped() -> None:
    """What counts is the angle between them; pixels stay what they are."""
    turned = CORNER * Affine.rotation(25)
    pair = make_pair(hs(turned * Affine.scale(4)), rgb(turned))
    assert not pair.notes
    assert pair.geometry.ratio == pytest.approx(4)
    assert pair.rgb.rio.transform().almost_equals(turned)


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:3035"])
def test_another_crs_is_warped_lazily_to_the_right_place(crs: str) -> None:
    """A field that is a function of place is the same function after the warp."""
    from rasterio.warp import transform as moved

    (x,), (y,) = moved(UTM, crs, [400000], [5800000])
    coarse = hs(Affine(4, 0, x - 40, 0, -4, y + 40), shape=(60, 60), crs=crs)
    world = np.meshgrid(coarse.x, coarse.y)
    east, north = (
        np.reshape(v, (60, 60)) for v in moved(crs, UTM, world[0].ravel(), world[1].ravel())
    )
    field = np.sin((east - 4e5) / 40) + np.cos((north - 5.8e6) / 30)
    coarse = coarse.copy(data=np.broadcast_to(field, coarse.shape).astype(np.float32)).chunk()
    pair = make_pair(coarse, rgb(CORNER))
    assert len(pair.notes) == 1
    assert "warped from" in pair.notes[0]
    assert dask.is_dask_collection(pair.hs.data)
    assert list(pair.hs["band_name"].to_numpy()) == [f"b{i}" for i in range(12)]
    y_axis, x_axis = pair.geometry.y, pair.geometry.x
    corner = transform(pair.rgb)
    rows, columns = y_axis.centres(), x_axis.centres()
    east = corner.c + columns[None] * corner.a
    north = corner.f + rows[:, None] * corner.e
    expected = np.sin((east - 4e5) / 40) + np.cos((north - 5.8e6) / 30)
    found = pair.hs[0].to_numpy()
    known = np.isfinite(found)
    assert known.mean() > 0.9
    # A tenth of an HS pixel, 0.4 m, moves this field by at most 0.025.
    assert np.abs(found - expected)[known].max() < 0.025


def test_a_warped_pair_has_the_same_name_every_time() -> None:
    """What a resumed run is compared with does not change from one opening to the next."""
    coarse, fine = hs(CORNER * Affine.rotation(5) * Affine.scale(4)), rgb(CORNER)
    names = {dask.base.tokenize(make_pair(coarse, fine).hs.data) for _ in range(2)}
    assert len(names) == 1


@pytest.mark.parametrize("turns", [0, -1])
@pytest.mark.parametrize("crs", ["EPSG:32601", "EPSG:4326"])
def test_a_pair_across_180_degrees_is_fused_whole(crs: str, turns: int) -> None:
    """The HS image in metres or in degrees east; RGB counts on from 180 or from -180."""
    from rasterio.warp import transform as moved

    size = 1 / 111320
    fine = rgb(
        Affine(size, 0, 180 + 360 * turns - 40 * size, 0, -size, 52), (80, 80), crs="EPSG:4326"
    )
    if crs == "EPSG:4326":
        placed = Affine(4 * size, 0, 180 - 80 * size, 0, -4 * size, 52 + 40 * size)
    else:
        (x,), (y,) = moved("EPSG:4326", crs, [180.0], [52.0])
        placed = Affine(4, 0, x - 160, 0, -4, y + 160)
    pair = make_pair(hs(placed, shape=(80, 80), crs=crs), fine)
    assert pair.rgb.shape[1:] == (80, 80)
    assert max(pair.hs.shape[1:]) <= 40
    assert np.isfinite(pair.hs.to_numpy()).all()


def test_a_missing_crs_is_taken_from_the_other_file() -> None:
    """Said in one line; with neither, coordinates are compared as they are."""
    pair = make_pair(hs(CORNER * Affine.scale(4), crs=None), rgb(CORNER))
    assert [note for note in pair.notes if "EPSG:32633 was taken" in note]
    pair = make_pair(hs(CORNER * Affine.scale(4)), rgb(CORNER, crs=None))
    assert pair.rgb.rio.crs is not None
    pair = make_pair(hs(CORNER * Affine.scale(4), crs=None), rgb(CORNER, crs=None))
    assert [note for note in pair.notes if "as they are" in note]


def test_without_georeferencing_corners_are_laid_on_corners() -> None:
    """When the sizes make one ratio, said in one line; the georeferenced one lends its grid."""
    pair = make_pair(hs(None, crs=None), rgb(None, shape=(80, 96), crs=None))
    assert pair.geometry.ratio == 4
    assert [note for note in pair.notes if "the corners of both" in note]
    placed = CORNER * Affine.scale(4)
    pair = make_pair(hs(placed), rgb(None, shape=(80, 96), crs=None))
    assert transform(pair.rgb).almost_equals(CORNER)
    assert pair.rgb.rio.crs is not None


@pytest.mark.parametrize(
    ("coarse", "fine", "line"),
    [
        (hs(CORNER * Affine.translation(900, 0) * Affine.scale(4)), rgb(CORNER), "in EPSG:32633;"),
        (hs(CORNER * Affine.scale(1.5)), rgb(CORNER), "1.5 by 1.5 MS pixels; expected at least 2"),
        (rgb(CORNER), hs(CORNER * Affine.scale(4)), "smaller .* 0.25 by 0.25 .*swapped"),
        (hs(CORNER * Affine.rotation(9) * Affine.scale(4), crs=None), rgb(CORNER), "be warped"),
        (hs(CORNER * Affine.scale(4)), rgb(CORNER, wavelength=(1500, 1700)), "outside the good HS"),
        (hs(None, crs=None), rgb(None, shape=(80, 130), crs=None), "make no single ratio"),
        (raster("one.tif", 1, (9, 9), CORNER), rgb(CORNER), "one.tif: has one band"),
    ],
)  # fmt: skip
def test_what_cannot_be_fused_is_refused(
    coarse: xr.DataArray, fine: xr.DataArray, line: str
) -> None:
    """One line that says what was found and what is expected."""
    with pytest.raises(PairError, match=line) as caught:
        make_pair(coarse, fine)
    assert "\n" not in str(caught.value)
    assert ".tif" in str(caught.value)


def test_a_sensor_of_other_bands_is_refused() -> None:
    """The message names both counts and how to pick bands."""
    fine = rgb(CORNER, wavelength=None)
    with pytest.raises(PairError, match="has 3 bands, sensor sentinel-2a has 13"):
        make_pair(hs(CORNER * Affine.scale(4)), fine, rgb_sensor=load_sensor("sentinel-2a"))


def test_a_hyperspectral_sensor_is_refused_for_the_fine_image() -> None:
    """Its bands nearest to the raster's would be taken; some of them by name are wanted."""
    fine = rgb(CORNER, wavelength=(550, 650))
    coarse = hs(CORNER * Affine.scale(4))
    with pytest.raises(
        PairError, match=r"rgb\.tif: sensor enmap is hyperspectral; expected an RGB"
    ):
        make_pair(coarse, fine, rgb_sensor=load_sensor("enmap"))


def test_bands_named_in_another_order_than_the_raster_has_them_go_by_its_wavelengths() -> None:
    """The raster's own metadata beat the definition; without any, the order counts."""
    sensor = load_sensor("sentinel-2a").select(["B8", "B3", "B4"])
    coarse, fine = hs(CORNER * Affine.scale(4)), rgb(CORNER, wavelength=None)
    coarse = coarse.assign_coords(fwhm=("band", np.full(12, 45.0)))
    stated = fine.assign_coords(wavelength=("band", np.array([842.0, 665.0, 560.0])))
    by_order, by_centre = (
        make_pair(coarse, raster, rgb_sensor=sensor).response for raster in (fine, stated)
    )
    assert by_order is not None
    assert by_centre is not None
    np.testing.assert_allclose(by_centre, by_order[[0, 2, 1]])


def test_a_sensor_that_has_no_band_where_the_raster_has_one_is_refused() -> None:
    """The definition would be wrong of that band."""
    fine = rgb(CORNER, wavelength=(450, 850))
    sensor = load_sensor("generic-rgb")
    with pytest.raises(PairError, match=r"rgb\.tif: sensor generic-rgb has no band at 850 nm"):
        make_pair(hs(CORNER * Affine.scale(4)), fine, rgb_sensor=sensor)


@pytest.mark.parametrize(("last", "said"), [(880, None), (940, "10%"), (960, "31%")])
def test_a_response_that_lies_partly_outside_the_hs_bands_is_said(
    last: int, said: str | None
) -> None:
    """Below 95 % of a band's area; the HS bands of the helper end at 973 nm."""
    pair = make_pair(hs(CORNER * Affine.scale(4)), rgb(CORNER, wavelength=(550, last)))
    notes = [note for note in pair.notes if "lies outside the good HS bands" in note]
    assert [note.split()[0] for note in notes] == ([said] if said else [])


def test_a_response_of_which_the_hs_bands_see_less_than_half_is_refused() -> None:
    """The line says how much is missing, and how much may be."""
    fine = rgb(CORNER, wavelength=(550, 980))
    with pytest.raises(
        PairError, match=r"6\d% of the response of band 3 \('b2', 980 nm\) .* at most 50%"
    ):
        make_pair(hs(CORNER * Affine.scale(4)), fine)


def test_no_data_anywhere_is_refused() -> None:
    """Either raster, by name."""
    coarse, fine = hs(CORNER * Affine.scale(4)), rgb(CORNER)
    empty = fine.copy(data=np.full(fine.shape, np.nan, np.float32)).chunk()
    with pytest.raises(PairError, match=r"rgb\.tif: no pixel holds data"):
        survey_pair(make_pair(coarse, empty))
    empty = coarse.copy(data=np.full(coarse.shape, np.nan, np.float32)).chunk()
    with pytest.raises(PairError, match=r"hs\.tif: no pixel holds data"):
        survey_pair(make_pair(empty, fine))


def test_values_beyond_all_measure_are_refused() -> None:
    """As of a wrong byte order, or a no-data number that the file does not declare."""
    coarse, fine = hs(CORNER * Affine.scale(4)), rgb(CORNER)
    for placed in (coarse, fine):
        values = placed.to_numpy().copy()
        values[1, 2, 3] = -3e38
        odd = placed.copy(data=values).chunk()
        pair = make_pair(*(odd if raster is placed else raster for raster in (coarse, fine)))
        with pytest.raises(
            PairError, match=rf"{odd.attrs['source']}: values reach 3e\+38; expected at most 1e\+15"
        ):
            survey_pair(pair)


def test_a_fine_band_without_data_is_named() -> None:
    """It would take all pixels from the others."""
    fine = rgb(CORNER)
    empty = fine.where(fine["band"] != 2).assign_attrs(fine.attrs)
    with pytest.raises(PairError, match=r"rgb\.tif: band 2 \('b1', \d+ nm\) holds no data"):
        survey_pair(make_pair(hs(CORNER * Affine.scale(4)), empty))


def test_bad_bands_alone_are_refused_by_name() -> None:
    """Nothing is left that an MS band could be told from."""
    coarse = hs(CORNER * Affine.scale(4)).assign_coords(good=("band", np.zeros(12, bool)))
    with pytest.raises(PairError, match=r"hs\.tif and rgb\.tif: .* no good band"):
        make_pair(coarse, rgb(CORNER))


@pytest.mark.parametrize("crs", ['LOCAL_CS["here",UNIT["metre",1]]', "EPSG:4326"])
def test_a_crs_without_a_way_to_the_other_is_refused(crs: str) -> None:
    """A local system, and metres that call themselves degrees."""
    with pytest.raises(PairError, match=r"hs\.tif: cannot be warped from .* to EPSG:32633"):
        make_pair(hs(CORNER * Affine.scale(4), crs=crs), rgb(CORNER))


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:3395"])
def test_places_that_a_crs_does_not_reach_are_refused(crs: str) -> None:
    """Also where x is periodic: metres that are declared as degrees."""
    with pytest.raises(PairError, match=rf"hs\.tif: cannot be warped from .* to {crs}"):
        make_pair(hs(CORNER * Affine.scale(4), crs="EPSG:4326"), rgb(CORNER, crs=crs))


def test_nominal_centres_are_those_of_broad_bands() -> None:
    """Round numbers within half a band's width are its bands, with a note that names both."""
    coarse = hs(Affine(8, 0, 0, 0, -8, 0), wavelength=(400, 1000))
    fine = rgb(Affine(2, 0, 0, 0, -2, 0))
    centres = ("band", np.array([620.0, 540.0, 460.0]))
    fine = fine.assign_coords(wavelength=centres)
    camera = load_sensor("nikon-d700")
    pair = make_pair(coarse, fine, rgb_sensor=camera)
    assert pair.response_source.startswith("response curves of nikon-d700, bands ")
    assert any("620, 540, 460 nm; they are taken for" in note for note in pair.notes)
    exact = fine.assign_coords(wavelength=("band", camera.wavelength))
    assert not any(
        "taken for the bands" in note for note in make_pair(coarse, exact, rgb_sensor=camera).notes
    )
    swapped = fine.assign_coords(wavelength=("band", np.array([620.0, 540.0, 840.0])))
    with pytest.raises(PairError, match="has no band at 840 nm"):
        make_pair(coarse, swapped, rgb_sensor=camera)
