"""Undeclared fill and lost values, from files to the raster that is fused."""

from functools import cache
from pathlib import Path

import dask.array
import numpy as np
import pytest
import xarray as xr
from raster_files import write_envi, write_tiff
from scipy.ndimage import zoom

from hsfuse.errors import PlanError, RasterError
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.input.missing import without_gaps
from hsfuse.io.input.sampling import read_lines
from hsfuse.io.read import as_raster, open_raster
from hsfuse.io.settings import SAMPLING


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
    found = without_gaps(open_raster(path), spectra=True).raster
    np.testing.assert_array_equal(found.values, declared.values)
    np.testing.assert_array_equal(found[3:5, 2:20:3, ::-1].values, declared[3:5, 2:20:3, ::-1])
    (note,) = raster_notes(found)
    assert "-9999" in note
    assert "6.11%" in note
    assert "--hs-nodata none" in note
    assert without_gaps(declared, spectra=True).raster is declared


def test_a_number_that_was_given_is_the_only_one(tmp_path: Path) -> None:
    """It takes the place of a declared one, and ``none`` keeps every number."""
    stored = collared()
    path = write_tiff(tmp_path / "scene.tif", stored, nodata=stored[0, 20, 20])
    given = open_raster(path, nodata=-9999)
    np.testing.assert_array_equal(np.isnan(given.values), stored == -9999)
    kept = open_raster(path, nodata="none")
    assert without_gaps(kept, spectra=True).raster is kept
    np.testing.assert_array_equal(kept.values, stored)
    with pytest.raises(PlanError, match=r"scene\.tif: is opened already"):
        as_raster(kept, "HS", nodata=0)


def test_values_lost_in_single_bands_are_estimated_and_said(tmp_path: Path) -> None:
    """Of spectra; a colour image keeps what it lacks."""
    truth = spectra()
    stored = truth.copy()
    stored[np.random.default_rng(0).random(stored.shape) < 0.03] = np.nan
    opened = open_raster(write_tiff(tmp_path / "scene.tif", stored))
    found = without_gaps(opened, spectra=True).raster
    assert np.isfinite(found.values).all()
    assert np.abs(found.values - truth).max() < 0.2 * truth.std()
    assert "missing in single bands" in raster_notes(found)[0]
    assert without_gaps(opened, spectra=False).raster is opened


def test_what_is_no_raster_is_refused() -> None:
    """What is no raster is named with what is expected."""
    with pytest.raises(RasterError, match=r"^HS: is a ndarray; a DataArray or Dataset"):
        as_raster(np.ones((3, 4, 5)), "HS")  # type: ignore[arg-type]


@cache
def scene(bands: int, side: int) -> np.ndarray:
    """Return smooth measurements of a scene that is larger than the windows together."""
    draw = np.random.default_rng(bands)
    maps = zoom(draw.random((4, side // 8, side // 8)), (1, 8, 8), order=1)
    mix = draw.dirichlet(np.ones(4), bands)
    noise = draw.integers(0, 40, (bands, side, side))
    return (1000 + 4000 * np.tensordot(mix, maps, axes=1) + noise).astype(np.int16)


def stripe(direction: str, side: int, draw: np.random.Generator) -> np.ndarray:
    """Return a stripe one or two pixels wide that crosses the scene somewhere."""
    rows, columns = np.mgrid[:side, :side]
    place, width, slope = draw.integers(20, side - 60), draw.integers(1, 3), draw.uniform(0, 0.1)
    across = {"row": rows, "column": columns, "slanted": rows + (slope * columns).astype(int)}
    return (across[direction] >= place) & (across[direction] < place + width)


DIRECTIONS = ("row", "column", "slanted")
FILLS = ((-9999, 0), (-9999, 1), (0, 1), (0, 2))


@pytest.mark.parametrize(
    ("bands", "number", "seed", "direction"),
    [
        *((24, *fill, direction) for fill in FILLS[::2] for direction in DIRECTIONS),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                *((24, *fill, direction) for fill in FILLS[1::2] for direction in DIRECTIONS),
                (3, -9999, 3, "row"),
                (3, -9999, 3, "column"),
                (3, 0, 2, "slanted"),
            )
        ),
    ],
)
def test_a_narrow_stripe_across_a_large_scene_is_found(
    tmp_path: Path, bands: int, number: int, seed: int, direction: str
) -> None:
    """Wherever it lies between the windows that are looked at, and nothing else is masked."""
    side = 320 if bands > 16 else 1296
    stored, fill = scene(bands, side).copy(), stripe(direction, side, np.random.default_rng(seed))
    stored[:, fill] = number
    path = write_tiff(tmp_path / "scene.tif", stored, tiled=True, blockxsize=64, blockysize=64)
    found = without_gaps(open_raster(path), spectra=bands > 16)
    assert found.whole is None
    np.testing.assert_array_equal(np.isnan(found.raster[0].values), fill)
    assert found.measured.low.min() >= 1000


def test_a_raster_of_few_pixels_is_read_once(tmp_path: Path) -> None:
    """What was read is handed on, complete."""
    stored = collared()
    found = without_gaps(open_raster(write_tiff(tmp_path / "scene.tif", stored)), spectra=True)
    np.testing.assert_array_equal(found.whole.values, found.raster.values)
    assert found.whole.chunks is None


@pytest.mark.parametrize("block", [(1, 3000), (3000, 1), (256, 256), (3000, 3000)])
def test_lines_read_a_bounded_number_of_values(block: tuple[int, int]) -> None:
    """However the file stores its pixels, whose blocks are read as a whole."""
    raster = xr.DataArray(
        dask.array.zeros((12, 3000, 3000), chunks=(12, 512, 512), dtype=np.float32),
        dims=("band", "y", "x"),
    )
    raster.encoding["preferred_chunks"] = dict(zip("yx", block, strict=True))
    down, across = [], []
    for line, row, column in read_lines(raster):
        (down if line.shape[1] == 1 else across).append((row, column))
    blocks = [12 * -(-3000 // b) * b * a for a, b in (block, block[::-1])]
    assert len(down) * blocks[0] <= SAMPLING.line_values
    assert len(across) * blocks[1] <= SAMPLING.line_values
    assert bool(down or across) == (block != (3000, 3000))
