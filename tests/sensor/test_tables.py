"""What is wrong with a table is told, each fault in a line that says where it is."""

import numpy as np
import pytest

from hsfuse.sensor.tables import bands_of_curves, read_bands, read_curves

BANDS = "band,centre_nm,fwhm_nm,good\nblue,450,40,1\nred,650,,0\n"
CURVES = "wavelength_nm,blue,red\n400,0,0\n450,1,0\n500,0,0\n650,0,1\n700,0,0\n"


@pytest.fixture
def table(tmp_path):
    def write(content, encoding="utf-8"):
        (tmp_path / "t.csv").write_text(content, encoding=encoding, newline="")
        return tmp_path / "t.csv"

    return write


def test_a_sound_table_of_bands_is_read_without_a_word(table):
    faults = []
    bands = read_bands(table(BANDS), faults)
    assert faults == []
    assert bands.names == ("blue", "red")
    assert bands.centre.tolist() == [450, 650]
    assert np.isnan(bands.fwhm[1])
    assert bands.good.tolist() == [True, False]


def test_a_sound_table_of_curves_is_read_without_a_word(table):
    faults = []
    curves = read_curves(table(CURVES), faults, negative=False)
    assert faults == []
    assert curves.response.shape == (2, 5)
    assert bands_of_curves(curves).centre.tolist() == [450, 650]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("band,centre,fwhm,good\nx,1,1,1\n", "columns must be band,centre_nm"),
        ("band,centre_nm,fwhm_nm,good\nx,450,0,1\n", "blank where unknown"),
        ("band,centre_nm,fwhm_nm,good\nx,450,,1\ny,450,,1\n", "no two bands the same"),
        ("band,centre_nm,fwhm_nm,good\nx,,,1\n", "centre_nm must be positive"),
        ("band,centre_nm,fwhm_nm,good\nx,450,wide,1\n", "'wide' is not a number"),
        ("band,centre_nm,fwhm_nm,good\nx,450,10\n", "every row must have 4"),
        ("band,centre_nm,fwhm_nm,good\nx,450,10,yes\n", "good must be 0 or 1"),
        ("", "a header and at least one row"),
    ],
)
def test_one_slip_in_a_table_of_bands_is_one_line(table, content, message):
    path, faults = table(content), []
    assert read_bands(path, faults) is None
    (line,) = faults
    assert message in line
    assert line.startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("wavelength_nm,blue,red\n500,1,1\n400,1,1\n", "must be positive and increase"),
        ("wavelength_nm,blue,red\n400,1,1\n500,1,-1\n", "cannot be negative"),
        ("wavelength_nm,blue,red\n400,1,0\n500,1,0\n", "must respond somewhere"),
        ("wavelength_nm,blue,red\n400,1,\n500,1,1\n", "finite number"),
        ("wavelength,blue\n400,1\n500,1\n", "columns must be wavelength_nm and one for each"),
        ("wavelength_nm,blue,blue\n400,1,1\n500,1,1\n", "one for each band"),
        ("wavelength_nm,blue\n0.4,1\n0.5,1\n", "nanometres, got 0.4 to 0.5"),
    ],
)
def test_one_slip_in_a_table_of_curves_is_one_line(table, content, message):
    path, faults = table(content), []
    assert read_curves(path, faults, negative=False) is None
    (line,) = faults
    assert message in line
    assert line.startswith(f"{path}: ")


def test_every_fault_of_its_own_is_told_with_where_it_is(table):
    faults = []
    read_bands(
        table("band,centre_nm,fwhm_nm,good\nblue,450,-4,1\nred,650,1,maybe\nred,-1,1,1\n"), faults
    )
    read_curves(table("wavelength_nm,blue,red\n500,1,0\n400,-1,0\n"), faults, negative=False)
    for line, message in zip(
        faults,
        (
            "name of its own, got red more than once",
            "centre_nm must be positive, got -1 for band red",
            "got -4 for band blue",
            "good must be 0 or 1, got 'maybe'",
            "must be positive and increase",
            "cannot be negative, got -1 for band blue",
            "must respond somewhere, not so red",
        ),
        strict=True,
    ):
        assert message in line


def test_responses_below_zero_can_be_meant(table):
    faults = []
    curves = read_curves(table("wavelength_nm,R\n400,-0.2\n500,1\n"), faults, negative=True)
    assert faults == []
    assert curves.response.min() == -0.2


def test_micrometres_are_not_taken_for_nanometres(table):
    faults = []
    assert (
        read_bands(table("band,centre_nm,fwhm_nm,good\nx,0.45,0.02,1\ny,2.2,,1\n"), faults) is None
    )
    assert "must be nanometres, got 0.45 to 2.2" in faults[0]


def test_a_table_from_a_spreadsheet_may_begin_with_a_byte_order_mark(table):
    faults = []
    assert read_bands(table(BANDS.replace("\n", "\r\n"), "utf-8-sig"), faults) is not None
    assert faults == []


def test_text_that_is_not_utf_8_is_told(table):
    faults = []
    assert read_bands(table(BANDS.replace("blue", "bl\u00fc"), "latin-1"), faults) is None
    assert "CSV text in UTF-8" in faults[0]
