"""From files to a finished output."""

import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from runs import Stopped, chunk_files, new_store, stop_after
from threadpoolctl import threadpool_info, threadpool_limits
from warped_scenes import rotated, warped

import hsfuse
import hsfuse.fusion.run as running
from hsfuse.errors import HsfuseError, OutputError, PairError, PlanError
from hsfuse.fusion import digest
from hsfuse.fusion.block import fuse_block, fuse_input, read_block
from hsfuse.fusion.consistency import compare_block
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.fusion.run import execute, prepare, run
from hsfuse.fusion.settings import Settings
from hsfuse.io.input.pixels import Cube, FilePixels, Key
from hsfuse.io.output.provenance import read_provenance
from hsfuse.io.read import open_raster
from hsfuse.io.write import Journal, OutputLayout, Store

BICUBIC = Settings(method="bicubic", tile=64, workers=2, align=False)


def pixels(path: Path) -> np.ndarray:
    """Return the cube of an output."""
    return hsfuse.open_raster(path).compute(scheduler="synchronous").to_numpy()


def test_both_formats_hold_the_same_georeferenced_cube(files: Path, tmp_path: Path) -> None:
    """Zarr and GeoTIFF: pixels, CRS, transform and wavelengths."""
    stored = run(files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr", BICUBIC)
    exported = run(files / "scene.tif", files / "rgb.tif", tmp_path / "out.tif", BICUBIC)
    assert np.array_equal(pixels(stored.path), pixels(exported.path), equal_nan=True)
    with rasterio.open(exported.path) as fused, rasterio.open(files / "rgb.tif") as rgb:
        assert fused.crs == rgb.crs
        assert fused.transform.almost_equals(stored.job.layout.affine)
        assert "CENTRAL_WAVELENGTH_UM" in fused.tags(1, ns="IMAGERY")
    scene = hsfuse.open_raster(files / "scene.tif")
    fused = hsfuse.open_raster(stored.path)
    assert fused["wavelength"].to_numpy() == pytest.approx(scene["wavelength"].to_numpy())


def test_the_fused_cube_agrees_with_both_inputs(files: Path, tmp_path: Path) -> None:
    """Noise-free inputs are reproduced to a few per cent; what it states are JSON types."""
    outcome = run(files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr", BICUBIC,
                  method="guided")  # fmt: skip
    stated = read_provenance(outcome.path)
    assert (stated["method"], type(stated["radius"]), type(stated["ridge"])) == (
        "guided", int, float,
    )  # fmt: skip
    assert outcome.spatial.relative < 0.03
    assert outcome.spectral.relative < 0.05
    assert outcome.spatial.count > 0


@pytest.mark.parametrize(
    "make", [None, *(pytest.param(each, marks=pytest.mark.slow) for each in (warped, rotated))]
)
def test_a_resumed_run_is_the_run(
    files: Path, tmp_path: Path, make: Callable[[Path, Path], Path] | None
) -> None:
    """Three blocks, then the others in another way: same bytes and figures as in one go."""
    scene = files / "scene.tif" if make is None else make(files, tmp_path)
    whole = run(scene, files / "rgb.tif", tmp_path / "whole.zarr", BICUBIC)
    part = tmp_path / "part.zarr"
    with pytest.raises(Stopped):
        run(scene, files / "rgb.tif", part, BICUBIC, progress=stop_after(3))
    outcome = run(scene, files / "rgb.tif", part, BICUBIC, resume=True, workers=1)
    assert outcome.resumed == 3 < outcome.blocks
    assert chunk_files(outcome.path) == chunk_files(whole.path)
    for name in ("spatial", "spectral", "missing", "clipped", "limited", "blocks"):
        assert getattr(outcome, name) == getattr(whole, name)
    assert outcome.spatial.count > 0 < outcome.spectral.count


@pytest.mark.parametrize("name", ["out.zarr", "out.dat"])
def test_a_run_stopped_after_its_output_has_its_name_resumes(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """To the same numbers without a block fused again; another request leaves the output."""
    words = files / "scene.tif", files / "rgb.tif", tmp_path / name, BICUBIC

    def stop(_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("hsfuse.io.output.destination.remove_partial", stop)
        with pytest.raises(Stopped):
            run(*words)
    before = open_raster(tmp_path / name).values
    with pytest.raises(OutputError, match="exists already and is complete"):
        run(*words, resume=True, dtype="int16", scale=1e-4)
    np.testing.assert_array_equal(open_raster(tmp_path / name).values, before)
    outcome = run(*words, resume=True)
    assert outcome.resumed == outcome.blocks > 1
    np.testing.assert_array_equal(open_raster(tmp_path / name).values, before)
    assert not list(tmp_path.glob("*.partial"))


def test_another_algorithm_is_not_mixed_in(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with other options or versions names them, and leaves what there is."""
    words = files / "scene.tif", files / "rgb.tif", tmp_path / "part.zarr"
    settings = Settings(method="bicubic", tile=64, align=False)
    with pytest.raises(Stopped):
        run(*words, settings, progress=stop_after(3))
    changes: list[tuple[dict[str, Any], str]] = [
        ({"method": "guided"}, "method was bicubic and is guided"),
        ({"hs_sensor": "enmap"}, "HS sensor is another or has changed"),
        ({"dtype": "int16", "scale": 1e-4}, "dtype was input and is int16, scale was None"),
    ]
    for change, difference in changes:
        with pytest.raises(OutputError, match=rf"options or versions \({difference}"):
            run(*words, settings, resume=True, **change)
    real = digest.version
    with monkeypatch.context() as patch:
        patch.setattr(digest, "version", lambda name: real(name) + ".post1" * (name == "scipy"))
        other = rf"version of scipy was {real('scipy')} and is {real('scipy')}.post1\)"
        with pytest.raises(OutputError, match=other):
            run(*words, settings, resume=True)
    assert run(*words, settings, resume=True).resumed == 3


def test_an_estimate_that_differs_is_named(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where inputs, options and versions are the same, as on another processor."""
    words = files / "scene.tif", files / "rgb.tif", tmp_path / "part.zarr"
    settings = Settings(method="bicubic", tile=64, align=False)
    with pytest.raises(Stopped):
        run(*words, settings, progress=stop_after(1))
    limit = running.plan_fusion

    def plan(*words: Any, **options: Any) -> Plan:
        return replace(limit(*words, **options), lower_limit=np.full(12, -1, np.float32))

    monkeypatch.setattr(running, "plan_fusion", plan)
    with pytest.raises(OutputError, match=r"\(value range is another or has changed\)"):
        run(*words, settings, resume=True)


def test_an_input_that_changed_is_not_mixed_in(files: Path, tmp_path: Path) -> None:
    """The same options, and another scene under the same name."""
    scene, out = tmp_path / "scene.tif", tmp_path / "part.zarr"
    settings = Settings(method="bicubic", tile=64, align=False)
    shutil.copy(files / "scene.tif", scene)
    with pytest.raises(Stopped):
        run(scene, files / "rgb.tif", out, settings, progress=stop_after(2))
    with rasterio.open(scene, "r+") as target:
        target.write(target.read(1) * 1.5, 1)
    with pytest.raises(OutputError, match=r"\(HS image is another or has changed\)"):
        run(scene, files / "rgb.tif", out, settings, resume=True)


def test_options_are_keywords_of_run(files: Path, tmp_path: Path) -> None:
    """With settings or without them; a word that is no option is an error."""
    words = files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr"
    settings = run(*words, method="bicubic", align=False).job.settings
    assert settings == Settings(method="bicubic", align=False)
    again = run(*words, settings, overwrite=True).job.settings
    assert again == replace(settings, overwrite=True)
    with pytest.raises(TypeError, match="no_such_setting"):
        run(*words, no_such_setting="bicubic")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"method": "magic"}, "method must be one of"),
        ({"device": "tpu"}, "auto, cpu or cuda"),
        ({"precision": "float16"}, "precision must be auto, float32 or bfloat16"),
        ({"tile": 0}, "tile must be at least 1"),
        ({"overlap": -1}, "tile overlap must be at least 0 MS pixels"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"scheduler": "cluster"}, "scheduler must be local, processes or an address"),
        ({"dtype": "float64"}, "float32, int16, uint16"),
        ({"dtype": "int16"}, "needs a scale"),
        ({"scale": 0.1}, "without scaling"),
        ({"dtype": "int16", "scale": -1.0}, "positive"),
        ({"method": "guided", "weights": "mine.safetensors"}, "guided takes no weights"),
    ],
    ids=str,
)
def test_options_that_cannot_be_are_refused_by_themselves(
    choices: dict[str, Any], message: str
) -> None:
    """Settings of that kind do not come to be, so nothing was read yet."""
    with pytest.raises(PlanError, match=message):
        Settings(**choices)


