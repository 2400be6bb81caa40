import math

import numpy as np
import pytest
import rasterio
from affine import Affine

from hsfuse.errors import RasterError
from hsfuse.io.input.bands import BandTable, file_bands, with_sensor
from hsfuse.io.input.handles import open_quietly
from hsfuse.io.input.wavelengths import from_descriptions, nanometres
from hsfuse.sensor.catalogue import load_sensor, sensor_from_bands

IMAGERY = [{"CENTRAL_WAVELENGTH_UM": "0.45", "FWHM_UM": "0.02"}, {"CENTRAL_WAVELENGTH_UM": "0.55"}]
ENVI = {"wavelength": "{460, 560}", "fwhm": "{5, 6}", "wavelength_units": "Nanometers"}
ITEMS = [{"wavelength": "0.47", "wavelength_units": "um"}, {"wavelength": "0.57"}]
DESCRIPTIONS = ["blue (480.0 nm)", "green (580.0 nm)"]


def table_of(
    path, *, imagery=(), envi=None, items=(), descriptions=(), count=2, **more
) -> BandTable:
    profile = more | {"driver": "GTiff", "width": 4, "height": 3, "count": count, "dtype": "uint8"}
    with rasterio.open(path, "w", transform=Affine(1, 0, 5, 0, -1, 5), **profile) as target:
        target.write(np.ones((count, 3, 4), dtype="uint8"))
        for index, tags in enumerate(imagery, start=1):
            target.update_tags(index, ns="IMAGERY", **tags)
        for index, tags in enumerate(items, start=1):
            target.update_tags(index, **tags)
        for index, text in enumerate(descriptions, start=1):
            target.set_band_description(index, text)
        if envi:
            target.update_tags(ns="ENVI", **envi)
    with rasterio.open(path) as source:
        return file_bands(source, source.indexes)


def test_the_first_carrier_that_knows_a_wavelength_is_believed(tmp_path) -> None:
    carriers = [
        ("imagery", IMAGERY, "IMAGERY domain", [450, 550]),
        ("envi", ENVI, "ENVI header", [460, 560]),
        ("items", ITEMS, "band items", [470, 570]),
        ("descriptions", DESCRIPTIONS, "band descriptions", [480, 580]),
    ]
    for first in range(len(carriers)):
        stated = {name: value for name, value, *_ in carriers[first:]}
        table = table_of(tmp_path / f"{first}.tif", **stated)
        assert table.source == carriers[first][2]
        np.testing.assert_array_equal(table.wavelength, carriers[first][3])
    assert table_of(tmp_path / "none.tif").source == "none"


def test_unnamed_bands_have_the_names_of_the_colours_that_the_file_states(tmp_path) -> None:
    """Names, wavelengths and files of some colours only keep what they have."""
    table = table_of(tmp_path / "a.tif", count=4, photometric="RGB", alpha="UNSPECIFIED")
    assert table.names == ("red", "green", "blue", "band 4")
    assert not table.named
    assert table_of(tmp_path / "b.tif", count=3, photometric="MINISBLACK").names == (
        "band 1",
        "band 2",
        "band 3",
    )
    named = table_of(tmp_path / "c.tif", descriptions=["nir"], count=3, photometric="RGB")
    assert named.names == ("nir", "band 2", "band 3")


def test_a_width_is_taken_from_where_it_is_known(tmp_path) -> None:
    table = table_of(tmp_path / "a.tif", imagery=IMAGERY, envi=ENVI)
    np.testing.assert_array_equal(table.fwhm, [20, math.nan])
    table = table_of(tmp_path / "b.tif", items=ITEMS, envi={"fwhm": "{0.005, 0.006}"})
    assert table.source == "band items"
    table = table_of(tmp_path / "c.tif", descriptions=DESCRIPTIONS, imagery=[{"FWHM_UM": "0.01"}])
    np.testing.assert_array_equal(table.fwhm, [10, math.nan])


@pytest.mark.parametrize("unit", ["Nanometers", "nanometres", "nm", "Unknown", "", " NM "])
def test_nanometres_by_any_name(unit) -> None:
    np.testing.assert_array_equal(nanometres([400.5, 2500.0], unit), [400.5, 2500.0])


@pytest.mark.parametrize(
    "unit", ["Micrometers", "micrometre", "um", "µm", "microns", "Unknown", ""]
)
def test_micrometres_by_any_name(unit) -> None:
    np.testing.assert_array_equal(nanometres([0.65, 2.5], unit), [650.0, 2500.0])


def test_a_width_has_the_unit_of_its_wavelength() -> None:
    np.testing.assert_array_equal(nanometres([5.8, 6.0], "", reference=[460.0, 470.0]), [5.8, 6.0])
    np.testing.assert_array_equal(nanometres([0.0058], "", reference=[0.46]), [5.8])


@pytest.mark.parametrize("unit", ["Index", "Wavenumber", "GHz"])
def test_other_units_are_no_wavelengths(unit) -> None:
    assert nanometres([1.0, 2.0], unit) is None


def test_lengths_that_are_not_positive_are_unknown() -> None:
    np.testing.assert_array_equal(
        nanometres([0.0, -1.0, math.inf, 500.0], "nm"), [math.nan] * 3 + [500]
    )


def test_lengths_beyond_a_millimetre_are_unknown() -> None:
    np.testing.assert_array_equal(
        nanometres([1e303, 2000.0, 12.5], "um"), [math.nan, math.nan, 12500]
    )


