"""A fused raster as a STAC item: valid, and what the file is."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from hsfuse.cli.main import main
from pyproj import Transformer
from pystac.errors import STACValidationError
from pystac.stac_object import STACObjectType
from pystac.validation.stac_validator import JsonSchemaSTACValidator

import hsfuse
from hsfuse.errors import OutputError
from hsfuse.fusion.job import Outcome
from hsfuse.io.read import open_raster
from hsfuse.report.stac import check_footprint, item_of, parse_times
from hsfuse.synthetic.sample import write_sample

pytestmark = pytest.mark.slow

SCHEMAS = Path(__file__).resolve().parents[1] / "helpers" / "stac_schemas"
PLAIN = {"method": "bicubic", "align": False}
NOON = parse_times("2024-05-01T12:00:00+02:00")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return a small run: ratio 4, in metres, int16."""
    folder = tmp_path_factory.mktemp("stac")
    made = write_sample(
        folder, hs_sensor="generic-vnir", rgb_sensor="sentinel-2a:B2,B3,B4", size=(8, 9), ratio=4
    )
    return hsfuse.run(made.scene, made.rgb, folder / "out.tif", **PLAIN)


def validate(item: dict) -> None:
    """Validate an item against the schemas of STAC and of all extensions that it names."""
    validator = JsonSchemaSTACValidator()
    for file in SCHEMAS.glob("*.json"):
        name, version = file.stem.rsplit("-", 1)
        uri = f"https://stac-extensions.github.io/{name}/{version}/schema.json"
        validator.schema_cache[uri] = json.loads(file.read_text())
    assert validator.validate_core(item, STACObjectType.ITEM, item["stac_version"])
    for uri in item["stac_extensions"]:
        assert uri in validator.schema_cache
        validator.validate_extension(item, STACObjectType.ITEM, item["stac_version"], uri)


@pytest.mark.parametrize(
    "when", ["2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z/2024-05-03T10:00:00Z"]
)
def test_an_item_is_valid(outcome, when):
    """With a moment, and with an interval, which has no datetime but start and end."""
    item = item_of(outcome, parse_times(when))
    validate(item)
    properties = item["properties"]
    if "/" in when:
        times = [properties[name] for name in ("datetime", "start_datetime", "end_datetime")]
        assert times == [None, *when.split("/")]
    else:
        assert properties["datetime"] == when
        assert "start_datetime" not in properties


def test_the_validation_can_fail(outcome):
    item = item_of(outcome, NOON)
    item["properties"]["proj:shape"] = "large"
    with pytest.raises(STACValidationError, match="large"):
        validate(item)


def test_bands_and_grid_are_those_of_the_file(outcome):
    item = item_of(outcome, NOON)
    data, properties = item["assets"]["data"], item["properties"]
    with rasterio.open(outcome.path) as file:
        assert len(data["bands"]) == file.count
        assert [data["data_type"], data["nodata"]] == [file.dtypes[0], file.nodata]
        assert data["raster:scale"] == file.scales[0]
        assert properties["proj:code"] == str(file.crs)
        assert properties["proj:transform"] == list(file.transform)[:6]
        assert properties["proj:shape"] == list(file.shape)
        assert data["raster:spatial_resolution"] == properties["gsd"] == file.res[0]
    fused = open_raster(outcome.path)
    for field, name in (("center_wavelength", "wavelength"), ("full_width_half_max", "fwhm")):
        lengths = [band[f"eo:{field}"] * 1000 for band in data["bands"]]
        np.testing.assert_allclose(lengths, fused[name], atol=1e-3)
    named = {band["eo:common_name"]: band for band in data["bands"] if "eo:common_name" in band}
    assert {name: band["eo:center_wavelength"] for name, band in named.items()} == {
        "red": 0.66, "green": 0.56, "blue": 0.48
    }  # fmt: skip
    assert properties["processing:software"]["hsfuse"] == hsfuse.__version__
    assert properties["datetime"] == "2024-05-01T10:00:00Z"


def test_the_footprint_is_that_of_the_raster_in_degrees(outcome):
    """Counterclockwise, closed, and within rounding the bounds that GDAL gives."""
    raster = open_raster(outcome.path)
    ring, bounds = check_footprint(raster)
    np.testing.assert_allclose(bounds, raster.rio.transform_bounds("OGC:CRS84"), atol=2e-6)
    assert ring[0] == ring[-1]
    x, y = np.array(ring).T
    assert np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0
    assert [x.min(), y.min(), x.max(), y.max()] == bounds


def test_what_has_no_footprint_is_refused(outcome):
    raster = open_raster(outcome.path).drop_vars("spatial_ref")
    with pytest.raises(OutputError, match="has no CRS"):
        check_footprint(raster)
    far = open_raster(outcome.path).rio.write_crs("EPSG:32660")
    there = Transformer.from_crs("OGC:CRS84", "EPSG:32660", always_xy=True)
    x, y = there.transform(180.0, 52.0)
    far = far.assign_coords(x=x + far["x"] - far["x"].mean(), y=y + far["y"] - far["y"].mean())
    far = far.rio.write_transform(far.rio.transform(recalc=True))
    with pytest.raises(OutputError, match="antimeridian"):
        check_footprint(far)


def test_run_takes_items_and_writes_one(outcome, tmp_path):
    """The images of one item, its time in the item of the output; without a time none is begun."""
    folder = outcome.path.parent
    item = {
        "type": "Feature",
        "id": "pair",
        "properties": {"datetime": "2024-05-01T10:00:00Z"},
        "assets": {"hsi": {"href": "scene.tif"}, "other": {"href": "./rgb.tif", "roles": ["rgb"]}},
    }
    file = folder / "pair.json"
    file.write_text(json.dumps(item))
    words = ["run", str(file), str(file), "--method", "bicubic", "--no-align", "--no-report", "-q"]
    words += ["--stac-item", "--json", "-o", str(tmp_path / "out.tif")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    command = json.loads(result.stdout)["command"]
    assert command.endswith(" --stac-item --datetime 2024-05-01T10:00:00Z")
    written = json.loads((tmp_path / "out.tif.stac.json").read_text())
    validate(written)
    assert written["properties"]["datetime"] == "2024-05-01T10:00:00Z"
    assert written["properties"]["gsd"] == written["assets"]["data"]["raster:spatial_resolution"]
    assert list(written["assets"]) == ["data"]
    (tmp_path / "out.tif.stac.json").write_text('{"title": "mine"}')
    refused = CliRunner().invoke(main, [*words, "--overwrite"])
    assert refused.exit_code == 1
    assert "out.tif.stac.json: exists and was not written by hsfuse" in refused.stderr
    assert (tmp_path / "out.tif.stac.json").read_text() == '{"title": "mine"}'
    item["properties"] = {}
    file.write_text(json.dumps(item))
    refused = CliRunner().invoke(main, [*words, "--overwrite"])
    assert refused.exit_code == 2
    assert "expected --datetime, such as 2020-06-01T10:30:00Z" in refused.stderr
