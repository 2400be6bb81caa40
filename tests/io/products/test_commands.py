"""Products on the command line: nothing after the opening knows that they are products."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hsfuse.cli.main import main

from hsfuse.io.read import open_raster
from hsfuse.sensor.catalogue import load_sensor, response_matrix

WAVELENGTH = np.linspace(420.0, 1000.0, 48)
BANDS = ["B2", "B3", "B4", "B8"]


def hsfuse(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize(
    ("kind", "product", "sensor"),
    [
        ("enmap", "EnMAP L2A", "enmap"),
        ("desis", "DESIS L2A", "desis"),
        ("prisma", "PRISMA L2D", "prisma"),
        ("emit", "EMIT L2A", "emit"),
        ("sentinel2", "Sentinel-2 L2A", "sentinel-2a:B2,B3,B4,B8"),
        ("planet", "PlanetScope top-of-atmosphere reflectance", "planetscope-dove:"),
    ],
)
def test_info_shows_a_product_and_what_was_assumed_of_it(request, kind, product, sensor) -> None:
    made = request.getfixturevalue(kind)()
    path = made.folder if kind in ("enmap", "desis", "sentinel2") else made.image
    result = hsfuse("info", path, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["product"] == product
    assert facts["sensor"].startswith(sensor)
    assert facts["crs"] in ("EPSG:32633", "EPSG:4326")
    assert None not in facts["wavelength"]
    text = hsfuse("info", path).stdout
    assert product in text
    for note in facts["notes"]:
        assert note in text
    # A resumed run has to see the same pixels under the same name.
    assert open_raster(path).data.name == open_raster(path).data.name


def test_a_broken_product_is_one_line(enmap) -> None:
    result = hsfuse("info", enmap(text=lambda document: document[:50]).folder)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "METADATA.XML: not XML" in result.stderr


@pytest.fixture
def pair(enmap, sentinel2) -> tuple:
    """Return two materials in smooth fields, as both satellites would see them, and the truth."""
    rows, columns = np.mgrid[:72, :72] / 72
    share = 0.5 + 0.4 * np.sin(9 * rows + 4 * columns) * np.cos(7 * columns)
    share[20:40, 31:52] = 0.9
    soil, leaf = 0.1 + WAVELENGTH / 4000, 0.05 + 0.45 / (1 + np.exp((715 - WAVELENGTH) / 12))
    truth = soil[:, None, None] * share + leaf[:, None, None] * (1 - share)
    table = load_sensor("sentinel-2a").select(BANDS)
    response = response_matrix(table, WAVELENGTH, 6 + np.arange(48) / 8).matrix
    fine = np.rint(np.einsum("fb,brc->frc", response, truth) * 10000).astype(int)
    offsets = np.array([-1010, -1020, -1030, -1070])[:, None, None]
    coarse = truth.reshape(48, 24, 3, 24, 3).mean((2, 4))
    gain = 1e-4 * (1 + np.arange(48)[:, None, None] / 4)
    stored = np.rint((coarse - np.arange(48)[:, None, None] / 100) / gain).astype(np.int16)
    return enmap(WAVELENGTH, stored=stored), sentinel2(stored=(fine - offsets).astype("u2")), truth


@pytest.mark.slow
def test_enmap_and_sentinel_2_fuse_without_a_word_on_their_sensors(pair, tmp_path) -> None:
    scene, fine, truth = pair
    out = tmp_path / "fused.tif"
    result = hsfuse("run", scene.folder, fine.folder, "-o", out, "--method", "guided")
    assert result.exit_code == 0, result.output
    assert "flagged as bad" not in result.output
    assert "the metadata state no width, that of the table of sentinel-2a is taken" in result.output
    fused = open_raster(out)
    assert fused.rio.transform()[:6] == (10.0, 0.0, 372000.0, 0.0, -10.0, 5810010.0)
    np.testing.assert_allclose(fused["wavelength"], WAVELENGTH)
    empty = np.isnan(fused.values).any(axis=0)
    assert empty[:6, :9].all(), "no data of the product is no data of the output"
    error = (fused.values - truth)[:, ~empty]
    assert np.sqrt(np.mean(error**2)) < 0.0045, "bicubic would reach 0.0054"
    record = json.loads(Path(f"{out}.json").read_text())
    assert record["scene"]["sensor"] == "enmap"
    assert record["rgb"]["sensor"] == "sentinel-2a:B2,B3,B4,B8"
    assert record["rgb"]["product"] == "Sentinel-2 L2A"


def test_a_folder_of_a_product_names_the_output(pair) -> None:
    scene, fine, _ = pair
    result = hsfuse("run", scene.folder, fine.metadata, "--method", "guided", "--dry-run")
    assert result.exit_code == 0, result.output
    assert f"{scene.folder.name}_fused.tif" in result.output
    assert "FWHM 1.44 × 1.25 HS pixels (y × x), specification" in result.output, "the table's PSF"
