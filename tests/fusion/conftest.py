"""A small made pair of files that the tests of this folder share."""

from pathlib import Path

import numpy as np
import pytest

from hsfuse.io.write import write_raster
from hsfuse.synthetic.sample import make_sample
from hsfuse.synthetic.simulation import observe


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with scene.tif and rgb.tif of a small made scene."""
    folder = tmp_path_factory.mktemp("pair")
    cube = make_sample(size=(44, 50), seed=5).truth.isel(band=slice(0, 60, 5)).compute()
    cube["band"] = np.arange(1, cube.sizes["band"] + 1)
    seen = observe(
        cube.chunk({"band": -1, "y": 64, "x": 64}),
        rgb_sensor="generic-rgb",
        ratio=4.0,
        fwhm=1.0,
        offset=(1.5, 0.0),
    )
    write_raster(seen.scene, folder / "scene.tif")
    write_raster(seen.rgb, folder / "rgb.tif")
    return folder
