"""The catalogue of sensors: what ships may, and what may not ship is loadable all the same."""

import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from hsfuse.sensor.catalogue import list_sensors, load_sensor
from hsfuse.sensor.definition import check_definition, fwhm_from_mtf, withheld

ROOT = Path(__file__).parents[2]
BANDS = "band,centre_nm,fwhm_nm,good\nBlue,460,60,1\nNIR,860,60,1\nPAN,650,,1\n"
CURVES = (
    "wavelength_nm,Blue,NIR,PAN\n430,0.1,0,0\n440,0.5,0,0.2\n450,1,0,0.5\n460,1,0,1\n470,1,0,1\n"
    "480,0.3,0,0.5\n850,0,0.4,0.3\n860,0,1,0.1\n870,0,0.4,0\n"
)
MTF = (
    "sensor,band,mtf_nyquist,source,kind\n"
    "mine,Blue,0.3,someone@1:a.m,literature convention\n"
    "mine,NIR,0.2,someone@1:a.m,literature convention\n"
    "mine,PAN,0.1,someone@1:b.m,literature convention\n"
    "mine,Blue,0.9,someone@1:a.m,measured\n"
    "other,Blue,0.4,someone@1:a.m,literature convention\n"
)


@pytest.fixture(scope="module")
def made():
    """Return the script, which is no part of the package."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import make_sensors  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return make_sensors


@pytest.fixture
def tables(tmp_path):
    for folder, content in (("bands", BANDS), ("srf", CURVES)):
        (tmp_path / "tables" / folder).mkdir(parents=True)
        (tmp_path / "tables" / folder / "mine.csv").write_text(content)
    (tmp_path / "tables" / "mtf.csv").write_text(MTF)
    return tmp_path / "tables"


def entry(made, **more):
    words = {"title": "Mine", "kind": "ms", "licence": "l", "url": "u", "table": "mine"}
    return made.Entry(**{**words, "srf_status": "measured", **more})


def test_what_ships_is_what_the_catalogue_lists(made):
    assert sorted(made.SENSORS) == list(list_sensors())
    assert not any(sensor.withheld for sensor in made.SENSORS.values())


def test_what_is_withheld_has_a_reason_and_no_file_in_the_package(made):
    shipped = {item.name for item in files("hsfuse.sensors").iterdir()}
    for name, sensor in made.WITHHELD.items():
        assert sensor.withheld, name
        assert f"{name}.toml" not in shipped
        assert withheld()[name] == sensor.withheld
    used = [sensor.table for sensor in made.SENSORS.values() if sensor.table]
    assert not set(used) & {sensor.table for sensor in made.WITHHELD.values()}


def test_sensors_that_share_a_table_are_said_to():
    contents = [
        item.read_bytes()
        for item in files("hsfuse.sensors").iterdir()
        if item.name.endswith(".csv")
    ]
    assert len(set(contents)) == len(contents), "two files of one content"


def test_a_licence_that_wants_its_holder_named_has_its_notice(made):
    notice = (ROOT / "NOTICE").read_text()
    for name, sensor in made.SENSORS.items():
        if sensor.url != "none":
            assert name in notice.replace(",", " ").replace(":", " ").split(), name
    for holder in ("Wyvern Inc.", "NTNU SmallSat Lab", "Xuheng Xao", "Colour"):
        assert holder in notice


def test_a_withheld_sensor_is_loaded_by_its_path(made, tables, tmp_path):
    mine = {"mine-1": entry(made, withheld="nobody said so", gsd=(2.0, "nominal", "page"))}
    made.write_sensors(mine, tables, tmp_path / "private")
    sensor = load_sensor(tmp_path / "private" / "mine-1.toml")
    assert sensor.band_names == ("Blue", "NIR", "PAN")
    assert sensor.gsd == 2.0
    assert "nobody said so" in sensor.source.note
    assert sensor.psf.status == "convention"
    assert sensor.psf.fwhm[1] == pytest.approx(fwhm_from_mtf(0.25)), "mean of Blue and NIR alone"


def test_a_sensor_without_a_figure_has_a_blur_that_is_assumed(made, tables, tmp_path):
    made.write_sensors({"mine-1": entry(made)}, tables, tmp_path / "out")
    sensor = load_sensor(tmp_path / "out" / "mine-1.toml")
    assert (sensor.psf.status, sensor.psf.fwhm[1]) == ("assumed", 1.0)


def test_a_table_that_is_not_there_is_told_before_anything_is_written(made, tables, tmp_path):
    with pytest.raises(SystemExit, match=r"nowhere\.csv: no such table"):
        made.refuse({"a": entry(made, table="nowhere")}, tables, tmp_path, overwrite=False)


def test_a_definition_that_is_there_is_replaced_only_when_asked(made, tables, tmp_path):
    mine = {"mine-1": entry(made)}
    made.refuse(mine, tables, tmp_path, overwrite=False)
    made.write_sensors(mine, tables, tmp_path)
    with pytest.raises(SystemExit, match=r"mine-1\.toml: exists already"):
        made.refuse(mine, tables, tmp_path, overwrite=False)
    made.refuse(mine, tables, tmp_path, overwrite=True)


def test_bands_that_the_source_calls_bad_are_flagged(made, tables, tmp_path):
    made.write_sensors({"mine-1": entry(made, bad_names=("NIR",))}, tables, tmp_path / "out")
    sensor = load_sensor(tmp_path / "out" / "mine-1.toml")
    assert sensor.good.tolist() == [True, False, True]


def test_a_hole_between_bands_holds_no_response(made):
    header, *rows = made.close_holes(CURVES).split()
    table = np.array([[float(value) for value in row.split(",")] for row in rows])
    assert header == CURVES.split()[0]
    blue, infrared, broad = (np.interp(600.0, table[:, 0], table[:, b]) for b in (1, 2, 3))
    assert (blue, infrared) == (0.0, 0.0)
    assert 0.3 < broad < 0.5, "a band on both sides of the hole is there within it"
    given = {float(row.split(",")[0]): row for row in CURVES.split()[1:]}
    assert set(given.values()) <= set(rows)


@pytest.fixture(scope="module")
def source_tables():
    folder = ROOT.parent / "shared" / "sensors"
    if not folder.is_dir():
        pytest.skip("the source tables, which are not part of hsfuse, are not beside it")
    return folder


def test_the_script_writes_the_files_that_ship(made, source_tables, tmp_path):
    made.write_sensors(made.SENSORS, source_tables, tmp_path)
    made.write_withheld(tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    shipped = {
        item.name: item.read_bytes()
        for item in files("hsfuse.sensors").iterdir()
        if item.name.endswith((".toml", ".csv"))
    }
    assert written == shipped


def test_every_source_table_ships_or_is_withheld_and_loads(made, source_tables, tmp_path):
    listed = {item.table for item in (*made.SENSORS.values(), *made.WITHHELD.values())}
    tables = {path.stem for path in source_tables.glob("*/*.csv")}
    assert {name for name in tables if not name.startswith("_")} == listed - {""}
    made.write_sensors(made.WITHHELD, source_tables, tmp_path)
    for name in made.WITHHELD:
        assert check_definition(tmp_path / f"{name}.toml", tmp_path) == ()
