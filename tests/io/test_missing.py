"""Undeclared fill and lost values, from files to the raster that is fused."""

from pathlib import Path

import numpy as np
import pytest
from raster_files import write_envi, write_tiff

from hsfuse.errors import PlanError, RasterError
from hsfuse.io.missing import without_gaps
from hsfuse.io.read import as_raster, open_raster


def spectra(bands: int = 24, size: int = 30) -> np.ndarray:
    draw = np.random.default_rng(0)
    shares = draw.dirichlet(np.ones(3), (size, size))
    curves = 0.05 + 0.4 * np.cumsum(draw.random((3, bands)), axis=1) / bands
    return np.moveaxis(shares @ curves, 2, 0).astype(np.float32)


def collared() -> np.ndarray:
    stored = spectra()
    stored[:, np.add.outer(np.arange(30), np.arange(30)) < 10] = -9999
    return stored


@pytest.mark.parametrize("writer", ["tiff", "bsq", "bil", "bip"])
def test_undeclared_fill_is_masked_as_declared_fill(tmp_path: Path, writer: str) -> None:
    """With a note that names the number, its share and what to do if it was measured."""
    stored = collared()
    if writer == "tiff":
        path = write_tiff(tmp_path / "scene.tif", stored)
    else:
        path = write_envi(tmp_path, stored, interleave=writer)
    declared = open_raster(write_tiff(tmp_path / "declared.tif", stored, nodata=-9999))
    found = without_gaps(open_raster(path), spectra=True)
    np.testing.assert_array_equal(found.values, declared.values)
    np.testing.assert_array_equal(found[3:5, 2:20:3, ::-1].values, declared[3:5, 2:20:3, ::-1])
    (note,) = found.attrs["notes"]
    assert "-9999" in note
    assert "6.11%" in note
    assert "--hs-nodata none" in note
    assert without_gaps(declared, spectra=True) is declared


def test_a_number_that_was_given_is_the_only_one(tmp_path: Path) -> None:
    """It takes the place of a declared one, and ``none`` keeps every number."""
    stored = collared()
    path = write_tiff(tmp_path / "scene.tif", stored, nodata=stored[0, 20, 20])
    given = open_raster(path, nodata=-9999)
    np.testing.assert_array_equal(np.isnan(given.values), stored == -9999)
    kept = open_raster(path, nodata="none")
    assert without_gaps(kept, spectra=True) is kept
    np.testing.assert_array_equal(kept.values, stored)
    with pytest.raises(PlanError, match=r"scene\.tif: is opened already"):
        as_raster(kept, "HS", nodata=0)


def test_values_lost_in_single_bands_are_estimated_and_said(tmp_path: Path) -> None:
    """Of spectra; a colour image keeps what it lacks."""
    truth = spectra()
    stored = truth.copy()
    stored[np.random.default_rng(0).random(stored.shape) < 0.03] = np.nan
    opened = open_raster(write_tiff(tmp_path / "scene.tif", stored))
    found = without_gaps(opened, spectra=True)
    assert np.isfinite(found.values).all()
    assert np.abs(found.values - truth).max() < 0.2 * truth.std()
    assert "missing in single bands" in found.attrs["notes"][0]
    assert without_gaps(opened, spectra=False) is opened


def test_what_is_no_raster_is_refused() -> None:
    """What is no raster is named with what is expected."""
    with pytest.raises(RasterError, match=r"^HS: is a ndarray; a DataArray or Dataset"):
        as_raster(np.ones((3, 4, 5)), "HS")  # type: ignore[arg-type]
