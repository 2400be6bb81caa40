"""Scenes of the data sets of the field, in the layout of their original files."""

import shutil
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import scipy.io
from rasterio.errors import NotGeoreferencedWarning

from hsfuse.errors import RasterError
from hsfuse.io import read
from hsfuse.io.input.labels import raster_notes
from hsfuse.io.read import open_raster

ROWS, COLUMNS, BANDS = 5, 7, 31
WAVELENGTH = np.arange(400.0, 701.0, 10.0)


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """Return 12-bit numbers as MATLAB shows them: (rows, columns, bands), none alike."""
    return (
        np.random.default_rng(0)
        .permutation(4096)[: ROWS * COLUMNS * BANDS]
        .reshape(ROWS, COLUMNS, BANDS)
    )


def write_png(path: Path, planes: np.ndarray) -> None:
    count, rows, columns = planes.shape
    profile = {"count": count, "height": rows, "width": columns, "dtype": planes.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="PNG", **profile) as target:
            target.write(planes)


@pytest.fixture(scope="module")
def cave(tmp_path_factory: pytest.TempPathFactory, scene: np.ndarray) -> Path:
    """Return the folder of a CAVE scene, with the picture that comes with it."""
    folder = tmp_path_factory.mktemp("cave") / "toy_ms"
    folder.mkdir()
    for band in range(BANDS):
        write_png(folder / f"toy_ms_{band + 1:02d}.png", scene[None, ..., band].astype(np.uint16))
    (folder / "toy_RGB.bmp").write_bytes(b"BM")
    return folder


