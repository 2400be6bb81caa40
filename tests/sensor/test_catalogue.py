import pickle
import tomllib
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from hsfuse.core.psf import PSF
from hsfuse.errors import SensorError
from hsfuse.sensor.catalogue import (
    Sensor,
    list_sensors,
    load_sensor,
    response_matrix,
    sensor_from_bands,
)
from hsfuse.sensor.definition import shipped, withheld

SHIPPED = {
    "ali", "aviris", "aviris-3", "aviris-ng", "casi-houston", "cave-31", "cie-xyz", "cie-xyz-2015",
    "desis", "emit", "enmap", "generic-hs", "generic-rgb", "generic-vnir", "harvard-31", "hyperion",
    "hypso-1", "hypso-2", "icvl-31", "landsat-5", "landsat-7", "landsat-8", "landsat-9",
    "micasense-rededge-3", "neon-nis", "nikon-d5100", "nikon-d700", "nikon-d700-hiftool", "nus-31",
    "pace-oci", "planetscope-dove", "planetscope-dove-r", "planetscope-superdove", "prism",
    "prisma", "rosis", "sentinel-2a", "sentinel-2b", "sentinel-2c",
    "sigma-sd-merrill", "srgb", "wyvern-dragonette-1", "wyvern-dragonette-2", "wyvern-dragonette-3",
}  # fmt: skip
CURVED = [name for name in sorted(SHIPPED) if load_sensor(name).curves is not None]
#: Curves with negative lobes, cut at 700 nm, or with leaks outside the lobe that the table means.
OTHER_CENTRES = {"srgb", "nikon-d700", "nikon-d700-hiftool", "micasense-rededge-3"}
#: PSFs of which a figure was published; all others are assumed.
KNOWN_PSF = {"enmap", "prisma", "sentinel-2a", "sentinel-2b", "sentinel-2c"}


def seen_by(fine: str | Sensor, coarse: str):
    fine = load_sensor(fine) if isinstance(fine, str) else fine
    hs = load_sensor(coarse)
    return response_matrix(fine, hs.wavelength, hs.fwhm, good=hs.good)


def test_the_shipped_sensors_are_all_listed():
    assert set(list_sensors()) == SHIPPED
    assert list(list_sensors()) == sorted(list_sensors())


@pytest.mark.parametrize("name", list_sensors())
def test_a_shipped_sensor_is_whole(name):
    sensor = load_sensor(name)
    assert sensor.id == name
    assert sensor.source.url
    assert sensor.source.licence
    assert sensor.bands_status != "unknown"
    assert np.all(np.diff(np.sort(sensor.wavelength)) > 0)
    assert np.all((sensor.wavelength > 300) & (sensor.wavelength < 2600))
    assert not np.any(sensor.fwhm <= 0)
    assert sensor.good.any()
    assert sensor.psf.source
    assert np.isnan(sensor.gsd) or sensor.gsd_status != "unknown"


@pytest.mark.parametrize("name", CURVED)
def test_shipped_curves_increase_in_wavelength_and_do_not_respond_negatively(name):
    curves = load_sensor(name).curves
    assert np.all(np.diff(curves.wavelength) > 0)
    assert curves.response.max() == pytest.approx(1.0)
    assert name == "srgb" or curves.response.min() >= 0
    assert curves.status != "assumed"


@pytest.mark.parametrize("name", sorted(set(CURVED) - OTHER_CENTRES))
def test_shipped_curves_have_the_centres_that_the_band_table_states(name):
    # A hole between bands read as a straight line would shift a band by up to 19 nm.
    sensor = load_sensor(name)
    curves = sensor.curves
    weight = curves.response * np.gradient(curves.wavelength)
    np.testing.assert_allclose(
        weight @ curves.wavelength / weight.sum(axis=1), sensor.wavelength, atol=1.0
    )


def test_srgb_keeps_its_negative_lobes():
    assert load_sensor("srgb").curves.response.min() < -0.1


