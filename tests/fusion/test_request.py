"""What was asked of a run, by which a finished output is known again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import hsfuse
from hsfuse.fusion.lazy import open_input
from hsfuse.fusion.request import WITHOUT_EFFECT, differences, request_of
from hsfuse.fusion.settings import Settings

BASE = Settings(method="guided", hs_nodata=float("nan"), creation_options={"COMPRESS": "LZW"})


def request(files: Path, settings: Settings = BASE) -> dict[str, object]:
    hs = open_input(files / "scene.tif", settings, "hs")
    rgb = open_input(files / "rgb.tif", settings, "rgb")
    return request_of(hs, rgb, settings)


def test_a_request_is_itself_again(files: Path) -> None:
    """Read back from a record, and by any spelling of the paths."""
    kept = json.loads(json.dumps(request(files), allow_nan=False))
    assert differences(kept, request(files)) == []
    assert differences(kept, request(files / ".." / files.name)) == []
    same = {"workers": 7, "overwrite": True, "resume": True, "scheduler": "tcp://host:1"}
    same["temporary"] = "elsewhere"
    assert set(same) == set(WITHOUT_EFFECT)
    assert differences(kept, request(files, replace(BASE, **same))) == []


def test_a_sensor_is_known_by_its_content(files: Path, tmp_path: Path) -> None:
    """A definition that changes is another sensor, whatever it is called."""
    path = tmp_path / "mine.toml"
    text = (
        'id = "mine"\ntitle = "My camera"\nkind = "rgb"\n[bands]\nfile = "mine.csv"\n'
        'status = "specification"\nsource = "data sheet"\n'
    )
    table = "band,centre_nm,fwhm_nm,good\nB,460,{},1\nG,545,60,1\nR,630,60,1\n"
    found = []
    for width in (60, 60, 61):
        path.write_text(text)
        path.with_name("mine.csv").write_text(table.format(width))
        found.append(request(files, replace(BASE, rgb_sensor=str(path))))
    assert differences(found[0], found[1]) == []
    assert "MS sensor is another or has changed" in differences(found[0], found[2])
    sensor = hsfuse.load_sensor(path)
    assert differences(found[2], request(files, replace(BASE, rgb_sensor=sensor))) == []


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [("cpu", "auto", 0), ("cpu", "cpu", 0), ("cuda", "cpu", 1), ("cuda", "auto", 0)],
)
def test_any_device_serves_where_none_is_asked_for(
    files: Path, before: str, now: str, found: int
) -> None:
    device, asked = ({"device": name} for name in (before, now))
    assert len(differences(request(files) | device, request(files) | asked)) == found
