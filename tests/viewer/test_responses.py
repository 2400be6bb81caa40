"""Responses of the viewer: pictures and numbers of the rasters, refusals in one line."""

import csv
import io

import numpy as np
import pytest
from PIL import Image
from view_files import facts

from hsfuse.core.picture import stretched
from hsfuse.viewer.responses import respond

TILE_QUERY = "bands=5,3,1&low=0,0.1,0.2&high=1,0.9,0.8"


def picture(response) -> np.ndarray:
    assert response.status == 200, response.body
    return np.asarray(Image.open(io.BytesIO(response.body)))


def test_a_tile_is_the_stretched_raster_and_transparent_without_data(scene, files):
    found = picture(respond(scene, "tile/fused/0/0/0.png", TILE_QUERY))
    values = files[1]["fused"][[4, 2, 0], :256, :256]
    limits = np.array([0, 0.1, 0.2], np.float32), np.array([1, 0.9, 0.8], np.float32)
    known = np.isfinite(values).all(axis=0)
    expected = np.rint(stretched(values, limits) * 255)
    np.testing.assert_array_equal(found[known][:, :3], expected[known])
    np.testing.assert_array_equal(found[..., 3] == 255, known)


def test_a_single_band_has_the_colours_of_its_map(scene, files):
    query = "bands=2&low=0&high=1&colours=gray"
    found = picture(respond(scene, "tile/ms/0/1/0.png", query))
    values = files[1]["ms"][1, 3 + 256 : 303, 5 : 5 + 256]
    assert np.abs(found[:44, :, 0] / 255 - values).max() < 2 / 255  # 256 colours
    assert not found[44:, :, 3].any()


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("tile/fused/0/2/0.png", TILE_QUERY, 404),
        ("tile/fused/9/0/0.png", TILE_QUERY, 404),
        ("tile/other/0/0/0.png", TILE_QUERY, 404),
        ("tile/fused/0/0/0.png", "bands=7&low=0&high=1&colours=gray", 404),
        ("tile/fused/0/0/0.png", "bands=1&low=0&high=1&colours=jet", 404),
        ("tile/fused/0/0/0.png", "bands=1&low=1&high=1&colours=gray", 400),
        ("tile/fused/0/0/0.png", "bands=1,2&low=0,0&high=1,1", 400),
        ("tile/fused/0/0/-1.png", TILE_QUERY, 400),
        ("tile/fused/0/0/0.png", "bands=1&low=nan&high=1&colours=gray", 400),
        ("limits.json", "layer=fused&bands=1&percentiles=98,2", 400),
        ("spectra.json", "row=300&column=0", 404),
        ("spectra.csv", "", 400),
        ("../responses.py", "", 404),
        ("%2e%2e/__init__.py", "", 404),
        ("leaflet/LICENSE", "", 404),
    ],
)
def test_what_there_is_not_is_refused_in_one_line(scene, path, query, status):
    response = respond(scene, path, query)
    assert response.status == status
    assert response.body.count(b"\n") == 1
    assert b"Traceback" not in response.body


def test_limits_are_percentiles_of_the_raster(scene, files):
    found = facts(respond(scene, "limits.json", "layer=fused&bands=3,1,2&percentiles=5,90"))
    values = files[1]["fused"][[2, 0, 1]].reshape(3, -1)
    np.testing.assert_allclose(found["low"], np.nanpercentile(values, 5, axis=1), rtol=1e-5)
    np.testing.assert_allclose(found["high"], np.nanpercentile(values, 90, axis=1), rtol=1e-5)


def test_spectra_are_exactly_those_of_the_rasters(scene, files):
    found = facts(respond(scene, "spectra.json", "row=123&column=45"))
    stored = files[1]
    assert found["fused"]["values"] == stored["fused"][:, 123, 45].astype(float).tolist()
    assert found["hs"]["values"] == stored["hs"][:, 123 // 4, 45 // 4].astype(float).tolist()
    assert found["ms"]["values"] == stored["ms"][:, 126, 50].astype(float).tolist()
    assert (found["x"], found["y"]) == (400000 + 2.5 * 50.5, 5800000 - 2.5 * 126.5)
    assert 13 < found["longitude"] < 14
    assert 52 < found["latitude"] < 53


def test_a_pixel_without_data_has_no_values(scene):
    found = facts(respond(scene, "spectra.json", "row=10&column=20"))
    assert found["fused"]["values"] == [None] * 6


def test_the_table_holds_the_spectra_of_every_pixel(scene, files):
    response = respond(scene, "spectra.csv", "pixel=0,0&pixel=123,45")
    lines = list(csv.DictReader(io.StringIO(response.body.decode())))
    assert len(lines) == 2 * (6 + 6 + 3)
    fused = [line for line in lines if line["row"] == "123" and line["image"] == "fused"]
    values = [float(line["value"]) for line in fused]
    assert values == files[1]["fused"][:, 123, 45].astype(float).tolist()
    assert [float(line["wavelength_nm"]) for line in fused] == [480, 560, 660, 780, 860, 900]
    assert "attachment" in response.headers["Content-Disposition"]


def test_the_scene_names_bands_for_natural_and_false_colour(scene):
    found = facts(respond(scene, "scene.json"))
    assert found["layers"]["fused"]["natural"] == [2, 1, 0]
    assert found["layers"]["fused"]["natural_text"].startswith("natural colours, ")
    assert found["layers"]["fused"]["false"] == [4, 2, 1]
    assert (found["rows"], found["columns"], found["deepest"]) == (300, 280, 1)
    assert (found["crs"], found["pixel_metres"]) == ("EPSG:32633", 2.5)


def test_every_file_that_the_page_names_is_there(scene):
    import re

    page = respond(scene, "").body.decode()
    names = re.findall(r'(?:href|src)="([^"#:]+)"', page)
    modules = [
        each
        for name in ("view.js", "map.js", "spectra.js")
        for each in re.findall(r'from "\./([^"]+)"', respond(scene, name).body.decode())
    ]
    assert len(names) > 4
    assert len(modules) > 4
    for name in [*names, *modules]:
        assert respond(scene, name).status == 200, name
