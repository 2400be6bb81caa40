"""
Error messages for inputs that cannot be fused: each is simulated and run, and its line printed.

    python benchmarks/refusals.py

Prints a Markdown table; a traceback, or an input that was accepted, would show as such.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

import hsfuse
from hsfuse.fusion.run import run
from hsfuse.fusion.settings import Settings

NORTH_UP = Affine(1, 0, 400000, 0, -1, 5800000)


def write(
    name: str,
    bands: int,
    shape: tuple[int, int],
    transform: Affine | None,
    *,
    crs: str | None = "EPSG:32633",
    range_nm: tuple[float, float] = (450, 950),
    width_nm: float = 10,
    fill: float | None = None,
) -> str:
    """Write a small raster with wavelengths; of noise, or all no data."""
    values = np.random.default_rng(0).random((bands, *shape)).astype(np.float32) + 0.1
    if fill is not None:
        values[:] = fill
    with rasterio.open(
        name, "w", driver="GTiff", height=shape[0], width=shape[1], count=bands, dtype="float32",
        crs=crs, transform=transform, nodata=fill,
    ) as file:  # fmt: skip
        file.write(values)
        for band, nm in enumerate(np.linspace(*range_nm, bands), start=1):
            file.update_tags(
                band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=nm / 1000, FWHM_UM=width_nm / 1000
            )
    return name


def cases() -> dict[str, tuple[str, ...]]:
    """Make every bad input in the current folder; return scene, rgb and, for some, output."""
    coarse, fine = NORTH_UP * Affine.scale(30), NORTH_UP * Affine.scale(10)
    visible = {"range_nm": (500, 700), "width_nm": 60}
    hs = write("hs.tif", 30, (20, 20), coarse)
    rgb = write("rgb.tif", 3, (60, 60), fine, **visible)
    far = write("far.tif", 3, (60, 60), fine * Affine.translation(2e4, 0), **visible)
    close = write("close.tif", 3, (30, 30), NORTH_UP * Affine.scale(20), **visible)
    rotated = write("rotated.tif", 30, (20, 20), coarse * Affine.rotation(20), crs=None)
    swir = write("swir.tif", 3, (60, 60), fine, range_nm=(1500, 1700), width_nm=60)
    one = write("one.tif", 1, (20, 20), coarse)
    empty_hs = write("empty_hs.tif", 30, (20, 20), coarse, fill=-1)
    empty_rgb = write("empty_rgb.tif", 3, (60, 60), fine, fill=-1, **visible)
    plain_hs = write("plain_hs.tif", 30, (20, 20), None, crs=None)
    plain_rgb = write("plain_rgb.tif", 3, (60, 90), None, crs=None, **visible)
    content = Path(hs).read_bytes()
    Path("cut.tif").write_bytes(content[: len(content) // 2])
    rasterio.shutil.copy(hs, "cut.bsq", driver="ENVI")
    content = Path("cut.bsq").read_bytes()
    Path("cut.bsq").write_bytes(content[: len(content) // 2])
    Path("text.tif").write_text("no raster")
    Path("nothing.tif").touch()
    Path("there.tif").write_bytes(b"mine")
    return {
        "no overlap": (hs, far),
        "ratio below 2": (hs, close),
        "the two files swapped": (rgb, hs),
        "rotated grid without a CRS": (rotated, rgb),
        "RGB bands outside the HS range": (hs, swir),
        "HS image with one band": (one, rgb),
        "HS image without any data": (empty_hs, rgb),
        "RGB image without any data": (hs, empty_rgb),
        "no georeferencing, sizes of no one ratio": (plain_hs, plain_rgb),
        "truncated TIFF": ("cut.tif", rgb),
        "truncated ENVI": ("cut.bsq", rgb),
        "not a raster": ("text.tif", rgb),
        "empty file": ("nothing.tif", rgb),
        "missing file": ("none.tif", rgb),
        "existing output": (hs, rgb, "there.tif"),
        "output is an input": (hs, rgb, hs),
        "output of an unknown kind": (hs, rgb, "out.jpg"),
    }


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print("| input | what hsfuse says |\n| --- | --- |")
        for name, files in cases().items():
            try:
                run(files[0], files[1], *files[2:] or ("out.tif",), Settings(method="guided"))
                line = "TAKEN"
            except hsfuse.HsfuseError as error:
                line = str(error)
            print(f"| {name} | {line} |")
        kept = Path("there.tif").read_bytes() == b"mine"
        print(f"\nThe existing output was {'kept' if kept else 'LOST'}.")
        os.chdir("/")


if __name__ == "__main__":
    main()