@pytest.mark.parametrize(
    ("descriptions", "expected"),
    [
        (["650.0 nm", "700 NM"], [650, 700]),
        (["Band 12 (0.65 um)", "band 8 (0.460000 Micrometers)"], [650, 460]),
        (["650", "700.5"], [650, 700.5]),
        (["0.65", "0.7"], [650, 700]),
        (["650-670 nm", "Red"], [660, math.nan]),
        (["B2", "B3"], [math.nan] * 2),
        (["1", "2"], [math.nan] * 2),
        (["650", "650"], [math.nan] * 2),
        (["650", "red"], [math.nan] * 2),
        (["12 nmea", ""], [math.nan] * 2),
    ],
)
def test_descriptions_that_mean_wavelengths(descriptions, expected) -> None:
    np.testing.assert_array_equal(from_descriptions(descriptions)[0], expected)


def test_a_range_has_a_width() -> None:
    np.testing.assert_array_equal(from_descriptions(["630 - 690 nm"])[1], [60])


def test_bad_bands_may_be_written_as_floats_or_found_by_statistics(tmp_path) -> None:
    table = table_of(tmp_path / "a.tif", envi={"bbl": "{1.0, 0.0}"})
    assert table.good.tolist() == [True, False]
    table = table_of(tmp_path / "b.tif", items=[{"STATISTICS_VALID_PERCENT": "0"}, {}])
    assert table.good.tolist() == [False, True]


def test_a_header_of_more_bands_than_the_copy_has_is_not_believed(tmp_path) -> None:
    envi = ENVI | {"wavelength": "{460, 560, 660}", "fwhm": "{1, 2, 3}", "bbl": "{0, 0, 0}"}
    table = table_of(tmp_path / "a.tif", envi=envi, descriptions=DESCRIPTIONS)
    assert table.source == "band descriptions"
    assert table.good.all()
    assert np.isnan(table.fwhm).all()


def test_a_list_that_contradicts_its_own_envi_file_is_refused(tmp_path) -> None:
    np.zeros((2, 3, 4), dtype="uint8").tofile(tmp_path / "a.dat")
    (tmp_path / "a.hdr").write_text(
        "ENVI\nsamples = 4\nlines = 3\nbands = 2\nheader offset = 0\ndata type = 1\n"
        "interleave = bsq\nbyte order = 0\nbbl = {1, 0, 1}\n"
    )
    source = open_quietly(str(tmp_path / "a.dat"))
    with source, pytest.raises(RasterError, match=r"'bbl' .* each of its 2 bands"):
        file_bands(source, source.indexes)


def test_a_sensor_fills_in_what_the_file_does_not_know(tmp_path) -> None:
    table = table_of(tmp_path / "a.tif", count=13)
    sensor = load_sensor("sentinel-2a")
    filled = with_sensor(table, sensor)
    assert filled.source == "sensor sentinel-2a"
    assert filled.names == sensor.band_names
    np.testing.assert_array_equal(filled.wavelength, sensor.wavelength)
    np.testing.assert_array_equal(filled.good, sensor.good)
    assert filled.wavelength is not sensor.wavelength


def test_a_sensor_fits_by_the_names_of_its_bands_or_not_at_all(tmp_path) -> None:
    sensor = load_sensor("sentinel-2a")
    named = table_of(tmp_path / "a.tif", descriptions=["b4", "B3"])
    chosen = sensor.select(["B4", "B3"])
    np.testing.assert_array_equal(with_sensor(named, sensor).wavelength, chosen.wavelength)
    other = table_of(tmp_path / "b.tif", descriptions=["red", "B3"])
    assert with_sensor(other, sensor) is other


def test_what_the_file_knows_beats_the_sensor(tmp_path) -> None:
    table = table_of(tmp_path / "a.tif", imagery=IMAGERY)
    assert with_sensor(table, sensor_from_bands([1.0, 2.0], [1.0, 1.0])) is table


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (range(1, 31), "Index"), (range(1, 31), "Unknown"), (range(1, 31), ""),
        (range(1, 31), "um"), (range(1, 225), ""), (range(1, 225), "nm"), (range(11, 41), ""),
        ([3, 5, 8, 40], "Unknown"), (range(30), ""), ([9000.0, 8000.0], "Wavenumber"),
    ],
)  # fmt: skip
def test_numbers_that_count_bands_are_no_wavelengths(tmp_path, values, unit) -> None:
    """In the header of an ENVI file, in a copy of it, and in tags; what was found is a note."""
    count = len(values)
    words = "{" + ", ".join(map(str, values)) + "}"
    np.zeros((count, 3, 4), dtype="uint8").tofile(tmp_path / "a.dat")
    (tmp_path / "a.hdr").write_text(
        f"ENVI\nsamples = 4\nlines = 3\nbands = {count}\ndata type = 1\ninterleave = bsq\n"
        f"byte order = 0\nwavelength units = {unit}\nwavelength = {words}\n"
    )
    with open_quietly(str(tmp_path / "a.dat")) as source:
        table = file_bands(source, source.indexes)
    copy = table_of(
        tmp_path / "copy.tif", envi={"wavelength": words, "wavelength_units": unit}, count=count
    )
    for found in (table, copy):
        assert found.source == "none"
        assert np.isnan(found.wavelength).all()
        assert "so none are known" in found.notes[0]


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([450, 550, 650], "", [450, 550, 650]),
        ([400, 401, 402], "", [400, 401, 402]),
        ([8, 9, 10], "um", [8000, 9000, 10000]),
        ([1, 2], "um", [1000, 2000]),
        ([0.4, 1.0, 2.0], "", [400, 1000, 2000]),
    ],
)
def test_whole_numbers_may_be_wavelengths(values, unit, expected) -> None:
    """Where they do not count from 1, and have a unit or can have but one."""
    np.testing.assert_array_equal(nanometres(values, unit), expected)
