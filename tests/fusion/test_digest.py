"""The digest of a plan: the same for the same inputs and algorithm, another for any other."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from warped_scenes import rotated, warped

import hsfuse
from hsfuse.fusion import digest as module
from hsfuse.fusion.digest import LIBRARIES, identify
from hsfuse.fusion.plan import Plan, plan_fusion
from hsfuse.methods import Options, place
from hsfuse.methods.guided.regression import GuidedFuser

Given = dict[str, str]


def plan(scene: Path | str, rgb: Path | str, **options: object) -> Plan:
    """Return the plan of two files; options of the files begin with their name."""
    files = [
        hsfuse.open_raster(path, mask=options.pop(f"{name}_mask", None))
        for name, path in (("hs", scene), ("rgb", rgb))
    ]
    return plan_fusion(*files, **{"method": "bicubic", "align": False} | options)


@pytest.fixture
def copies(files: Path, tmp_path: Path) -> Path:
    """Return a folder with files of one's own, and a mask of each."""
    for name in ("scene", "rgb"):
        shutil.copy(files / f"{name}.tif", tmp_path)
        with rasterio.open(tmp_path / f"{name}.tif") as source:
            flags = {"count": 1, "dtype": "uint8", "nodata": None}
            with rasterio.open(tmp_path / f"{name}-mask.tif", "w", **source.profile | flags) as out:
                out.write(np.ones(source.shape, np.uint8), 1)
    return tmp_path


@pytest.fixture(scope="module")
def usual(files: Path) -> Plan:
    """Return the plan of the pair by `guided`."""
    return plan(files / "scene.tif", files / "rgb.tif", method="guided")


@pytest.fixture(scope="module")
def interpolated(files: Path) -> Plan:
    """Return the plan of the pair by `bicubic`, which takes least."""
    return plan(files / "scene.tif", files / "rgb.tif")


@pytest.mark.slow
def test_another_process_finds_the_same_digest(usual: Plan, files: Path, tmp_path: Path):
    """Whether the grids are parallel or the scene has to be warped."""
    scenes = [files / "scene.tif", *(make(files, tmp_path) for make in (warped, rotated))]
    code = (
        "import sys, hsfuse\n"
        "from hsfuse.fusion.plan import plan_fusion\n"
        "rgb, *scenes = map(hsfuse.open_raster, sys.argv[1:])\n"
        "for hs, method in zip(scenes, ('guided', 'bicubic', 'bicubic')):\n"
        "    print(plan_fusion(hs, rgb, method=method, align=False).digest)"
    )
    words = [sys.executable, "-c", code, str(files / "rgb.tif"), *map(str, scenes)]
    others = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert usual.digest == others[0]
    assert [plan(scene, files / "rgb.tif").digest for scene in scenes[1:]] == others[1:]


def test_how_a_path_is_spelt_decides_nothing(copies: Path, monkeypatch: pytest.MonkeyPatch):
    """Relative, absolute, through a symbolic link, with a dot in it: one input."""
    (copies / "link").symlink_to(copies)
    monkeypatch.chdir(copies)
    spelt = [copies, Path(), Path("..") / copies.name, copies / "link", f"{copies}/./."]
    digests = {
        plan(
            os.path.join(folder, "scene.tif"),
            os.path.join(folder, "rgb.tif"),
            hs_mask=os.path.join(folder, "scene-mask.tif"),
        ).digest
        for folder in spelt
    }
    assert len(digests) == 1


@pytest.mark.usefixtures("few_features")
def test_how_the_path_of_weights_is_spelt_decides_nothing(
    files: Path, component_weights: str, monkeypatch: pytest.MonkeyPatch
):
    """They are known by their content."""
    path = Path(component_weights)
    monkeypatch.chdir(path.parent)
    hs, rgb = (hsfuse.open_raster(files / name) for name in ("scene.tif", "rgb.tif"))
    part = hs[:, :12, :12], rgb[:, :48, :48]
    one, other = (
        plan_fusion(*part, weights=weights, align=False) for weights in (path.name, str(path))
    )
    assert one.digest == other.digest
    assert one.fuser.name == "ms-ssfnet"


