"""Which asset of a STAC item is an image of a pair."""

import json
from pathlib import Path

import pytest

from hsfuse.errors import RasterError
from hsfuse.io.files.url import Url, as_path
from hsfuse.io.stac import find_asset, is_item, item_times, joined_times, pick_asset


def item(assets: dict[str, dict], **properties: object) -> dict:
    return {"type": "Feature", "id": "one", "assets": assets, "properties": properties}


def write(folder: Path, content: object) -> Path:
    file = folder / "item.json"
    file.write_text(json.dumps(content))
    return file


def test_an_asset_is_found_by_key_role_or_alone():
    both = {"HSI": {"href": "a.tif"}, "x": {"href": "b.tif", "roles": ["data", "rgb"]}}
    both["preview"] = {"href": "c.png", "roles": ["thumbnail", "rgb"]}
    assert (pick_asset(item(both), "HS"), pick_asset(item(both), "MS")) == ("a.tif", "b.tif")
    assert pick_asset(item(both), "HS", "x") == "b.tif"
    alone = {"data": {"href": "a.tif"}, "overview": {"href": "b.png", "roles": ["overview"]}}
    assert [pick_asset(item(alone), image) for image in ("HS", "MS")] == ["a.tif", "a.tif"]


@pytest.mark.parametrize(
    ("assets", "words"),
    [
        ({}, "found the assets none"),
        ({"rgb": {"href": "a.tif"}}, "expected one for the HS image"),
        ({"a": {"href": "a.tif"}, "b": {"href": "b.tif"}}, "name both assets with `assets`"),
        ({"hs": {"href": "a"}, "b": {"href": "b", "roles": ["hs"]}}, "may each be the HS image"),
        ({"hs": {}}, "expected a path"),
    ],
)
def test_what_is_not_clear_is_refused_in_one_line(tmp_path, assets, words):
    """An image of the other kind is never taken for want of the right one."""
    with pytest.raises(RasterError, match=words) as caught:
        find_asset(write(tmp_path, item(assets)), "HS")
    assert str(caught.value).startswith(str(tmp_path / "item.json"))
    assert "\n" not in str(caught.value)


def test_references_count_from_the_item(tmp_path):
    (tmp_path / "items").mkdir()
    for href, place in {
        "a/b.tif": tmp_path / "items" / "a" / "b.tif",
        "./b.tif": tmp_path / "items" / "b.tif",
        "../b.tif": tmp_path / "b.tif",
        "/data/b.tif": Path("/data/b.tif"),
        "s3://bucket/b.tif": Url("s3", "bucket", "b.tif"),
    }.items():
        file = write(tmp_path / "items", item({"hs": {"href": href}}))
        assert find_asset(file, "HS").path == place


def test_times_of_two_images_are_joined():
    """A datetime, or start and end; of two images what holds both, if both are known."""
    first = item_times(item({}, datetime="2024-05-01T10:00:00Z"))
    interval = {"start_datetime": "2024-04-01T00:00:00Z", "end_datetime": "2024-04-02T00:00:00Z"}
    second = item_times(item({}, datetime=None, **interval))
    assert joined_times(first, second) == (second[0], first[1])
    assert joined_times(first, item_times(item({}))) is None
    with pytest.raises(ValueError, match="such as 2020-06-01T10:30:00Z"):
        item_times(item({}, datetime="yesterday"))


def test_what_is_an_item():
    for path in ("a.json", "s3://b/a.geojson", "https://h/c/s2/items/S2A_1"):
        assert is_item(as_path(path))
    for path in ("a.tif", "items/S2A", "https://h/c/s2/items/S2A_1.tif"):
        assert not is_item(as_path(path))


@pytest.mark.parametrize("content", [[], {"type": "FeatureCollection", "features": []}, {}])
def test_what_is_no_item_is_refused(tmp_path, content):
    with pytest.raises(RasterError, match="expected a STAC item"):
        find_asset(write(tmp_path, content), "HS")


def test_an_asset_above_the_folder_of_a_relative_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It is found from the working folder as well, and named without dots."""
    (tmp_path / "items").mkdir()
    write(tmp_path / "items", item({"hs": {"href": "../images/a.tif"}}))
    monkeypatch.chdir(tmp_path / "items")
    assert find_asset(Path("item.json"), "HS").path == tmp_path / "images" / "a.tif"
