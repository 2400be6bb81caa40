"""Rasters compared by blocks get the figures of the whole; what does not line up is refused."""

import logging
import math
from dataclasses import astuple, replace

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - gives DataArray its .rio accessor
import xarray as xr
from affine import Affine

import hsfuse.evaluation
from hsfuse.core.metrics import score
from hsfuse.errors import PairError, PlanError
from hsfuse.evaluation import evaluate

GRID = Affine(10.0, 0.0, 400_000.0, 0.0, -10.0, 5_800_000.0)


@pytest.fixture(scope="module")
def cubes():
    generator = np.random.default_rng(3)
    truth = generator.random((4, 190, 170)).astype(np.float32)
    estimate = truth + 0.05 * generator.standard_normal(truth.shape).astype(np.float32)
    truth[:, 100:, 20:40] = np.nan
    return truth, estimate


def raster(values, grid=GRID, crs="EPSG:32633", **coords):
    bands, rows, columns = values.shape
    array = xr.DataArray(
        values,
        dims=("band", "y", "x"),
        coords={
            "band": np.arange(bands) + 1,
            "y": grid.f + grid.e * (np.arange(rows) + 0.5),
            "x": grid.c + grid.a * (np.arange(columns) + 0.5),
            **{name: ("band", value) for name, value in coords.items()},
        },
    )
    array = array.rio.write_transform(grid)
    return array.rio.write_crs(crs) if crs else array


def write(path, values, grid=GRID):
    bands, rows, columns = values.shape
    profile = {"driver": "GTiff", "count": bands, "height": rows, "width": columns}
    with rasterio.open(
        path, "w", dtype="float32", nodata=np.nan, crs="EPSG:32633", transform=grid, **profile
    ) as file:
        file.write(values)
    return path


def same(found, expected):
    assert found.ratio == expected.ratio
    # Numbers alone: bad bands and units are the last fields, and those of rasters.
    figures, wanted = (astuple(replace(each, ratio=0.0))[:-2] for each in (found, expected))
    assert figures == pytest.approx(wanted, rel=1e-9, nan_ok=True)


def test_files_get_the_figures_of_their_arrays(tmp_path, cubes):
    truth, estimate = (
        write(tmp_path / f"{name}.tif", values)
        for name, values in zip(("truth", "estimate"), cubes, strict=True)
    )
    same(evaluate(truth, str(estimate), ratio=3.0, peak=1.0), score(*cubes, ratio=3.0))


def test_blocks_give_the_figures_of_the_whole(cubes, monkeypatch):
    expected = score(*cubes, ratio=3.0)
    small = replace(hsfuse.evaluation._SETTINGS, block_values=1)  # 124 pixels square: four blocks
    monkeypatch.setattr(hsfuse.evaluation, "_SETTINGS", small)
    lazy = [raster(values).chunk({"y": 64, "x": 50}) for values in cubes]
    same(evaluate(*lazy, ratio=3.0, peak=1.0), expected)


def test_the_default_peak_is_the_largest_true_value_and_is_said(cubes):
    truth, estimate = (10 * cube for cube in cubes)
    found = evaluate(raster(truth), raster(estimate))
    assert found.peak == pytest.approx(float(np.nanmax(truth)))
    same(found, score(truth, estimate, peak=found.peak))


def test_without_a_ratio_there_is_no_ergas_and_this_is_said(cubes, caplog):
    found = evaluate(*map(raster, cubes), peak=1.0)
    assert math.isnan(found.ergas)
    assert found.ratio is None
    assert "no ERGAS: it needs the ratio" in caplog.text
    caplog.clear()
    assert evaluate(*map(raster, cubes), peak=1.0, ratio=3.0).ergas > 0
    assert not caplog.text


def test_bands_that_either_marks_as_bad_are_left_out(cubes):
    truth, estimate = (cube.copy() for cube in cubes)
    truth[0], estimate[2] = np.nan, 99.0
    found = evaluate(
        raster(truth, good=np.array([False, True, True, True])),
        raster(estimate, good=np.array([True, True, False, True])),
        peak=1.0,
    )
    same(found, score(truth[[1, 3]], estimate[[1, 3]]))
    assert found.describe_bands() == "2 of 4 bands (the others are marked as bad)"


@pytest.mark.parametrize(("row", "column"), [(7, 12), (-5, 3), (0, 0)])
def test_a_cut_of_one_lattice_is_compared_on_the_common_part_and_this_is_said(
    cubes, caplog, row, column
):
    """With a warning only where pixels of the estimate are left out."""
    truth, estimate = cubes
    moved = raster(estimate[:, :100, :120], GRID * Affine.translation(column, row))
    with caplog.at_level(logging.INFO, logger="hsfuse"):
        found = evaluate(raster(truth), moved, peak=1.0, ratio=3.0)
    rows = slice(max(row, 0), row + 100)
    part = truth[:, rows, column : column + 120]
    same(found, score(part, estimate[:, max(-row, 0) : 100, :120], ratio=3.0))
    assert f"{part.shape[1]} rows x {part.shape[2]} columns" in caplog.text
    (record,) = caplog.records
    assert (record.levelno == logging.WARNING) is (row < 0)


