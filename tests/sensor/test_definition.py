import re
from importlib.resources import files

import numpy as np
import pytest

from hsfuse.core.psf import ASSUMED_PSF
from hsfuse.errors import SensorError
from hsfuse.sensor.catalogue import load_sensor
from hsfuse.sensor.definition import check_definition, fwhm_from_mtf

TOP = 'id = "mine"\ntitle = "Mine"\nkind = "ms"\ngsd_m = 2.0\ngsd_status = "nominal"\n'
BANDS = '[bands]\nfile = "b.csv"\nstatus = "nominal"\n'
SRF = '[srf]\nfile = "s.csv"\nstatus = "measured"\n'
PSF = '[psf]\nstatus = "measured"\n'


@pytest.fixture
def define(tmp_path):
    (tmp_path / "b.csv").write_text("band,centre_nm,fwhm_nm,good\nblue,450,40,1\nred,650,,0\n")
    (tmp_path / "s.csv").write_text(
        "wavelength_nm,blue,red\n400,0,0\n450,1,0\n500,0,0\n600,0,0\n650,0,1\n700,0,0\n"
    )

    def write(text):
        (tmp_path / "mine.toml").write_text(text)
        return tmp_path / "mine.toml"

    return write


@pytest.mark.parametrize(
    ("gain", "fwhm"),
    [
        (0.05, 1.835), (0.10, 1.609), (0.15, 1.460), (0.20, 1.345),
        (0.25, 1.248), (0.30, 1.163), (0.35, 1.086), (0.40, 1.015),
    ],
)  # fmt: skip
def test_mtf_at_nyquist_gives_the_gaussian_that_has_it(gain, fwhm):
    assert fwhm_from_mtf(gain) == pytest.approx(fwhm, abs=2e-3)
    sigma = fwhm_from_mtf(gain) / np.sqrt(8 * np.log(2))
    assert np.exp(-2 * np.pi**2 * sigma**2 * 0.5**2) == pytest.approx(gain)


@pytest.mark.parametrize("gain", [0.0, 1.0, -0.1, 1.5])
def test_an_mtf_that_no_blur_has_is_refused(gain):
    with pytest.raises(SensorError, match="between 0 and 1"):
        fwhm_from_mtf(gain)


def test_a_definition_says_all_that_a_sensor_is(define):
    sensor = load_sensor(
        define(
            TOP + BANDS + SRF + PSF + "fwhm_along_m = 3.0\nfwhm_across_m = 2.0\n"
            '[bad]\nwindows_nm = [[1340, 1445.0]]\nstatus = "convention"\n'
            '[source]\nurl = "u"\nlicence = "l"\n'
        )
    )
    assert sensor.band_names == ("blue", "red")
    assert np.isnan(sensor.fwhm[1])
    assert sensor.good.tolist() == [True, False]
    assert sensor.psf.fwhm == (1.5, 1.0)
    assert sensor.bad_windows == ((1340.0, 1445.0),)
    assert sensor.curves.status == "measured"


def test_without_a_psf_a_blur_of_one_pixel_is_assumed(define):
    assert load_sensor(define(TOP + BANDS)).psf == ASSUMED_PSF
    assert ASSUMED_PSF.status == "assumed"


