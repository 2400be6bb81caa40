"""What is shown is what the rasters hold, each on the grid of the fused one."""

import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine
from click.testing import CliRunner
from hsfuse.cli.main import main
from raster_files import cube, write_store, write_tiff

from hsfuse.core.grid import Span
from hsfuse.errors import HsfuseError, PairError
from hsfuse.io.levels import open_pyramid
from hsfuse.io.write import write_raster
from hsfuse.viewer.opening import open_scene
from hsfuse.viewer.scene import TILE
from hsfuse.viewer.spectra import spectra_at

BANDS = [4, 2, 0]


def whole(scene, layer, bands):
    """Return all tiles of level 0 in one array."""
    rows, columns = scene.size
    cube = np.full((len(bands), -(-rows // TILE) * TILE, -(-columns // TILE) * TILE), 9, np.float32)
    for row in range(0, rows, TILE):
        for column in range(0, columns, TILE):
            tile = scene.tile(layer, bands, 0, row // TILE, column // TILE)
            cube[:, row : row + TILE, column : column + TILE] = tile
    assert np.isnan(cube[:, rows:]).all()
    assert np.isnan(cube[:, :, columns:]).all()
    return cube[:, :rows, :columns]


def test_tiles_at_full_resolution_are_the_raster(scene, files):
    np.testing.assert_array_equal(whole(scene, "fused", BANDS), files[1]["fused"][BANDS])


def test_the_hs_image_is_shown_by_its_nearest_pixels(scene, files):
    expected = files[1]["hs"][BANDS].repeat(4, axis=1).repeat(4, axis=2)
    np.testing.assert_array_equal(whole(scene, "hs", BANDS), expected)


def test_the_ms_image_is_shown_from_the_corner_of_the_fused_raster(scene, files):
    np.testing.assert_array_equal(whole(scene, "ms", [1]), files[1]["ms"][[1], 3:303, 5:285])


def test_a_reduced_tile_holds_the_means_of_squares(scene, files):
    tile = scene.tile("fused", [3], 1, 0, 0)[0]
    values = files[1]["fused"][3].astype(np.float64)
    np.testing.assert_allclose(
        tile[40:150, 40:140], values[80:, 80:].reshape(110, 2, 100, 2).mean((1, 3)), rtol=1e-6
    )
    known = [values[10, 21], values[11, 20], values[11, 21]]
    assert tile[5, 10] == pytest.approx(np.mean(known))
    assert np.isnan(tile[150:]).all()


@pytest.mark.parametrize("place", [(0, 2, 0), (0, 0, 2), (1, 1, 0), (5, 0, 0)])
def test_there_is_no_tile_outside_the_raster(scene, place):
    with pytest.raises(LookupError):
        scene.tile("fused", [0], *place)


def test_overviews_are_read_where_there_are_any(tmp_path):
    path = write_tiff(tmp_path / "fused.tif", np.ones((1, 600, 500), np.float32))
    with rasterio.open(path, "r+") as target:
        target.build_overviews([2, 4])
    scene = open_scene(path)
    assert [level.step for level in scene.layers["fused"].pyramid.levels] == [1, 2, 4]
    assert scene.tile("fused", [0], 2, 0, 0)[0, :150, :125].tolist() == [[1.0] * 125] * 150


def test_levels_of_a_zarr_store_are_read(tmp_path):
    values = np.random.default_rng(0).random((2, 300, 280), dtype=np.float32)
    write_raster(cube(values, band=[1, 2]), tmp_path / "fused.zarr")
    found, _ = open_pyramid(tmp_path / "fused.zarr")
    assert [level.step for level in found.levels] == [1, 2]
    stored = zarr.open_array(tmp_path / "fused.zarr" / "ovr_2x" / "cube", mode="r")
    image = found.read([1], 2, Span(0, 150), Span(0, 140))[0]
    np.testing.assert_array_equal(image, stored[1])
    np.testing.assert_allclose(image[9, 7], values[1, 18:20, 14:16].mean(), rtol=1e-6)


def test_a_store_that_names_levels_elsewhere_has_none(tmp_path):
    values = np.ones((2, 20, 20), np.float32)
    for name in ("fused.zarr", "other.zarr"):
        write_store(tmp_path / name, cube(values))
    group = zarr.open_group(tmp_path / "fused.zarr", mode="r+")
    group.update_attributes({"multiscales": {"layout": [{}, {"asset": "../other.zarr"}]}})
    found, _ = open_pyramid(tmp_path / "fused.zarr")
    assert len(found.levels) == 1


@pytest.mark.parametrize("place", [None, Affine.rotation(20) * Affine.scale(3)])
def test_a_raster_without_a_place_or_with_a_rotated_one_is_shown(tmp_path, place):
    stored = np.random.default_rng(0).random((2, 40, 30), dtype=np.float32)
    path = write_tiff(tmp_path / "fused.tif", stored, transform=place)
    scene = open_scene(path)
    np.testing.assert_array_equal(scene.tile("fused", [1], 0, 0, 0)[0, :40, :30], stored[1])
    assert (scene.transform is None) == (place is None)


def test_a_large_window_without_overviews_is_sampled_at_true_places(monkeypatch, tmp_path):
    from dataclasses import replace

    from hsfuse.io import levels

    few = replace(levels.LEVELS, most_values=40_000)
    monkeypatch.setattr(levels, "LEVELS", few)
    rows = np.arange(512, dtype=np.float32)[None, :, None].repeat(512, axis=2)
    path = write_tiff(tmp_path / "fused.tif", rows, blockxsize=64, blockysize=64)
    found, _ = levels.open_pyramid(path)
    image = found.read([0], 4, Span(0, 128), Span(0, 128))[0]
    assert found.sampled(4)
    assert image.shape == (128, 128)
    assert (np.diff(image, axis=0) >= 0).all()
    assert np.abs(image[:, 0] - (np.arange(128) * 4 + 1.5)).max() < 128
    exact = np.isclose(image[:, 0], np.arange(128) * 4 + 1.5).mean()
    assert 0.2 < exact < 0.9


def test_images_that_were_named_and_do_not_belong_are_refused(files, tmp_path):
    folder, stored = files
    other = write_tiff(tmp_path / "ms.tif", stored["ms"], transform=Affine(2.5, 0, 0, 0, -2.5, 0))
    with pytest.raises(PairError, match=r"ms\.tif") as caught:
        open_scene(folder / "fused.tif", (folder / "hs.tif", other))
    assert isinstance(caught.value, HsfuseError)


@pytest.mark.slow
def test_the_images_of_a_run_are_found_in_its_record(files, tmp_path):
    folder, stored = files
    names = [str(folder / name) for name in ("hs.tif", "ms.tif")]
    out = tmp_path / "out.tif"
    options = ["--method", "bicubic", "--no-align", "--quiet"]
    assert CliRunner().invoke(main, ["run", *names, "-o", str(out), *options]).exit_code == 0
    scene = open_scene(out)
    assert set(scene.layers) == {"fused", "hs", "ms"}
    assert scene.notes == ()
    assert scene.relation is not None
    row, column = 123, 45
    found = spectra_at(scene, row, column)
    assert found["hs"]["values"] == stored["hs"][:, 30, 11].astype(float).tolist()
    assert found["ms"]["values"] == stored["ms"][:, 126, 50].astype(float).tolist()
    (tmp_path / "out.tif.json").unlink()
    assert set(open_scene(out).layers) == {"fused"}
