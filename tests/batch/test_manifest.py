"""Manifests: what they may say, and that every fault is named at once."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hsfuse.batch.manifest import Manifest, read_manifest
from hsfuse.errors import ManifestError
from hsfuse.fusion.settings import Settings

BASE = Settings(method="bicubic", align=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with empty files: a manifest is checked without opening an image."""
    for name in ("hs/a.tif", "hs/b.tif", "hs/c.tif", "ms/a.tif", "ms/b.tif", "ms/d.tif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


@pytest.fixture
def read(folder: Path) -> Callable[..., Manifest]:
    """Return a function that writes a manifest of a name and text, and reads it."""

    def read(name: str, text: str, **options: Any) -> Manifest:
        path = folder / name
        path.write_text(text)
        return read_manifest(path, folder / "out", BASE, **options)

    return read


def faults(call: Callable[[], object]) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        call()
    assert all("\n" not in fault for fault in caught.value.faults)
    return list(caught.value.faults)


CSV = """scene,rgb,out,method,tile,align,hs_nodata,co,hs-sensor
hs/a.tif,ms/a.tif,x.tif,guided,64,true,none,COMPRESS=LZW PREDICTOR=2,enmap
hs/b.tif,ms/b.tif,sub/y.tif,,,,0,,
"""
LINES = "\n".join(
    [
        '{"scene": "hs/a.tif", "rgb": "ms/a.tif", "out": "x.tif", "method": "guided", "tile": 64,'
        ' "align": true, "hs_nodata": "none", "hs-sensor": "enmap",'
        ' "creation_options": {"COMPRESS": "LZW", "PREDICTOR": "2"}}',
        "",
        '{"scene": "hs/b.tif", "rgb": "ms/b.tif", "out": "sub/y.tif", "hs_nodata": 0}',
    ]
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pairs.csv", CSV),
        ("semicolon.csv", "\ufeff" + CSV.replace(",", ";")),
        ("pairs.jsonl", LINES),
    ],
)
def test_columns_are_options_of_a_run(read: Callable[..., Manifest], folder: Path, name: str, text):
    """CSV with any usual separator, and JSON lines; empty cells say nothing."""
    first, second = read(name, text).pairs
    assert (first.scene, first.rgb) == (folder / "hs/a.tif", folder / "ms/a.tif")
    assert (first.out, second.out) == (folder / "out/x.tif", folder / "out/sub/y.tif")
    assert first.settings == Settings(
        method="guided",
        tile=64,
        align=True,
        hs_nodata="none",
        hs_sensor="enmap",
        creation_options={"COMPRESS": "LZW", "PREDICTOR": "2"},
    )
    assert second.settings == Settings(method="bicubic", align=False, hs_nodata=0.0)
    assert name in second.place
    assert "line 3" in second.place


def test_files_named_by_options_count_from_the_manifest(read, folder: Path):
    """Masks and sensor definitions, as scene and rgb do."""
    (folder / "mask.tif").touch()
    text = "scene,rgb,hs_mask,rgb_sensor\nhs/a.tif,ms/a.tif,mask.tif,no-such.toml\n"
    (fault,) = faults(lambda: read("pairs.csv", text))
    assert str(folder / "no-such.toml") in fault
    text = text.replace("no-such.toml", "sentinel-2a")
    assert read("pairs.csv", text).pairs[0].settings.hs_mask == str(folder / "mask.tif")


def test_inputs_may_lie_in_an_object_store(read):
    """A URL is no relative path; that there is such an object is known when it is opened."""
    (pair,) = read("pairs.csv", "scene,rgb\ns3://bucket/a.tif,https://host/b.tif\n").pairs
    assert (str(pair.scene), str(pair.rgb)) == ("s3://bucket/a.tif", "https://host/b.tif")
    assert pair.out.name == "a_fused.tif"


def test_all_faults_are_reported_at_once(read):
    """One line each, with file, line, what was found and what is expected."""
    text = (
        "scene,rgb,out,tile,hs_sensors\n"
        "hs/a.tif,ms/a.tif,x.tif,many,\n"
        "hs/b.tif,,x.tif,,\n"
        "hs/b.tif,ms/b.tif,../x.tif,,\n"
        "hs/b.tif,ms/b.tif,x.png,,\n"
        "hs/none.tif,ms/b.tif,z.tif,0,guided\n"
        "hs/b.tif,ms/b.tif\n"
    )
    found = faults(lambda: read("pairs.csv", text))
    expected = [
        ("line 2", "tile: found 'many'; expected a valid integer"),
        ("line 3", "rgb: found nothing; expected a path"),
        ("line 4", "expected a path within the folder of the batch"),
        ("line 5", "an output must end in .tif, .tiff, .zarr"),
        ("line 6", "column 'hs_sensors' is no option of hsfuse run; did you mean hs_sensor?"),
        ("line 6", "tile must be at least 1 MS pixels, got 0"),
        ("line 7", "found 2 cells; expected 5"),
    ]
    for line, words in expected:
        assert [fault for fault in found if line in fault and words in fault], (line, words, found)
    assert len(found) == len(expected)
    assert all("pairs.csv, line" in fault for fault in found)