def test_curves_alone_give_the_centres(define):
    sensor = load_sensor(define(TOP + SRF))
    np.testing.assert_allclose(sensor.wavelength, [450.0, 650.0])
    assert sensor.bands_status == "derived"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TOP + "gsd = 30\n" + BANDS, "unknown key gsd; known are .*gsd_m"),
        (TOP + BANDS + PSF + "fwhm = 2\n", r"unknown key \[psf\] fwhm; .*fwhm_across_px"),
        (TOP + BANDS + "[blur]\n", r"unknown section \[blur\]; known are \[bands\]"),
        (TOP.replace("2.0", '"2"') + BANDS, "gsd_m must be a positive number, got '2'"),
        (TOP.replace("2.0", "-2") + BANDS, "gsd_m must be a positive number, got -2"),
        (TOP.replace('"ms"', '"radar"') + BANDS, "kind must be one of hs, ms, rgb, pan"),
        (BANDS, "id must be text, got none"),
        (TOP, r"needs \[bands\] or \[srf\]"),
        (TOP + BANDS.replace("b.csv", "c.csv"), r"\[bands\] file must be a CSV beside it.*c.csv"),
        (TOP + BANDS.replace("nominal", "sure"), r"\[bands\] status must be one of .*'sure'"),
        (TOP + BANDS + PSF, r"\[psf\] must give fwhm_along_px .*, got none"),
        (TOP + BANDS + PSF + "mtf_nyquist_along = 0.2\n", r"\[psf\] must give"),
        (
            TOP + BANDS + PSF + "mtf_nyquist = 1.2\n",
            r"\[psf\] mtf_nyquist must be a number between 0 and 1, got 1.2",
        ),
        (
            TOP + BANDS + PSF + "fwhm_along_px = 1\nfwhm_across_px = 0\n",
            r"\[psf\] fwhm_across_px must be a positive number, got 0",
        ),
        (TOP + BANDS + '[bad]\nstatus = "assumed"\nwindows_nm = [[9, 8]]\n', "pairs"),
        (TOP + BANDS + '[bad]\nstatus = "assumed"\nwindows_nm = [5]\n', "pairs"),
        (TOP.split("gsd_status")[0] + BANDS, "gsd_status must be one of .*, got none"),
        (TOP.replace("2.0", "inf") + BANDS, "gsd_m must be a positive number, got inf"),
        (TOP.replace("2.0", "true") + BANDS, "gsd_m must be a positive number, got True"),
        (TOP + "aliases = [1]\n" + BANDS, r"aliases must be a list of text, got \[1\]"),
        ("id = ", "not valid TOML"),
    ],
)
def test_a_slip_in_a_definition_is_told_in_one_line(define, text, message):
    path = define(text)
    with pytest.raises(SensorError, match=message) as error:
        load_sensor(path)
    assert "mine" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (TOP + BANDS + SRF + PSF + "mtf_nyquist = 0.2\n", []),
        (
            TOP.replace("2.0", "-2").replace('"ms"', '"radar"') + BANDS.replace("nominal", "sure"),
            ["kind must be one of", "gsd_m must be a positive", r"\[bands\] status"],
        ),
        # A table that is not there, in a section with another fault.
        (TOP + '[bands]\nfile = "c.csv"\n', [r"\[bands\] status", r"\[bands\] file"]),
        (
            'title = "Mine"\n' + BANDS + PSF + "mtf_nyquist = 2.0\n[bad]\nwindows_nm = [[9, 8]]\n",
            [
                "id must be text",
                "kind .*got none",
                "mtf_nyquist must",
                r"\[bad\] status .*got none",
                "pairs",
            ],
        ),
    ],
)
def test_every_fault_of_its_own_is_one_line(define, tmp_path, text, messages):
    found = check_definition(define(text), tmp_path)
    assert len(found) == len(messages), found
    for line, message in zip(found, messages, strict=True):
        assert re.search(message, line)
        assert "mine.toml" in line
        assert "\n" not in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # A key misspelt is not also a key absent.
        (TOP.replace("title", "titles") + BANDS, "unknown key titles"),
        (TOP + BANDS.replace("file", "files"), r"unknown key \[bands\] files"),
        (TOP + BANDS.replace("status", "stats"), r"unknown key \[bands\] stats"),
        (TOP + BANDS + PSF + "fwhm = 2\n", r"unknown key \[psf\] fwhm"),
        # A section misspelt is not also a section absent.
        (TOP + BANDS.replace("[bands]", "[band]"), r"unknown section \[band\]"),
        # A pixel size that is none is not also a PSF without a pixel size.
        (
            TOP.replace("2.0", '"2"') + BANDS + PSF + "fwhm_along_m = 3.0\nfwhm_across_m = 2.0\n",
            "gsd_m must be a positive number",
        ),
        # A table that is not there does not also name other bands than the curves.
        (TOP + BANDS.replace("b.csv", "c.csv") + SRF, r"\[bands\] file must be"),
        (TOP + BANDS + SRF.replace('"s.csv"', "7"), r"\[srf\] file must be text, got 7"),
    ],
)
def test_what_follows_from_a_fault_is_not_told(define, tmp_path, text, message):
    (line,) = check_definition(define(text), tmp_path)
    assert re.search(message, line)


