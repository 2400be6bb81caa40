"""Airborne cubes in ENVI format: the header, and what the makers leave to their documents."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hsfuse.cli.main import main

from hsfuse.errors import RasterError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.read import open_raster
from hsfuse.sensor.catalogue import load_sensor

AVIRIS = "f080611t01p00r07rdn_c_sc01_ort_img"
REFLECTANCE = "f080611t01p00r07_refl"
NEXT = "ang20170714t213741_corr_v2p9_img"
HYSPEX = "field_VNIR_1800_SN00841_FOVx2_raw_rad.bsq"
#: As the header of an AVIRIS-NG scene states it (ornldaac/AVIRIS-NG_ENVI-rotatedgrid).
MAP_INFO = "{UTM, 1, 1, 581226.666764, 7916192.56364, 5.2, 5.2, 4, North,WGS-84, rotation=42}"


@pytest.fixture
def scene(tmp_path: Path):
    def write(name: str, stored: np.ndarray, **fields: object) -> Path:
        bands, rows, columns = stored.shape
        types = {"int16": 2, "float32": 4, "uint16": 12}
        header = {
            "description": "{made for a test}", "samples": columns, "lines": rows, "bands": bands,
            "header offset": 0, "file type": "ENVI Standard", "data type": types[str(stored.dtype)],
            "interleave": "bip", "byte order": 0, "map info": MAP_INFO,
        } | {key.replace("_", " "): value for key, value in fields.items()}  # fmt: skip
        data = tmp_path / name
        stored.transpose(1, 2, 0).tofile(data)
        text = "".join(f"{key} = {value}\n" for key, value in header.items())
        header_name = f"{name}.hdr" if "." not in name else f"{data.stem}.hdr"
        data.with_name(header_name).write_text(f"ENVI\n{text}")
        return data

    return write


def listed(values) -> str:
    return "{ " + " , ".join(f"{value:.4f}" for value in values) + " }"


def draw(bands: int, kind: str = "int16") -> np.ndarray:
    stored = np.random.default_rng(0).integers(1, 5000, (bands, 8, 6)).astype(kind)
    stored[:, :2, :2] = -9999 if kind != "uint16" else 0
    return stored


def test_radiance_of_aviris_is_divided_by_the_gain_of_each_band(scene) -> None:
    table = load_sensor("aviris")
    stored = draw(224)
    stored[:, 7] = -50
    data = scene(
        AVIRIS, stored, wavelength=listed(table.wavelength + 0.3), fwhm=listed(table.fwhm),
        wavelength_units="Nanometers",
    )  # fmt: skip
    gain = np.repeat([300.0, 600.0, 1200.0, 300.0], 56)
    lines = "".join(f"  {value:.6f}   {band + 1}\n" for band, value in enumerate(gain))
    data.with_name("f080611t01p00r07rdn_c.gain").write_text(lines)
    for path in (data, data.with_name(f"{AVIRIS}.hdr")):
        raster = open_raster(path)
        expected = np.where(stored < 0, np.nan, stored / gain[:, None, None])
        np.testing.assert_allclose(raster, expected, rtol=1e-6)
        np.testing.assert_allclose(raster["wavelength"], table.wavelength + 0.3, atol=1e-4)
        assert raster.attrs["sensor"] == "aviris"
        assert raster.attrs["units"] == "uW cm-2 nm-1 sr-1"
        assert raster_notes(raster)[0].startswith("no data is assumed to be -9999 and -50")
        assert raster.attrs["source_scale"] == pytest.approx((1 / gain).tolist())
        assert not raster["good"].values[np.argmin(abs(table.wavelength - 1400))]


def test_radiance_without_its_gains_is_left_as_stored_and_that_is_said(scene) -> None:
    stored = draw(224)
    raster = open_raster(scene(AVIRIS, stored))
    np.testing.assert_array_equal(raster, np.where(stored < 0, np.nan, stored))
    assert "units" not in raster.attrs
    assert any("no *.gain lies beside it" in note for note in raster_notes(raster))
    np.testing.assert_array_equal(raster["wavelength"], load_sensor("aviris").wavelength)


@pytest.mark.parametrize(
    ("text", "message"),
    [("300 1\n600 2\n", "holds 2 gains above 0 and .* has 224 bands"), ("a b\n", "could not conv")],
)
def test_broken_gains_are_one_line_that_names_them(scene, text, message) -> None:
    data = scene(AVIRIS, draw(224))
    gains = data.with_name("f080611t01p00r07rdn_c.gain")
    gains.write_text(text)
    with pytest.raises(RasterError, match=message) as refusal:
        open_raster(data)
    assert str(refusal.value).startswith(f"{gains}: ")
    assert "expected" in str(refusal.value)


@pytest.mark.parametrize("stated", [True, False])
def test_integers_of_reflectance_are_scaled_as_stated_or_as_is_the_custom(scene, stated) -> None:
    stored = draw(224)
    fields = {"reflectance_scale_factor": 5000, "data_ignore_value": -9999} if stated else {}
    raster = open_raster(scene(REFLECTANCE, stored, **fields))
    expected = np.where(stored < 0, np.nan, stored / (5000 if stated else 10000))
    np.testing.assert_allclose(raster, expected, rtol=1e-6)
    assumed = [note for note in raster_notes(raster) if "assumed" in note]
    assert len(assumed) == (0 if stated else 2)


def test_a_turned_scene_of_aviris_ng_lies_where_its_header_says(scene) -> None:
    table = load_sensor("aviris-ng")
    stored = draw(425, "float32") / 5000
    stored[stored < 0] = -9999
    flags = listed(table.good.astype(float))
    data = scene(
        NEXT, stored.astype("float32"), wavelength=listed(table.wavelength),
        fwhm=listed(table.fwhm), wavelength_units="Nanometers", bbl=flags, data_ignore_value=-9999,
    )  # fmt: skip
    raster = open_raster(data)
    np.testing.assert_allclose(
        raster.rio.transform()[:6],
        (3.86435309248245, 3.479479153066063, 581226.666764,
         3.479479153066063, -3.86435309248245, 7916192.56364),
    )  # fmt: skip
    assert raster.rio.crs.to_epsg() == 32604
    np.testing.assert_array_equal(raster, np.where(stored < 0, np.nan, stored))
    np.testing.assert_array_equal(raster["good"], table.good)
    assert raster.attrs["sensor"] == "aviris-ng"
    assert raster_notes(raster) == []


def test_hyspex_states_its_wavelengths_and_no_widths(scene) -> None:
    stored = draw(5, "uint16")
    centres = np.array([407.4, 410.6, 413.8, 416.9, 420.1])
    data = scene(
        HYSPEX, stored, wavelength=listed(centres), wavelength_units="nm", data_ignore_value=0,
        reflectance_scale_factor=10000,
    )  # fmt: skip
    raster = open_raster(data.with_suffix(".hdr"))
    np.testing.assert_allclose(raster["wavelength"], centres, atol=1e-6)
    np.testing.assert_allclose(raster, np.where(stored == 0, np.nan, stored / 10000), rtol=1e-6)
    assert raster.attrs["product"] == "HySpex"
    assert raster.attrs["sensor"] == ""
    assert raster_notes(raster) == [
        "the header states no width of its bands: each is taken for one step wide"
    ]


def test_the_raw_file_of_hyspex_is_found_by_its_header(scene) -> None:
    data = scene(HYSPEX.replace(".bsq", ".hyspex"), draw(3, "uint16"), header_offset=0)
    assert open_raster(data.with_suffix(".hdr")).attrs["source"] == str(data)


def test_a_geotiff_that_is_called_after_a_flight_is_none(tmp_path) -> None:
    path = tmp_path / f"{NEXT}_fused.tif"
    path.write_bytes(b"no raster")
    with pytest.raises(RasterError, match="not a raster that can be read"):
        open_raster(path)


def test_a_truncated_cube_is_refused(scene) -> None:
    data = scene(NEXT, draw(5, "float32"))
    data.write_bytes(data.read_bytes()[:-10])
    with pytest.raises(RasterError, match=r"truncated, .* get the whole file"):
        open_raster(data)


def test_info_shows_a_cube_and_what_was_assumed_of_it(scene) -> None:
    result = CliRunner().invoke(main, ["info", str(scene(AVIRIS, draw(224)))])
    assert result.exit_code == 0, result.output
    for words in ("AVIRIS", "sensor          aviris", "no *.gain lies beside it", "EPSG:32604"):
        assert words in result.stdout
