"""`fuse` takes what a run takes and gives what a run gives."""

import warnings
from pathlib import Path

import cloudpickle
import dask.array
import numpy as np
import pytest
import rasterio
import xarray as xr

import hsfuse
from hsfuse.errors import PairError, PlanError, RasterError
from hsfuse.io.input.labels import raster_notes

CHOICES = {"method": "bicubic", "align": False, "tile": 64}


def values(path: Path) -> np.ndarray:
    """Return the pixels of a file."""
    return hsfuse.open_raster(path).compute(scheduler="synchronous").to_numpy()


@pytest.fixture(scope="module")
def mask(files: Path) -> Path:
    """Return a mask of the scene that hides some pixels."""
    with rasterio.open(files / "scene.tif") as source:
        flags = np.ones(source.shape, np.uint8)
        flags[4:7, 5:9] = 0
        profile = source.profile | {"count": 1, "dtype": "uint8", "nodata": None}
    with rasterio.open(files / "scene-mask.tif", "w", **profile) as target:
        target.write(flags, 1)
    return files / "scene-mask.tif"


def test_a_written_lazy_result_is_the_output_of_a_run(
    files: Path, mask: Path, tmp_path: Path
) -> None:
    """Paths or rasters, with a mask: the same pixels both ways."""
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    done = hsfuse.run(scene, rgb, tmp_path / "run.zarr", hs_mask=mask, **CHOICES)
    expected = values(done.path)
    assert np.isnan(expected).any()
    assert np.isfinite(expected).any()
    rasters = hsfuse.open_raster(scene), hsfuse.open_raster(rgb)
    for name, pair in (("paths", (scene, rgb)), ("rasters", rasters)):
        lazy = hsfuse.fuse(*pair, hs_mask=mask, **CHOICES)
        assert lazy.data.numblocks[1:] == (3, 3)
        path = hsfuse.write_raster(lazy, tmp_path / f"{name}.zarr")
        assert np.array_equal(values(path), expected, equal_nan=True)


SIDE = 160  # MS pixels
STEP = 20  # pixels a side of a chunk of either input


def lazy_pair(computed: list[tuple[str, int, int]]) -> tuple[xr.DataArray, xr.DataArray]:
    """Return a lazy pair of ratio 4 that appends role and place of every chunk it computes."""

    def made(role: str, ratio: int, wavelength: list[float]) -> xr.DataArray:
        bands, side = len(wavelength), SIDE // ratio

        def chunk(block_id: tuple[int, int, int]) -> np.ndarray:
            computed.append((role, *block_id[1:]))
            y, x = (ratio * (STEP * index + np.arange(STEP) + 0.5) for index in block_id[1:])
            gains = np.linspace(0.4, 1.0, bands)[:, None, None]
            return np.float32(gains * (2 + np.sin(y / 9)[:, None] * np.cos(x / 7) + x / 50))

        chunks = ((bands,), (STEP,) * (side // STEP), (STEP,) * (side // STEP))
        data = dask.array.map_blocks(
            chunk, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
        )
        centres = ratio * (np.arange(side) + 0.5)
        coords = {"wavelength": ("band", wavelength), "y": -centres, "x": centres}
        return xr.DataArray(data, dims=("band", "y", "x"), coords=coords)

    return made("HS", 4, [450.0, 550.0, 650.0]), made("MS", 1, [480.0, 620.0])


def test_a_crop_costs_a_crop() -> None:
    """A crop computes the chunks of the inputs that it needs, each once; a graph is small."""
    computed: list[tuple[str, int, int]] = []
    fused = hsfuse.fuse(*lazy_pair(computed), method="bicubic", align=False, tile=20)
    graph = dict(fused.__dask_graph__())
    assert len(graph) == 8 * 8 + 1  # blocks, and the plan
    blocks = [task for key, task in graph.items() if isinstance(key, tuple)]
    assert max(len(cloudpickle.dumps(task)) for task in blocks) < 5_000
    computed.clear()
    crop = fused.isel(y=slice(65, 75), x=slice(85, 95)).compute()
    assert np.isfinite(crop).all()
    assert len(computed) == len(set(computed))
    # One block, its halo, and what interpolation needs of the HS image.
    near = {("MS", row, column) for row in (2, 3, 4) for column in (3, 4, 5)}
    near |= {("HS", row, column) for row in (0, 1) for column in (0, 1)}
    assert {("MS", 3, 4), ("HS", 0, 1)} <= set(computed) <= near


def test_the_assumptions_of_a_fusion_are_its_notes() -> None:
    """What a run prints is in the attributes of the array."""
    fused = hsfuse.fuse(*lazy_pair([]), method="bicubic", align=False, tile=160)
    assert any("neither file states a CRS" in note for note in raster_notes(fused))


def test_a_mask_of_another_grid_is_refused(files: Path, mask: Path) -> None:
    """For a raster as for a file."""
    rgb = hsfuse.open_raster(files / "rgb.tif")
    for fine in (rgb, files / "rgb.tif"):
        with pytest.raises(RasterError, match="expected a mask of the same rows and columns"):
            hsfuse.fuse(files / "scene.tif", fine, rgb_mask=mask, **CHOICES)


def test_what_is_wrong_is_refused_before_the_survey(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options, files and a ratio of 1, in one line each."""

    def survey(*_: object, **__: object) -> None:
        pytest.fail("the pair was surveyed")

    monkeypatch.setattr("hsfuse.fusion.plan.survey_for", survey)
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    for pair, choices, error, message in (
        ((scene, rgb), {"method": "magic"}, PlanError, "method must be one of"),
        ((scene, rgb), {"tile": 0}, PlanError, "tile must be at least 1"),
        ((scene, tmp_path / "no.tif"), {}, RasterError, "no such file"),
        ((scene, scene), {}, PairError, "one HS pixel is 1 by 1 MS pixels"),
    ):
        with pytest.raises(error, match=message):
            hsfuse.fuse(*pair, **(CHOICES | choices))
    with pytest.raises(TypeError, match="overwrite"):
        hsfuse.fuse(scene, rgb, overwrite=True)


def test_other_libraries_write_it_without_a_warning_and_keep_what_it_states(
    files: Path, tmp_path: Path
) -> None:
    """Names and wavelengths in zarr, no data in a GeoTIFF; source and sensors in both."""
    fused = hsfuse.fuse(files / "scene.tif", files / "rgb.tif", **CHOICES)
    assert "scene.tif" in fused.attrs["source"]
    assert "rgb.tif" in fused.attrs["source"]
    part = fused.isel(y=slice(16), x=slice(16)).assign_attrs(hs_sensor="enmap")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=PendingDeprecationWarning)  # of affine
        part.to_zarr(tmp_path / "a.zarr", consolidated=False)
        part.rio.to_raster(tmp_path / "a.tif")
        again = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)["fused"]
    assert again["band_name"].values.tolist() == fused["band_name"].values.tolist()
    assert again.attrs["source"] == fused.attrs["source"]
    np.testing.assert_array_equal(again["wavelength"], fused["wavelength"])
    with rasterio.open(tmp_path / "a.tif") as source:
        assert np.isnan(source.nodata)
        assert source.tags()["hs_sensor"] == "enmap"
