"""A fused raster of six bands on 300 x 280 pixels with its two images, without a run."""

import numpy as np
import pytest
from affine import Affine
from raster_files import write_tiff

from hsfuse.viewer.opening import open_scene

#: Of the pair: the fused raster begins at row 3 and column 5 of the MS image.
RATIO, CORNER = 4, (3, 5)
FINE = Affine(2.5, 0.0, 400000.0, 0.0, -2.5, 5800000.0)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Return the folder and the stored numbers of the three rasters."""
    folder = tmp_path_factory.mktemp("view")
    draw = np.random.default_rng(0)
    stored = {
        "fused": draw.random((6, 300, 280), dtype=np.float32),
        "hs": draw.random((6, 75, 70), dtype=np.float32),
        "ms": draw.random((3, 310, 290), dtype=np.float32),
    }
    stored["fused"][:, 10, 20] = np.nan
    place = FINE * Affine.translation(CORNER[1], CORNER[0])
    write_tiff(
        folder / "hs.tif", stored["hs"], transform=place * Affine.scale(RATIO), nodata=np.nan
    )
    write_tiff(folder / "ms.tif", stored["ms"], transform=FINE)
    path = folder / "fused.tif"
    write_tiff(path, stored["fused"], transform=place, nodata=np.nan)
    name_bands(path)
    return folder, stored


def name_bands(path) -> None:
    """Give the six bands wavelengths."""
    import rasterio

    with rasterio.open(path, "r+") as target:
        for band, nm in enumerate((480, 560, 660, 780, 860, 900), start=1):
            target.update_tags(band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=nm / 1000)


@pytest.fixture(scope="session")
def scene(files):
    """Return the scene of the fused raster with both images."""
    folder, _ = files
    return open_scene(folder / "fused.tif", (folder / "hs.tif", folder / "ms.tif"))