def test_the_units_are_those_that_the_rasters_state(cubes, caplog):
    """Two units are no reason to refuse, and are said."""
    truth, estimate = map(raster, cubes)
    assert evaluate(truth, estimate, peak=1.0).units == ""
    stated = truth.assign_attrs(units="reflectance")
    assert evaluate(stated, estimate, peak=1.0).units == "reflectance"
    with caplog.at_level(logging.WARNING, logger="hsfuse"):
        evaluate(stated, estimate.assign_attrs(units="percent"), peak=1.0)
    assert "are in reflectance and percent" in caplog.text


def test_a_lazily_cropped_raster_lies_where_its_coordinates_are(cubes):
    truth, estimate = map(raster, cubes)
    found = evaluate(truth, estimate[:, 30:130, 40:], peak=1.0)
    same(found, score(*(cube[:, 30:130, 40:] for cube in cubes)))


@pytest.mark.parametrize(
    ("grid", "how"),
    [
        (GRID * Affine.translation(0.5, 0), "their corners lie 0 rows and 0.5 columns apart"),
        (GRID * Affine.translation(0, 0.1), "their corners lie 0.1 rows and 0 columns apart"),
        (GRID * Affine.scale(1.01), "pixel sizes"),
        (GRID * Affine.scale(3), "pixel sizes"),
        (GRID * Affine.rotation(1), "pixel sizes|one is rotated"),
        (Affine.identity(), "pixel sizes"),
    ],
)
def test_pixels_that_do_not_line_up_are_refused_with_both_names(cubes, grid, how):
    truth, estimate = (
        raster(cubes[0]).assign_attrs(source="truth.tif"),
        raster(cubes[1], grid).assign_attrs(source="fused.tif"),
    )
    with pytest.raises(
        PairError, match=rf"truth.tif and fused.tif: .*line up: ({how}).*; expected"
    ):
        evaluate(truth, estimate)


def test_rounding_in_a_transform_is_no_shift(cubes):
    nudged = GRID * Affine.translation(1e-5, -1e-5) * Affine.scale(1 + 1e-9)
    same(evaluate(raster(cubes[0]), raster(cubes[1], nudged), peak=1.0), score(*cubes))


def test_two_reference_systems_are_refused(cubes):
    with pytest.raises(PairError, match="EPSG:32633 and EPSG:32632"):
        evaluate(raster(cubes[0]), raster(cubes[1], crs="EPSG:32632"))


def test_without_georeferencing_equal_sizes_are_compared_and_others_refused(cubes):
    truth, estimate = (raster(cube, Affine.identity(), crs=None) for cube in cubes)
    same(evaluate(truth, estimate, peak=1.0), score(*cubes))
    with pytest.raises(PairError, match="190 rows x 170 columns and 190 rows x 160 columns"):
        evaluate(truth, estimate[:, :, :160])


def test_other_bands_are_refused(cubes):
    truth, estimate = map(raster, cubes)
    with pytest.raises(PairError, match="4 and 3 bands"):
        evaluate(truth, estimate[:3])
    wavelength = np.array([450.0, 550.0, 650.0, 850.0])
    with pytest.raises(PairError, match="band 4 is at 850 and 950 nm"):
        evaluate(
            raster(cubes[0], wavelength=wavelength),
            raster(cubes[1], wavelength=wavelength + np.array([0, 1, np.nan, 100])),
        )


def test_rasters_that_do_not_meet_or_hold_nothing_are_refused(cubes):
    truth, estimate = cubes
    with pytest.raises(PairError, match="no pixel in common"):
        evaluate(raster(truth), raster(estimate, GRID * Affine.translation(500, 0)))
    with pytest.raises(PairError, match="no pixel has data"):
        evaluate(raster(truth), raster(np.full_like(estimate, np.nan)))
    with pytest.raises(PairError, match="give the largest possible value"):
        evaluate(raster(np.zeros_like(truth)), raster(estimate))
    with pytest.raises(PairError, match="no band is good"):
        evaluate(raster(truth, good=np.zeros(4, dtype=bool)), raster(estimate))


@pytest.mark.parametrize("option", [{"peak": 0.0}, {"peak": math.nan}, {"ratio": -1.0}])
def test_options_that_are_not_positive_are_refused(cubes, option):
    with pytest.raises(PlanError, match="must be a positive number"):
        evaluate(*map(raster, cubes), **option)
