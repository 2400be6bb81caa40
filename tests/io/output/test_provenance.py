"""What an output states of its origin; other files state nothing."""

import json
from pathlib import Path

import pytest
from object_server import serving
from raster_files import numbers, write_tiff

from hsfuse.assessment.comparison import record_of
from hsfuse.errors import OutputError
from hsfuse.io.output.provenance import read_provenance
from hsfuse.io.output.records import record_path
from hsfuse.io.read import open_raster
from hsfuse.io.write import write_raster
from hsfuse.report.files import write_html_report


@pytest.mark.parametrize("name", ["out.tif", "out.zarr"])
def test_both_formats_keep_the_attributes(tmp_path: Path, name: str) -> None:
    raster = open_raster(write_tiff(tmp_path / "in.tif", numbers()))
    path = write_raster(raster.assign_attrs(plan="abc"), tmp_path / name)
    assert read_provenance(path)["plan"] == "abc"


def test_the_record_of_an_output_at_a_url_is_read(tmp_path: Path) -> None:
    """As beside a local file, where the output states its plan; a report there is refused."""
    raster = open_raster(write_tiff(tmp_path / "in.tif", numbers()))
    for name, plan in (("out.tif", "abc"), ("out.zarr", "abc"), ("other.tif", "xyz")):
        path = write_raster(raster.assign_attrs(plan=plan), tmp_path / name)
        record_path(path).write_text(json.dumps({"digest": "abc", "command": name}))
    with serving(tmp_path) as web:
        for name in ("out.tif", "out.zarr"):
            record, found, _ = record_of(f"{web.address}/{name}")
            assert (record["command"], found) == (name, f"{web.address}/{name}.json")
        assert record_of(f"{web.address}/other.tif")[0] == {}
        with pytest.raises(
            OutputError, match="a web server, which is only read; expected `out=FILE`"
        ):
            write_html_report(f"{web.address}/out.tif")


def test_what_is_no_output_states_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no TIFF")
    (tmp_path / "empty.zarr").mkdir()
    for path in (
        tmp_path / "none.tif",
        tmp_path / "text.tif",
        tmp_path / "empty.zarr",
        write_tiff(tmp_path / "other.tif", numbers()),
    ):
        assert read_provenance(path) == {}