def test_a_missing_file_is_a_fault_of_its_pair_unless_all_pairs_lack_one(read, folder: Path):
    """Also a mask; where all lack one, the paths may count from another folder."""
    text = "scene,rgb,hs_mask\nhs/a.tif,ms/a.tif,\nhs/b.tif,ms/none.tif,\nhs/c.tif,ms/b.tif,m.tif\n"
    missing = [pair.missing for pair in read("pairs.csv", text).pairs]
    assert missing == [
        "",
        f"rgb: {folder / 'ms/none.tif'}: no such file",
        f"hs_mask: {folder / 'm.tif'}: no such file",
    ]
    found = faults(lambda: read("pairs.csv", text.replace("ms/a.tif", "ms/x.tif")))
    assert [fault.split(": ")[0][-6:] for fault in found] == ["line 2", "line 3", "line 4"]
    assert str(ManifestError(30 * ["fault"])).endswith("fault; and 10 more")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("pairs.txt", "", "a manifest must end in .csv, .jsonl"),
        ("pairs.csv", "", "line 1: found nothing; expected names of columns"),
        ("pairs.csv", "scene,rgb\n", "holds no pair"),
        ("pairs.csv", "scene,scene\na,b\n", "twice the column scene"),
        ("pairs.csv", 'scene,rgb\n"hs/a.tif,ms/a.tif\n', "is not CSV"),
        ("pairs.csv", "scene,rgb,workers\nhs/a.tif,ms/a.tif,2\n", "option of the whole batch"),
        ("pairs.jsonl", '{"scene": \n', "line 1: found no JSON"),
        ("pairs.jsonl", "[1]\n", "line 1: found list; expected a JSON object"),
        ("pairs.jsonl", "[" * 100_000, "line 1: found no JSON"),
        ("items.json", "{}", "expected a STAC ItemCollection"),
        ("items.json", "[" * 100_000, "expected a STAC ItemCollection"),
    ],
)
def test_what_is_no_manifest_is_refused(read, name: str, text: str, words: str):
    (fault,) = faults(lambda: read(name, text))
    assert name in fault
    assert words in fault


def test_no_two_pairs_write_one_output(read):
    """Nor one of the inputs, nor something within another output; a name of its own is given."""
    rows = "scene,rgb,out\nhs/a.tif,ms/a.tif,{}\nhs/b.tif,ms/b.tif,{}\n"
    for names, words in (
        (("x.tif", "x.tif"), "line 3: writes"),
        (("x.tif", "./s/../x.tif"), "within the folder"),
        (("x.zarr", "x.zarr/y.tif"), "within"),
    ):
        assert words in faults(lambda names=names: read("pairs.csv", rows.format(*names)))[0]
    twice = "scene,rgb\nhs/a.tif,ms/a.tif\nhs/a.tif,ms/b.tif\n"
    assert "column out" in faults(lambda: read("pairs.csv", twice))[0]


def test_no_two_pairs_write_one_envi_header(read):
    """Outputs x.dat and x.bsq have both the header x.hdr."""
    rows = "hs/a.tif,ms/a.tif,x.dat\nhs/b.tif,ms/b.tif,x.bsq\nhs/c.tif,ms/d.tif,y.dat"
    (fault,) = faults(lambda: read("pairs.csv", f"scene,rgb,out\n{rows}\n"))
    assert all(word in fault for word in ("line 3", "x.hdr", "line 2"))


def test_too_few_numbers_are_counted(read):
    """Of options that are several numbers."""
    row = "hs/a.tif,ms/a.tif,1 2 3,1.5"
    found = faults(lambda: read("pairs.csv", f"scene,rgb,bbox,fwhm\n{row}\n"))
    assert [fault.rpartition("expected ")[2] for fault in found] == ["4 numbers", "2 numbers"]


def test_an_input_of_another_pair_is_no_output(folder: Path):
    rows = [
        {"scene": str(folder / "hs/a.tif"), "rgb": str(folder / "ms/a.tif"), "out": "b.tif"},
        {"scene": str(folder / "hs/b.tif"), "rgb": str(folder / "ms/b.tif"), "out": "c_fused.tif"},
    ]
    (fault,) = faults(lambda: read_manifest(rows, folder / "hs", BASE))
    assert "row 1" in fault
    assert "which is an input of row 2" in fault


