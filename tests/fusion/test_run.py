"""From files to a finished output."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from distributed import LocalCluster

import hsfuse
from hsfuse.errors import OutputError
from hsfuse.fusion.lazy import lazy_result
from hsfuse.fusion.plan import plan_fusion
from hsfuse.fusion.run import execute, prepare, run, run_block
from hsfuse.fusion.settings import Settings
from hsfuse.io.write import Journal, create_store

GUIDED = Settings(method="guided", tile=64, workers=2)


def pixels(path: Path) -> np.ndarray:
    """Return the cube of an output."""
    return hsfuse.open_raster(path).compute(scheduler="synchronous").to_numpy()


def chunk_files(path: Path) -> dict[str, bytes]:
    """Return every chunk of a zarr output by name."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted((path / "cube" / "c").rglob("*"))
        if file.is_file()
    }


def test_both_formats_hold_the_same_georeferenced_cube(files: Path, tmp_path: Path) -> None:
    """Zarr and GeoTIFF: pixels, CRS, transform and wavelengths."""
    stored = run(files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr", GUIDED)
    exported = run(files / "scene.tif", files / "rgb.tif", tmp_path / "out.tif", GUIDED)
    assert np.array_equal(pixels(stored.path), pixels(exported.path), equal_nan=True)
    with rasterio.open(exported.path) as fused, rasterio.open(files / "rgb.tif") as rgb:
        assert fused.crs == rgb.crs
        assert fused.transform.almost_equals(stored.job.layout.affine)
        assert "CENTRAL_WAVELENGTH_UM" in fused.tags(1, ns="IMAGERY")
    scene = hsfuse.open_raster(files / "scene.tif")
    fused = hsfuse.open_raster(stored.path)
    assert fused["wavelength"].to_numpy() == pytest.approx(scene["wavelength"].to_numpy())


def test_the_fused_cube_agrees_with_both_inputs(files: Path, tmp_path: Path) -> None:
    """Noise-free inputs are reproduced to a few per cent."""
    outcome = run(files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr", GUIDED)
    assert outcome.spatial.relative < 0.03
    assert outcome.spectral.relative < 0.05
    assert outcome.spatial.count > 0


# distributed leaves sockets to the collector
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_scheduler_writes_the_same_bytes(files: Path, tmp_path: Path) -> None:
    """The local loop, two dask processes, and the lazy array through write_raster."""
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    local = run(scene, rgb, tmp_path / "local.zarr", GUIDED)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        settings = Settings(method="guided", tile=64, scheduler=cluster.scheduler_address)
        remote = run(scene, rgb, tmp_path / "remote.zarr", settings)
    assert chunk_files(remote.path) == chunk_files(local.path)
    assert len(chunk_files(local.path)) > 4
    plan = plan_fusion(hsfuse.open_raster(scene), hsfuse.open_raster(rgb), method="guided", tile=64)
    lazy: xr.DataArray = lazy_result(plan)
    assert np.array_equal(lazy.compute().to_numpy(), pixels(local.path), equal_nan=True)


def test_a_resumed_run_has_the_same_bytes(files: Path, tmp_path: Path) -> None:
    """Some blocks done, the process gone, the rest done later: nothing can be told apart."""
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    whole = run(scene, rgb, tmp_path / "whole.zarr", GUIDED)
    job = prepare(scene, rgb, tmp_path / "part.zarr", GUIDED)
    store = create_store(job.out, job.layout, plan_hash=job.plan.digest)
    with Journal(store) as journal:
        for index in job.plan.blocks[:3]:
            journal.append(run_block(job.plan, store, index).receipt)
    with pytest.raises(OutputError, match="--resume"):
        run(scene, rgb, tmp_path / "part.zarr", GUIDED)
    again = Settings(method="guided", tile=64, workers=1, resume=True)
    outcome = execute(prepare(scene, rgb, tmp_path / "part.zarr", again))
    assert outcome.resumed == 3
    assert chunk_files(outcome.path) == chunk_files(whole.path)
    other = Settings(method="bicubic", tile=64, resume=True)
    shutil.copytree(whole.path, tmp_path / "copy.zarr")
    with pytest.raises(OutputError, match="exists already"):
        run(scene, rgb, tmp_path / "copy.zarr", other)


def test_nothing_is_written_over(files: Path, tmp_path: Path) -> None:
    """An output that exists stays unless its replacement was asked for."""
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    out = tmp_path / "out.tif"
    out.write_bytes(b"mine")
    with pytest.raises(OutputError, match="--overwrite"):
        run(scene, rgb, out, GUIDED)
    assert out.read_bytes() == b"mine"
    with pytest.raises(OutputError, match="also an input"):
        run(scene, rgb, scene, Settings(overwrite=True))


def test_integers_are_scaled(files: Path, tmp_path: Path) -> None:
    """int16 with a scale holds the cube to half a step."""
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    exact = run(scene, rgb, tmp_path / "exact.zarr", GUIDED)
    settings = Settings(method="guided", tile=64, dtype="int16", scale=1e-4)
    scaled = run(scene, rgb, tmp_path / "scaled.tif", settings)
    assert np.nanmax(np.abs(pixels(scaled.path) - pixels(exact.path))) <= 0.51e-4
    assert scaled.clipped == 0


def test_masks_end_the_data_exactly_and_hide_what_is_below(files: Path, tmp_path: Path) -> None:
    """A cloud of any brightness below a mask gives the same bits, and no halo about it."""
    scene, rgb, found = files / "scene.tif", files / "rgb.tif", []
    with rasterio.open(scene) as source, rasterio.open(rgb) as fine:
        coarse, profile = source.read(), source.profile
        ratio = round(fine.width / source.width)
        clear, colours = fine.read(), fine.profile
    kept = np.ones((2, *coarse.shape[1:]), np.uint8)
    kept[0, 4:7, 5:9] = 0
    seen = np.ones(clear.shape[1:], np.uint8)
    seen[50:61, 20:33] = 0
    flags = {"count": 1, "dtype": "uint8", "nodata": None}
    for name, mask, like in (("hs", kept[0], profile), ("rgb", seen, colours)):
        with rasterio.open(tmp_path / f"{name}-mask.tif", "w", **(like | flags)) as target:
            target.write(mask, 1)
    for cloud in (0.3, 70.0):
        coarse[:, kept[0] == 0], clear[:, seen == 0] = cloud, cloud / 2
        places = [tmp_path / f"{name}{cloud:g}.tif" for name in ("hs", "rgb", "out")]
        for path, values, like in zip(places, (coarse, clear), (profile, colours), strict=False):
            with rasterio.open(path, "w", **like) as target:
                target.write(values)
        masks = {f"{name}_mask": str(tmp_path / f"{name}-mask.tif") for name in ("hs", "rgb")}
        settings = Settings(method="guided", tile=64, workers=1, align=False, **masks)
        outcome = run(*places[:2], places[2].with_suffix(".zarr"), settings)
        found.append(pixels(outcome.path))
    assert np.array_equal(*found, equal_nan=True)
    # The HS image begins 1.5 fine pixels down, so the output begins with the second row.
    rows, columns = (np.arange(length) for length in found[0].shape[1:])
    above = kept[0][np.minimum(rows // ratio, kept.shape[1] - 1)][:, columns // ratio]
    lost = (above == 0) | (seen[1 + rows] == 0)
    assert np.array_equal(np.isnan(found[0]).all(axis=0), lost)