def test_psfs_say_how_well_they_are_known():
    prisma, enmap, emit = (load_sensor(name).psf for name in ("prisma", "enmap", "emit"))
    assert prisma.status == "measured"
    assert 1.84 <= prisma.fwhm[1] <= 1.97
    assert enmap.status == "specification"
    assert enmap.fwhm == pytest.approx((1.44, 1.25), abs=0.005)
    assert (emit.status, emit.fwhm) == ("assumed", (1.0, 1.0))


@pytest.mark.parametrize("name", list_sensors())
def test_only_a_published_psf_is_called_anything_but_assumed(name):
    assert (load_sensor(name).psf.status != "assumed") == (name in KNOWN_PSF)


@pytest.mark.parametrize("name", ["EO1_Hyperion", "eo1-hyperion", " hyperion "])
def test_names_are_forgiving(name):
    assert load_sensor(name) is load_sensor("hyperion")


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("sentinel2a", "sentinel-2a"), ("sentinel2c_msi", "sentinel-2c"), ("S2B", "sentinel-2b"),
        ("landsat8", "landsat-8"), ("landsat7_etm", "landsat-7"), ("eo1_ali", "ali"),
        ("aviris_classic", "aviris"), ("d700", "nikon-d700"), ("rgb", "generic-rgb"),
        ("dragonette-1", "wyvern-dragonette-1"), ("pavia", "rosis"), ("cie1931", "cie-xyz"),
    ],
)  # fmt: skip
def test_common_names_are_aliases(alias, name):
    assert load_sensor(alias).id == name


def test_no_two_sensors_have_one_name():
    names = []
    for entry in files("hsfuse.sensors").iterdir():
        if entry.name.endswith(".toml"):
            text = tomllib.loads(entry.read_text(encoding="utf-8"))
            aliases = {alias.replace("_", "-") for alias in text.get("aliases", [])}
            names += sorted(aliases | {text["id"]})
    assert sorted(names) == sorted(set(names))
    assert set(names) == set(shipped())


def test_an_unknown_name_suggests_the_near_ones():
    with pytest.raises(
        SensorError, match=r"unknown sensor 'sentinel2'; did you mean sentinel-2a or sentinel-2b"
    ):
        load_sensor("sentinel2")
    with pytest.raises(
        SensorError, match=r"unknown sensor 'zzz'; accepted are .*sensors list.*\.toml"
    ):
        load_sensor("zzz")


@pytest.mark.parametrize("name", ["worldview-3", "WorldView3", "pleiades-1a", "worldview3"])
def test_a_sensor_that_may_not_be_shipped_is_refused_with_the_reason(name):
    with pytest.raises(SensorError, match=r"does not come with hsfuse: .* terms .*\.toml") as error:
        load_sensor(name)
    assert name in str(error.value)
    assert not set(withheld()) & set(shipped())


def test_a_copy_loaded_by_path_is_the_same_sensor(tmp_path):
    for entry in files("hsfuse.sensors").iterdir():
        if entry.name.startswith("sentinel-2a"):
            (tmp_path / entry.name).write_bytes(entry.read_bytes())
    copy, shipped = load_sensor(tmp_path / "sentinel-2a.toml"), load_sensor("sentinel-2a")
    assert (copy.band_names, copy.psf, copy.source) == (
        shipped.band_names,
        shipped.psf,
        shipped.source,
    )
    np.testing.assert_array_equal(copy.curves.response, shipped.curves.response)


def test_a_sensor_cannot_be_changed_and_survives_pickling():
    sensor = load_sensor("sentinel-2a")
    with pytest.raises(ValueError, match="read-only"):
        sensor.wavelength[0] = 1.0
    copy = pickle.loads(pickle.dumps(sensor))
    np.testing.assert_array_equal(copy.curves.response, sensor.curves.response)


def test_the_psf_of_a_sensor_has_a_width():
    """The mean over the pixel, whose FWHM is 0, is one along both axes or none."""
    replace(load_sensor("enmap"), psf=PSF((0.0, 0.0)))
    with pytest.raises(SensorError, match="enmap: the FWHM of its PSF must be positive"):
        replace(load_sensor("enmap"), psf=PSF((0.0, 1.0)))