def test_patterns_pair_files_by_the_text_in_braces(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """In order of the names; files without a counterpart are noted."""
    monkeypatch.chdir(folder)
    found = read_manifest(("hs/{id}.tif", "./ms/{id}.t?f"), Path("out"), BASE, suffix=".zarr")
    assert [pair.out.name for pair in found.pairs] == ["a_fused.zarr", "b_fused.zarr"]
    assert [(pair.scene, pair.rgb) for pair in found.pairs] == [
        (folder / f"hs/{name}.tif", folder / f"ms/{name}.tif") for name in "ab"
    ]
    assert "hs/c.tif" in found.notes[0]
    assert "ms/d.tif" in found.notes[1]


def test_patterns_may_have_several_names_and_folders(tmp_path: Path):
    for name in ("2024/07/x_hs.tif", "2024/08/x_hs.tif", "2024_07/deep/down/x.tif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    patterns = (
        f"{tmp_path}/{{year}}/{{month}}/{{id}}_hs.tif",
        f"{tmp_path}/{{year}}_{{month}}/**/{{id}}.tif",
    )
    (pair,) = read_manifest(patterns, tmp_path / "out", BASE).pairs
    assert pair.out.name == "2024_07_x_fused.tif"


@pytest.mark.parametrize(
    ("scene", "rgb", "words"),
    [
        ("hs/{id}.tif", "ms/{name}.tif", "the same names in braces"),
        ("hs/a.tif", "ms/a.tif", "the same names in braces"),
        ("hs/{id}.tif", "ms/{id}.png", "found 3 and 0 files and no pair"),
        ("hs/{id}*", "*/{id}.tif", "a stands for hs/a.tif, ms/a.tif; expected one file"),
    ],
)
def test_patterns_that_pair_nothing_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, scene: str, rgb: str, words: str
):
    monkeypatch.chdir(folder)
    assert words in faults(lambda: read_manifest((scene, rgb), Path("out"), BASE))[0]


def item(name: str, **assets: Any) -> dict[str, Any]:
    found = {key: {"href": href, "roles": list(roles)} for key, (href, *roles) in assets.items()}
    return {"type": "Feature", "stac_version": "1.0.0", "id": name, "assets": found}


def test_items_hold_both_images_as_assets(read, folder: Path):
    """They are found by key or role, pictures aside, or by the keys that are given."""
    items = [
        item("one", scene=("hs/a.tif", "data"), visual=("./ms/a.tif",), x=("t.png", "thumbnail")),
        item("two", B=(os.fspath(folder / "hs/b.tif"), "data", "hyperspectral"),
             A=("ms/b.tif", "data", "multispectral"), rgb=("t.png", "overview")),
    ]  # fmt: skip
    found = read("items.json", json.dumps({"type": "FeatureCollection", "features": items}))
    assert [(pair.scene.name, pair.rgb.name, pair.out.name) for pair in found.pairs] == [
        ("a.tif", "a.tif", "one_fused.tif"),
        ("b.tif", "b.tif", "two_fused.tif"),
    ]
    assert "item 2 (two)" in found.pairs[1].place
    (pair,) = read("item.geojson", json.dumps(items[1]), assets=("A", "B")).pairs
    assert (pair.scene, pair.rgb) == (folder / "ms/b.tif", folder / "hs/b.tif")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (item("x", scene=("hs/a.tif",)), "found the assets scene; expected one for the MS image"),
        (
            item("x", a=("hs/a.tif", "hs"), b=("hs/b.tif", "hs"), rgb=("ms/a.tif",)),
            "the assets a, b may each be the HS image",
        ),
        ({"type": "Feature", "id": 3, "assets": {}}, "found id 3"),
        ({"type": "Feature", "id": "x", "assets": [1]}, "expected an object of objects"),
        (item("a/b", hs=("hs/a.tif",), rgb=("ms/a.tif",)), "expected one without slashes"),
        (item("x", hs=(7,), rgb=("ms/a.tif",)), "found href 7"),
        (item("x", hs=("hs/none.tif",), rgb=("ms/a.tif",)), "no such file"),
    ],
)
def test_an_item_without_a_pair_is_named(read, made: dict[str, Any], words: str):
    (fault,) = faults(lambda: read("items.json", json.dumps(made)))
    assert "items.json, item 1" in fault
    assert words in fault


def test_a_part_is_a_column(tmp_path):
    for name in ("scene.tif", "rgb.tif"):
        (tmp_path / name).touch()
    (tmp_path / "pairs.csv").write_text(
        'scene,rgb,bbox,bands\nscene.tif,rgb.tif,-3 2 4.5 5,"1-9"\n'
    )
    (found,) = read_manifest(tmp_path / "pairs.csv", tmp_path / "out", Settings()).pairs
    assert found.settings.bbox == (-3, 2, 4.5, 5)
    assert found.settings.bands == "1-9"


def test_files_above_the_folder_of_the_manifest_are_named_without_dots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From whatever folder; in messages as well."""
    for folder in ("lists", "images", "elsewhere"):
        (tmp_path / folder).mkdir()
    (tmp_path / "images/a.tif").touch()
    pairs = tmp_path / "lists/pairs.csv"
    pairs.write_text(
        "scene,rgb,out\n../images/a.tif,../images/none.tif,x.tif\n../images/a.tif,../lists/pairs.csv,y.tif\n"
    )
    monkeypatch.chdir(tmp_path / "elsewhere")
    missing, found = read_manifest("../lists/pairs.csv", Path("../out"), Settings()).pairs
    assert found.scene == tmp_path / "images/a.tif"
    assert missing.missing == f"rgb: {tmp_path / 'images/none.tif'}: no such file"