@pytest.mark.parametrize("way", ["../b.csv", "folder/../../b.csv", "absolute", "link.csv"])
def test_a_table_outside_the_folder_is_refused(define, tmp_path, way):
    """By a path or by a link: a definition that was handed over reads its own folder alone."""
    inner = tmp_path / "inner"
    (inner / "folder").mkdir(parents=True)
    (inner / "link.csv").symlink_to(tmp_path / "b.csv")
    file = str(tmp_path / "b.csv") if way == "absolute" else way
    path = define(TOP + BANDS.replace("b.csv", file)).rename(inner / "mine.toml")
    with pytest.raises(
        SensorError, match=r"mine.toml: \[bands\] file must be in the folder"
    ) as error:
        load_sensor(path)
    assert file in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_in_a_folder_below_is_read(define, tmp_path):
    """Within the folder of the definition, linked or not."""
    (tmp_path / "tables").mkdir()
    (tmp_path / "b.csv").rename(tmp_path / "tables" / "c.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "tables" / "c.csv")
    for file in ("tables/c.csv", "link.csv"):
        assert load_sensor(define(TOP + BANDS.replace("b.csv", file))).band_names == ("blue", "red")


def test_curves_and_bands_must_be_of_the_same_bands(define, tmp_path):
    path = define(TOP + BANDS + SRF)
    (tmp_path / "s.csv").write_text("wavelength_nm,blue\n400,1\n500,1\n")
    with pytest.raises(
        SensorError, match="the same bands in the same order, got blue and blue, red"
    ):
        load_sensor(path)


def test_the_faults_of_both_tables_are_told(define, tmp_path):
    path = define(TOP + BANDS + SRF)
    (tmp_path / "b.csv").write_text("band,centre_nm,fwhm_nm,good\nblue,450,40,yes\n")
    (tmp_path / "s.csv").write_text("wavelength_nm,blue,red\n400,1,0\n500,1,0\n")
    found = check_definition(path, tmp_path)
    assert ["s.csv" in line for line in found] == [True, False]


def test_loading_tells_the_first_fault_and_how_many_more_there_are(define):
    path = define(TOP.replace("2.0", "-2").replace('"ms"', '"radar"') + BANDS)
    with pytest.raises(SensorError, match=r"kind must be one of .*\(1 more; .*check"):
        load_sensor(path)


def test_a_missing_definition_is_told(tmp_path):
    with pytest.raises(SensorError, match="cannot be read"):
        load_sensor(tmp_path / "none.toml")


def test_every_shipped_table_belongs_to_a_definition_and_names_its_source():
    entries = {entry.name: entry for entry in files("hsfuse.sensors").iterdir()}
    tomls = [name for name in entries if name.endswith(".toml")]
    named = [
        line.split('"')[1]
        for name in tomls
        for line in entries[name].read_text(encoding="utf-8").splitlines()
        if line.startswith("file =")
    ]
    tables = {name for name in entries if name.endswith(".csv")} - {"withheld.csv"}
    assert set(named) == tables
    for name in tomls:
        text = entries[name].read_text(encoding="utf-8")
        assert text.count("sha256 =") == text.count("file =")
        assert all(f"\n{key} = " in text for key in ("url", "licence", "status"))