def test_literature_d700_on_cave_is_the_table_over_its_row_sums():
    table = load_sensor("nikon-d700").curves.response
    response = seen_by("nikon-d700", "cave-31")
    np.testing.assert_allclose(response.matrix, table / table.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(response.coverage, 1.0)
    assert response.band_names == ("R", "G", "B")


@pytest.mark.parametrize(
    ("fine", "coarse"),
    [
        ("sentinel-2a", "enmap"),
        ("sentinel-2b", "emit"),
        ("landsat-8", "aviris"),
        ("ali", "hyperion"),
        ("generic-rgb", "prisma"),
        ("srgb", "cave-31"),
        ("nikon-d700", "desis"),
    ],
)
def test_rows_sum_to_one_or_are_zero_where_nothing_is_seen(fine, coarse):
    response = seen_by(fine, coarse)
    seen = response.coverage > 0.5
    assert seen.any()
    np.testing.assert_allclose(response.matrix[seen].sum(axis=1), 1.0, atol=1e-12)
    assert not response.matrix[response.coverage == 0].any()
    assert np.all((response.coverage >= 0) & (response.coverage <= 1 + 1e-12))


@pytest.mark.parametrize(
    "coarse",
    ["enmap", "emit", "prisma", "hyperion", "aviris", "aviris-ng", "aviris-3", "generic-hs"],
)
def test_a_linear_spectrum_is_seen_at_the_centre_of_the_band(coarse):
    # True only if irregular sampling and overlapping detectors are weighted right.
    fine, hs = load_sensor("sentinel-2a").select(["B2", "B3", "B4", "B8", "B11"]), coarse
    response = seen_by(fine, hs)
    seen = response.matrix @ load_sensor(coarse).wavelength
    np.testing.assert_allclose(seen, fine.wavelength, atol=0.5)


def test_bands_given_in_any_order_have_the_same_weights():
    hs = load_sensor("enmap")
    order = np.random.default_rng(0).permutation(hs.wavelength.size)
    fine = load_sensor("sentinel-2a")
    straight = response_matrix(fine, hs.wavelength, hs.fwhm)
    mixed = response_matrix(fine, hs.wavelength[order], hs.fwhm[order])
    np.testing.assert_allclose(mixed.matrix, straight.matrix[:, order], atol=1e-12)


def test_a_band_given_twice_weighs_as_much_as_once():
    wavelength, fine = np.arange(450.0, 650.0, 10.0), sensor_from_bands([550.0], [40.0])
    once = response_matrix(fine, wavelength, np.full(wavelength.size, 10.0)).matrix[0]
    twice = response_matrix(fine, np.append(wavelength, 550.0), np.full(wavelength.size + 1, 10.0))
    where = np.flatnonzero(wavelength == 550.0)[0]
    assert twice.matrix[0, where] + twice.matrix[0, -1] == pytest.approx(once[where])


def test_a_wavelength_recorded_at_two_gains_weighs_as_one_band():
    pace = load_sensor("pace-oci")
    row = seen_by(load_sensor("sentinel-2a").select(["B11"]), "pace-oci").matrix[0]
    low, high = (row[pace.band_names.index(name)] for name in ("SWIR006", "SWIR007"))
    assert low == pytest.approx(high, rel=0.05)
    assert low + high == pytest.approx(1.0)


def test_coverage_is_the_share_of_a_band_that_the_raster_sees():
    fine = sensor_from_bands([500.0, 600.0, 700.0], [50.0, 50.0, 50.0])
    wavelength = np.arange(405.0, 600.0, 10.0)
    response = response_matrix(fine, wavelength, np.full(wavelength.size, 10.0))
    np.testing.assert_allclose(response.coverage, [1.0, 0.5, 0.0], atol=0.01)
    assert not response.matrix[2].any()


def test_holes_and_bad_bands_are_not_covered():
    fine = sensor_from_bands([550.0], [60.0])
    wavelength = np.arange(400.0, 701.0, 5.0)
    fwhm = np.full(wavelength.size, 5.0)
    good = (wavelength < 530) | (wavelength > 570)
    bad = response_matrix(fine, wavelength, fwhm, good=good)
    absent = response_matrix(fine, wavelength[good], fwhm[good])
    assert 0.35 < bad.coverage[0] < 0.45
    assert not bad.matrix[:, ~good].any()
    np.testing.assert_allclose(bad.matrix[:, good], absent.matrix)


def test_two_gaussians_overlap_as_the_closed_form_says():
    wavelength = np.arange(480.0, 621.0, 10.0)
    fine = sensor_from_bands([550.0], [40.0])
    row = response_matrix(fine, wavelength, np.full(wavelength.size, 12.0)).matrix[0]
    width = np.hypot(40.0, 12.0) / np.sqrt(8 * np.log(2))
    expected = np.exp(-0.5 * ((wavelength - 550.0) / width) ** 2)
    np.testing.assert_allclose(row, expected / expected.sum(), atol=5e-5)


def test_unknown_fwhm_is_the_sampling_step():
    wavelength = np.arange(480.0, 621.0, 10.0)
    fine = sensor_from_bands([550.0], [40.0])
    known = response_matrix(fine, wavelength, np.full(wavelength.size, 10.0))
    np.testing.assert_allclose(response_matrix(fine, wavelength).matrix, known.matrix, atol=1e-12)


def test_bands_without_a_wavelength_are_left_out():
    fine = sensor_from_bands([550.0], [40.0])
    response = response_matrix(fine, [500.0, np.nan, 550.0, 600.0], None)
    assert response.matrix[0, 1] == 0
    assert response.matrix.sum() == pytest.approx(1.0)
    with pytest.raises(SensorError, match="no good band with a known wavelength"):
        response_matrix(fine, [np.nan, np.nan])


def test_a_fine_band_needs_a_curve_or_a_width():
    with pytest.raises(SensorError, match=r"band B2 .* neither a response curve nor"):
        response_matrix(sensor_from_bands([500.0, 600.0], [50.0, np.nan]), [500.0, 600.0])


def test_select_keeps_curves_and_the_order_asked_for():
    sensor = load_sensor("sentinel-2a")
    some = sensor.select(["B8", "B2"])
    assert some.band_names == ("B8", "B2")
    np.testing.assert_array_equal(some.curves.response[1], sensor.curves.response[1])
    full = seen_by(sensor, "enmap").matrix
    np.testing.assert_allclose(seen_by(some, "enmap").matrix, full[[7, 1]])
    with pytest.raises(SensorError, match=r"no band 'red'; its bands are B1, B2"):
        sensor.select(["B2", "red"])


def test_match_finds_the_bands_of_a_raster_by_their_centres():
    sensor = load_sensor("sentinel-2a")
    assert sensor.match([833.0, 490.0, 560.0]).band_names == ("B8", "B2", "B3")
    with pytest.raises(SensorError, match="no band at 1000 nm"):
        sensor.match([490.0, 1000.0])
    with pytest.raises(SensorError, match="same band"):
        sensor.match([490.0, 491.0])


def test_the_wavelengths_of_a_raster_beat_the_definition():
    enmap = load_sensor("enmap")
    shifted = enmap.with_bands(enmap.wavelength + 1.5)
    np.testing.assert_array_equal(shifted.wavelength, enmap.wavelength + 1.5)
    assert np.median(np.abs(shifted.fwhm - enmap.fwhm)[:-1]) < 0.5
    np.testing.assert_array_equal(shifted.good, enmap.good)
    assert (shifted.bands_status, shifted.psf) == ("file", enmap.psf)
    few = enmap.with_bands([500.0, 1400.0], [8.0, np.nan], ["green", "wet"])
    assert few.band_names == ("green", "wet")
    assert few.fwhm[0] == 8.0
    assert few.good.tolist() == [True, False]


def test_a_raster_with_wavelengths_of_the_wrong_sort_is_refused():
    with pytest.raises(SensorError, match="positive nanometres"):
        sensor_from_bands([0.0, 500.0])
    with pytest.raises(SensorError, match="one value for each of 2 bands"):
        sensor_from_bands([400.0, 500.0], [10.0])