@pytest.mark.parametrize("name", ["scene.tif", "rgb.tif", "scene-mask.tif", "rgb-mask.tif"])
def test_a_file_that_changed_is_another_input(copies: Path, name: str):
    """Its time of change alone tells, as of a file that was written again."""
    words = {"hs_mask": copies / "scene-mask.tif", "rgb_mask": copies / "rgb-mask.tif"}
    before = plan(copies / "scene.tif", copies / "rgb.tif", **words).digest
    status = (copies / name).stat()
    os.utime(copies / name, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert plan(copies / "scene.tif", copies / "rgb.tif", **words).digest != before


def test_a_header_and_the_sources_of_a_vrt_belong_to_the_input(tmp_path: Path):
    """The file that is opened stays as it is, and what it refers to changes."""
    envi = {"driver": "ENVI", "count": 2, "height": 4, "width": 5, "dtype": "float32"}
    with rasterio.open(
        tmp_path / "a.bsq", "w", transform=rasterio.Affine(2, 0, 0, 0, -2, 0), **envi
    ) as target:
        target.write(np.ones((2, 4, 5), np.float32))
    rasterio.shutil.copy(tmp_path / "a.bsq", tmp_path / "a.vrt", driver="VRT")
    for path, other in (("a.bsq", "a.hdr"), ("a.vrt", "a.bsq")):
        before = identify(hsfuse.open_raster(tmp_path / path))
        assert identify(hsfuse.open_raster(tmp_path / path)) == before
        status = (tmp_path / other).stat()
        os.utime(tmp_path / other, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        assert identify(hsfuse.open_raster(tmp_path / path)) != before


def test_a_store_is_known_by_its_metadata(files: Path, tmp_path: Path):
    """However its path is spelt; written again it is another input."""
    path = tmp_path / "scene.zarr"
    scene = hsfuse.open_raster(files / "scene.tif")
    hsfuse.write_raster(scene, path)
    before = identify(hsfuse.open_raster(path))
    assert identify(hsfuse.open_raster(f"{tmp_path}/./scene.zarr/")) == before
    hsfuse.write_raster(scene + 1, path, overwrite=True)
    assert identify(hsfuse.open_raster(path)) != before


@pytest.mark.parametrize(
    "options",
    [
        {"method": "guided"},
        {"tile": 64},
        {"overlap": 200},
        {"align": True},
        {"hs_sensor": "enmap"},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_every_option_that_decides_pixels_is_in_the_digest(
    interpolated: Plan, files: Path, options: Given
):
    """One option differs, and so does the digest."""
    assert plan(files / "scene.tif", files / "rgb.tif", **options).digest != interpolated.digest


@pytest.mark.parametrize("library", LIBRARIES)
def test_another_version_is_another_algorithm(
    usual: Plan, library: str, monkeypatch: pytest.MonkeyPatch
):
    """Of hsfuse and of every library that computes with pixels."""
    assert {"hsfuse", "numpy", "scipy", "torch"} <= set(LIBRARIES)
    before = usual.digest
    real = module.version
    monkeypatch.setattr(module, "version", lambda name: real(name) + ".post1" * (name == library))
    assert replace(usual).digest != before


def test_the_parameters_of_a_method_are_in_the_digest(usual: Plan):
    """A fuser with another constant gives another digest."""
    assert isinstance(usual.fuser, GuidedFuser)
    parameters = replace(usual.fuser.parameters, radius=usual.fuser.parameters.radius + 1)
    other = replace(usual, fuser=replace(usual.fuser, parameters=parameters))
    assert other.digest != usual.digest


def test_the_settings_of_a_method_are_in_the_digest(usual: Plan):
    """Each number among the constants of `guided`."""
    assert isinstance(usual.fuser, GuidedFuser)
    numbers = [
        field.name
        for field in fields(usual.fuser.settings)
        if isinstance(getattr(usual.fuser.settings, field.name), int | float)
    ]
    assert numbers
    for name in numbers:
        changed = replace(usual.fuser.settings, **{name: getattr(usual.fuser.settings, name) + 1})
        other = replace(usual, fuser=replace(usual.fuser, settings=changed))
        assert other.digest != usual.digest


def test_the_device_is_decided_where_blocks_are_fused(usual: Plan):
    """A plan keeps `auto`; placed on a device, all parts of its fuser are there."""
    assert usual.options.device == "auto"
    placed = usual.on("cuda")
    assert placed.options.device == "cuda"
    assert isinstance(placed.fuser, GuidedFuser)
    assert placed.fuser.device == "cuda"
    assert placed.digest not in (usual.digest, usual.on("cpu").digest)
    assert usual.on("cuda").on("cpu").digest == usual.on("cpu").digest


@dataclass(frozen=True)
class Wrapped:
    """A fuser around another, as far as `place` sees it."""

    inner: GuidedFuser
    options: Options
    device: str = "cpu"


def test_a_fuser_is_placed_with_all_that_it_is_made_of(usual: Plan):
    """The fuser, those within it and its options; what has no device stays the same object."""
    assert isinstance(usual.fuser, GuidedFuser)
    placed = place(Wrapped(usual.fuser, Options()), "cuda")
    assert (placed.device, placed.inner.device, placed.options.device) == ("cuda",) * 3
    assert placed.inner.subspace is usual.fuser.subspace
    assert place(placed, "cuda") is placed


def test_arrays_in_memory_are_known_by_their_content(files: Path):
    """Two arrays of the same values are one input, another value is another."""
    scene = hsfuse.open_raster(files / "scene.tif").load()
    assert identify(scene) == identify(scene.copy(deep=True))
    changed = scene.copy(deep=True)
    changed[0, 0, 0] += 1
    assert identify(scene) != identify(changed)