def write_v73(path: Path, **arrays: np.ndarray) -> Path:
    """Write as MATLAB 7.3 does: axes in reverse order, behind a header of 512 bytes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array.T, chunks=True, compression="gzip")
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 .".ljust(124))
        file.write(bytes([0, 2]) + b"IM")
    return path


def harvard(path: Path, scene: np.ndarray) -> tuple[Path, np.ndarray]:
    label = np.ones((ROWS, COLUMNS))
    label[1, 2] = 0
    scipy.io.savemat(path, {"ref": scene / 4096, "lbl": label}, do_compression=True)
    return path, np.where(label[..., None] == 0, np.nan, scene / 4096)


def icvl(path: Path, scene: np.ndarray) -> tuple[Path, np.ndarray]:
    colour = scene[..., :3].astype(float)
    write_v73(path, rad=scene.astype(float), bands=WAVELENGTH[:, None], rgb=colour)
    return path, scene


def nus(path: Path, scene: np.ndarray) -> tuple[Path, np.ndarray]:
    scipy.io.savemat(path, {"tensor": (scene / 4096).astype(np.float32)})
    return path, scene / 4096


def nus_v73(path: Path, scene: np.ndarray) -> tuple[Path, np.ndarray]:
    return write_v73(path, tensor=scene / 4096), scene / 4096


@pytest.mark.parametrize(
    ("write", "product", "first"),
    [
        (harvard, "Harvard", 420),
        (icvl, "ICVL", 400),
        (nus, "NUS", 400),
        (nus_v73, "NUS", 400),
    ],
)
def test_matlab_scenes_have_rows_columns_and_wavelengths(
    tmp_path, scene, write, product, first
) -> None:
    """Pixels lie where MATLAB shows them, whatever the version; a window is that of the whole."""
    path, expected = write(tmp_path / "scene.mat", scene)
    raster = open_raster(path, chunk=3)
    assert raster.attrs["product"] == product
    np.testing.assert_allclose(raster, np.moveaxis(expected, -1, 0), rtol=1e-6)
    np.testing.assert_array_equal(raster["wavelength"], first + 10 * np.arange(31))
    window = raster[2:9, 1:4, ::-2]
    np.testing.assert_array_equal(window.values, raster.values[2:9, 1:4, ::-2])


def test_a_folder_of_png_is_one_raster(cave, scene, tmp_path) -> None:
    """Folder, nested folder and any of its files open as reflectance, 1 at 65535."""
    nested = tmp_path / "toy_ms" / "toy_ms"
    shutil.copytree(cave, nested)
    for path in (cave, nested.parent, cave / "toy_ms_07.png"):
        raster = open_raster(path)
        np.testing.assert_allclose(raster, np.moveaxis(scene, -1, 0) / 65535, rtol=1e-6)
        np.testing.assert_array_equal(raster["wavelength"], WAVELENGTH)
        assert raster.attrs["full_scale"] == 1.0
        assert raster.attrs["units"] == "reflectance"


def test_the_first_channel_of_colour_files_is_the_band(cave, scene, tmp_path) -> None:
    """The scene `watercolors` has files of 8 bits and four channels; a note says so."""
    folder = tmp_path / "toy_ms"
    shutil.copytree(cave, folder)
    small = (scene // 16).astype(np.uint8)
    for band in range(BANDS):
        plane = small[..., band]
        channels = np.stack([plane, plane, plane, np.full_like(plane, 255)])
        write_png(folder / f"toy_ms_{band + 1:02d}.png", channels)
    raster = open_raster(folder)
    np.testing.assert_allclose(raster, np.moveaxis(small, -1, 0) / 255, rtol=1e-6)
    assert "the first is taken" in raster_notes(raster)[0]


def lacks_a_band(folder: Path) -> None:
    (folder / "toy_ms_12.png").unlink()


def has_another_size(folder: Path) -> None:
    write_png(folder / "toy_ms_12.png", np.ones((1, 4, 4), np.uint16))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lacks_a_band, "none of band 12; expected"),
        (has_another_size, "have the sizes .*4 rows x 4 columns"),
    ],
)
def test_an_incomplete_folder_is_one_line(cave, tmp_path, harm, message) -> None:
    folder = tmp_path / "toy_ms"
    shutil.copytree(cave, folder)
    harm(folder)
    with pytest.raises(RasterError, match=message) as refusal:
        open_raster(folder)
    assert "\n" not in str(refusal.value)


def other_variable(path: Path, scene: np.ndarray) -> None:
    scipy.io.savemat(path, {"paviaU": scene})


def other_variable_v73(path: Path, scene: np.ndarray) -> None:
    write_v73(path, cube=scene.astype(float))


def other_bands(path: Path, scene: np.ndarray) -> None:
    scipy.io.savemat(path, {"tensor": scene[..., :20].astype(float)})


def other_mask(path: Path, scene: np.ndarray) -> None:
    scipy.io.savemat(path, {"ref": scene.astype(float), "lbl": np.ones((3, 3))})


def truncated(path: Path, scene: np.ndarray) -> None:
    scipy.io.savemat(path, {"ref": scene.astype(float)})
    path.write_bytes(path.read_bytes()[:-500])


def no_matlab(path: Path, scene: np.ndarray) -> None:
    path.write_bytes(b"junk" * len(scene))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (other_variable, r"holds paviaU \(5 x 7 x 31\); expected a cube"),
        (other_variable_v73, r"holds cube \(5 x 7 x 31\); expected a cube"),
        (other_bands, "tensor has 20 bands; expected the 31 of NUS"),
        (other_mask, "lbl is 3 x 3 pixels and ref 5 x 7"),
        (truncated, "cannot be read as a MATLAB file"),
        (no_matlab, "cannot be read as a MATLAB file"),
    ],
)
def test_other_matlab_files_are_refused_in_one_line(tmp_path, scene, write, message) -> None:
    path = tmp_path / "scene.mat"
    write(path, scene)
    with pytest.raises(RasterError, match=message) as refusal:
        open_raster(path).compute()
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


def test_sizes_are_checked_before_anything_is_read(tmp_path, scene, monkeypatch) -> None:
    """A header that declares a cube beyond the limit is refused without unpacking it."""
    path = tmp_path / "scene.mat"
    scipy.io.savemat(path, {"ref": scene.astype(float)})
    data = bytearray(path.read_bytes())
    place = data.index(np.array([ROWS, COLUMNS, BANDS], "<i4").tobytes())
    data[place : place + 12] = np.array([40_000, 40_000, BANDS], "<i4").tobytes()
    path.write_bytes(data)
    monkeypatch.setattr(scipy.io, "loadmat", lambda *_, **__: pytest.fail("was read"))
    with pytest.raises(RasterError, match=r"blocks of 40000 x 40000 x 31"):
        read.open_raster(path)