@pytest.fixture
def no_survey(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a survey of any pair fail."""

    def survey(*_: object, **__: object) -> None:
        pytest.fail("the pair was surveyed")

    for module in ("hsfuse.fusion.plan.align_pair", "hsfuse.fusion.plan.survey_for"):
        monkeypatch.setattr(module, survey)


def test_every_stage_is_reported(files: Path, tmp_path: Path) -> None:
    """Of planning and of finishing a GeoTIFF: names, and shares that never decrease."""
    planned, finished = [], []
    job = prepare(
        files / "scene.tif",
        files / "rgb.tif",
        tmp_path / "out.tif",
        Settings(method="bicubic", align=True),
        stage=lambda name, share: planned.append((name, share)),
    )
    execute(job, stage=lambda name, share: finished.append((name, share)))
    for stages, names in (
        (planned, ["fill values", "co-registration", "radiometry", "preparation of bicubic"]),
        (finished, ["verification", "overviews", "tiles"]),
    ):
        seen = list(dict.fromkeys(name for name, _ in stages))
        assert [name for name in seen if name in names] == names
        shares = [share for _, share in stages]
        assert shares == sorted(shares)
        assert 0 <= shares[0] < shares[-1] < 1


@pytest.mark.usefixtures("no_survey")
def test_what_is_wrong_is_refused_before_the_survey(files: Path, tmp_path: Path) -> None:
    """Output, partial output, options of the format, files: one line each, at once."""
    scene, rgb, out = files / "scene.tif", files / "rgb.tif", tmp_path / "out.tif"
    partial = tmp_path / "part.tif.partial"
    layout = OutputLayout(1, 4, 4, (1, 0, 0, 0, -1, 0))
    store = new_store(tmp_path / "part.tif", layout, plan_hash="p")
    with Journal(store) as journal:
        journal.append(store.write(0, 0, np.zeros(layout.shape)))
    weights = tmp_path / "mine.safetensors"
    for words, choices, message in (
        ((scene, rgb, tmp_path / "part.tif"), {}, f"{partial}: an interrupted run left 1"),
        ((scene, rgb, tmp_path / "none" / "out.tif"), {}, "there is no folder"),
        ((scene, rgb, tmp_path / "out.img"), {}, "must end in .tif, .tiff, .zarr"),
        ((scene, rgb, out), {"creation_options": {"COMPRESS": "JPEG"}}, "COMPRESS"),
        ((scene, rgb, tmp_path / "a.zarr"), {"creation_options": {"A": "B"}}, "no creation opt"),
        ((tmp_path / "no.tif", rgb, out), {}, "no.tif: no such file"),
        ((scene, tmp_path / "no.tif", out), {}, "no.tif: no such file"),
        ((scene, rgb, out), {"hs_mask": tmp_path / "no.tif"}, "no.tif: no such file"),
        ((scene, rgb, out), {"hs_sensor": "no-such-sensor"}, "no-such-sensor"),
        ((scene, rgb, out), {"method": "ms-ssfnet", "weights": weights}, "no such file"),
    ):
        with pytest.raises(HsfuseError, match=re.escape(message)) as caught:
            run(*words, **({"method": "guided"} | choices))
        assert str(caught.value).count("\n") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part.tif.partial"]


@pytest.mark.parametrize("align", [True, False])
def test_two_rasters_of_one_resolution_are_refused_before_the_survey(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, align: bool
) -> None:
    """A ratio of 1 is known from the georeferencing."""

    def read(*_: object) -> None:
        pytest.fail("the pair was surveyed")

    monkeypatch.setattr("hsfuse.pair.sampling._read_patch", read)
    scene, out = files / "scene.tif", tmp_path / "out.tif"
    with pytest.raises(PairError, match=r"one HS pixel is 1 by 1 MS pixels"):
        run(scene, scene, out, method="guided", align=align)


def test_a_folder_that_cannot_be_written_is_refused(files: Path, tmp_path: Path) -> None:
    """Before anything else is done."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(OutputError, match="not writable"):
        run(files / "scene.tif", files / "rgb.tif", locked / "out.tif", method="bicubic")


def test_a_block_reads_each_input_once(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fusing, masking and comparing work on one window of each raster, blended tiles too."""
    scene, rgb = (hsfuse.open_raster(files / name) for name in ("scene.tif", "rgb.tif"))
    read = []
    get = FilePixels.__getitem__

    def count(pixels: FilePixels, key: Key) -> Cube:
        read.append(Path(pixels.path).name)
        return get(pixels, key)

    for overlap in (None, 100):
        plan = plan_fusion(scene, rgb, method="guided", align=False, tile=64, overlap=overlap)
        whole = {"band": -1, "y": -1, "x": -1}
        pair = replace(plan.pair, hs=plan.pair.hs.chunk(whole), fine=plan.pair.fine.chunk(whole))
        plan = replace(plan, pair=pair)
        with monkeypatch.context() as patch:
            patch.setattr(FilePixels, "__getitem__", count)
            block = read_block(plan, 1, 1)
            chunks = sorted(read)
            values, _ = fuse_input(plan, block)
            compare_block(plan, block, values)
        assert sorted(read) == chunks
        assert set(chunks) == {"scene.tif", "rgb.tif"}
        assert np.array_equal(values, fuse_block(plan, 1, 1), equal_nan=True)
        read.clear()


def test_the_whole_unit_of_work_runs_on_one_thread(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading, fusing, comparing and writing, in every worker; afterwards as before."""
    found: dict[str, set[int]] = {}

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            pools = {pool["num_threads"] for pool in threadpool_info()}
            found.setdefault(name, set()).update(pools | {torch.get_num_threads()})
            return function(*words, **options)

        return call

    for name in ("read_block", "fuse_input", "compare_block"):
        target = f"hsfuse.fusion.run.{name}"
        monkeypatch.setattr(target, watched(name, getattr(running, name)))
    monkeypatch.setattr(Store, "write", watched("write", Store.write))
    before = torch.get_num_threads()
    with threadpool_limits(2):
        torch.set_num_threads(2)
        settings = Settings(method="bicubic", tile=64, workers=2, align=False)
        run(files / "scene.tif", files / "rgb.tif", tmp_path / "out.zarr", settings)
        assert torch.get_num_threads() == 2
        assert {pool["num_threads"] for pool in threadpool_info()} == {2}
    torch.set_num_threads(before)
    steps = ("read_block", "fuse_input", "compare_block", "write")
    assert found == {step: {1} for step in steps}


def test_units_of_the_ms_image_are_in_the_consistency(files: Path) -> None:
    """Gain and offset, which radiometry finds, belong to what R Z is compared with."""
    with rasterio.open(files / "rgb.tif") as source:
        profile, values = source.profile, source.read()
    scene = hsfuse.open_raster(files / "scene.tif")
    figures = []
    for gain, offset in ((1.0, 0.0), (250.0, 30.0)):
        with rasterio.MemoryFile() as memory:
            with memory.open(**profile) as target:
                target.write(values * np.float32(gain) + np.float32(offset))
            path = files / f"rgb-{gain:g}.tif"
            path.write_bytes(memory.read())
        rgb = hsfuse.open_raster(path)
        plan = plan_fusion(scene, rgb, method="guided", align=False, tile=256)
        block = read_block(plan, 0, 0)
        figures.append(compare_block(plan, block, fuse_input(plan, block)[0])[1])
        path.unlink()
    assert figures[1].rmse == pytest.approx(250 * figures[0].rmse, rel=0.05)
    assert figures[1].rmse < 0.1 * 250 * float(np.nanstd(values))


def test_nothing_is_written_over(files: Path, tmp_path: Path) -> None:
    """An output that exists stays unless its replacement was asked for."""
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    out = tmp_path / "out.tif"
    out.write_bytes(b"mine")
    with pytest.raises(OutputError, match="overwrite=True"):
        run(scene, rgb, out, BICUBIC)
    assert out.read_bytes() == b"mine"
    with pytest.raises(OutputError, match="also an input"):
        run(scene, rgb, scene, Settings(overwrite=True))


def test_of_runs_in_threads_on_one_output_one_writes(files: Path, tmp_path: Path) -> None:
    """The others end with one line; what is written is what one run writes alone."""
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    together = Barrier(3)

    def fuse(method: str) -> str:
        job = prepare(scene, rgb, tmp_path / "out.zarr", replace(BICUBIC, method=method))
        together.wait()
        try:
            return str(execute(job).job.settings.method)
        except OutputError as error:
            return str(error)

    with ThreadPoolExecutor(3) as pool:
        results = sorted(pool.map(fuse, ("bicubic", "guided", "bicubic")), key=len)
    alone = run(scene, rgb, tmp_path / "alone.zarr", replace(BICUBIC, method=results[0]))
    for refused in results[1:]:
        assert re.search("is writing there; wait for it|exists already and is", refused), refused
        assert "\n" not in refused
    assert chunk_files(tmp_path / "out.zarr") == chunk_files(alone.path)
    assert not (tmp_path / "out.zarr.partial").exists()


def test_integers_are_scaled(files: Path, tmp_path: Path) -> None:
    """int16 with a scale holds the cube to half a step."""
    scene, rgb = files / "scene.tif", files / "rgb.tif"
    exact = run(scene, rgb, tmp_path / "exact.zarr", BICUBIC)
    scaled = run(scene, rgb, tmp_path / "scaled.tif", BICUBIC, dtype="int16", scale=1e-4)
    assert np.nanmax(np.abs(pixels(scaled.path) - pixels(exact.path))) <= 0.51e-4
    assert scaled.clipped == 0


@pytest.mark.slow
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
