"""What a command reads is replaced by nothing that it writes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hsfuse.cli.main import main

from hsfuse.batch.run import prepare_batch
from hsfuse.errors import ManifestError, OutputError
from hsfuse.fusion.settings import Settings
from hsfuse.io.files.url import as_path
from hsfuse.io.output.input_files import check_not_input
from hsfuse.io.write import check_output

VRT = """<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename relativeToVRT="1">tile.tif</SourceFilename></SimpleSource>
</VRTRasterBand></VRTDataset>"""


@pytest.mark.parametrize(
    "name",
    [
        *(
            f"out.tif.{end}"
            for end in ("json", "png", "html", "stac.json", "aux.xml", "ovr", "msk")
        ),
        "out.qml",
    ],
)
def test_no_file_beside_an_output_is_an_input(tmp_path: Path, name: str):
    """Also where the input is a link of that name."""
    with pytest.raises(OutputError, match=f"{name} beside it would be replaced"):
        check_output(tmp_path / "out.tif", inputs=[tmp_path / name])
    (tmp_path / "elsewhere").touch()
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match=f"{name} beside it would be replaced"):
        check_output(tmp_path / "out.tif", inputs=[tmp_path / name])
    assert check_output(tmp_path / "out.tif", inputs=[tmp_path / "elsewhere"])


def test_what_an_input_consists_of_is_no_output(tmp_path: Path):
    """Sources of a VRT, the file of a netCDF variable."""
    (tmp_path / "tile.tif").touch()
    (tmp_path / "scene.vrt").write_text(VRT)
    (tmp_path / "scene.nc").touch()
    for output, source in (
        ("tile.tif", tmp_path / "scene.vrt"),
        ("scene.nc", f"NETCDF:{tmp_path}/scene.nc:reflectance"),
    ):
        with pytest.raises(OutputError, match=f"{output}: is also an input"):
            check_output(tmp_path / output, overwrite=True, inputs=[source])


def test_an_object_is_an_input_by_its_url():
    url = "s3://bucket/out.tif.json"
    with pytest.raises(OutputError, match=f"{url}: would be replaced"):
        check_not_input([as_path(url)], [url])


@pytest.mark.parametrize("end", ["json", "stac.json"])
def test_a_stac_item_and_a_configuration_are_inputs_of_a_run(tmp_path: Path, end: str):
    """Which reads their assets and options; the images need not be opened to see this."""
    item, config = tmp_path / f"out.tif.{end}", tmp_path / "mine.tif.html"
    asset = {"hs": {"href": "scene.tif", "roles": ["data"]}}
    content = json.dumps({"type": "Feature", "properties": {}, "assets": asset})
    item.write_text(content)
    config.write_text('method = "bicubic"')
    for scene, out, words in (
        (item, "out.tif", []),
        (tmp_path / "scene.tif", "mine.tif", ["--config", str(config)]),
    ):
        command = ["run", str(scene), str(tmp_path / "rgb.tif"), "-o", str(tmp_path / out)]
        result = CliRunner().invoke(main, [*command, "--overwrite", "--quiet", *words])
        assert result.exit_code == 1, result.output
        assert "beside it would be replaced" in result.stderr
    assert item.read_text() == content


def test_what_settings_name_are_inputs():
    """Masks, definitions of sensors, weights and their card."""
    settings = Settings(
        rgb_mask="mask.tif", hs_sensor="a.toml", rgb_sensor="b.toml:B2", weights="w.safetensors"
    )
    named = {"mask.tif", "a.toml", "b.toml", "w.safetensors", "w.json"}
    assert {str(file) for file in settings.files} == named
    assert Settings(hs_sensor="enmap").files == ()


def test_the_files_of_a_batch_replace_none_of_its_inputs(tmp_path: Path):
    """Its status files, and what lies beside the output of another pair."""
    for name in ("a.tif", "b.tif", "c.tif.png", "rgb.tif"):
        (tmp_path / name).touch()
    manifest = tmp_path / "batch.csv"
    manifest.write_text("scene,rgb\na.tif,rgb.tif\n")
    with pytest.raises(OutputError, match=r"batch.csv: would be replaced, and belongs to the inp"):
        prepare_batch(manifest, tmp_path, Settings())
    pairs = [
        {"scene": str(tmp_path / "a.tif"), "rgb": str(tmp_path / "c.tif.png"), "out": "d.tif"},
        {"scene": str(tmp_path / "b.tif"), "rgb": str(tmp_path / "rgb.tif"), "out": "c.tif"},
    ]
    with pytest.raises(ManifestError, match=r"writes .*c.tif.png, which belongs to the input"):
        prepare_batch(pairs, tmp_path, Settings())
