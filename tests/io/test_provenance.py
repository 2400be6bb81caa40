"""What an output states of its origin; other files state nothing."""

from pathlib import Path

import pytest
from raster_files import numbers, write_tiff

from hsfuse.io.provenance import read_provenance
from hsfuse.io.read import open_raster
from hsfuse.io.write import write_raster


@pytest.mark.parametrize("name", ["out.tif", "out.zarr"])
def test_both_formats_keep_the_attributes(tmp_path: Path, name: str) -> None:
    raster = open_raster(write_tiff(tmp_path / "in.tif", numbers()))
    path = write_raster(raster.assign_attrs(plan="abc"), tmp_path / name)
    assert read_provenance(path)["plan"] == "abc"


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
