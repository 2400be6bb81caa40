"""Paths as messages and records name them."""

from pathlib import Path

import pytest

from hsfuse.io.files.location import full_path
from hsfuse.io.files.url import as_path


def test_a_full_path_is_the_same_file_without_dots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a link lies before them, whose target has another parent."""
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "deep")
    for name in ("a.tif", "far/a.tif"):
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path / "far")
    for path in (Path("../a.tif"), Path("deep/../a.tif"), tmp_path / "link" / "../a.tif"):
        found = full_path(path)
        assert found.is_absolute()
        assert ".." not in found.parts
        assert found.read_text() == path.read_text()
    assert full_path(Path("../none.tif")) == tmp_path / "none.tif"
    url = as_path("https://example.com/a.tif")
    assert full_path(url) == url
