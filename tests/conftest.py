"""Tests need the editable install: `pip install -e ".[test]"`, because cli/ is hsfuse.cli there."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import settings

try:
    version("hsfuse")
except PackageNotFoundError:
    pytest.exit(str(__doc__), returncode=4)

# The same examples every time, and no deadline: the cores may be shared.
settings.register_profile("ci", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def shared_data():
    """Return the folder of real scenes beside the repository, which are not part of it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real scenes are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def component_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a file of weights of components that correct nothing."""
    import torch

    from hsfuse.methods.ms_ssfnet.features import CHANNELS
    from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
    from hsfuse.nets.weights import Domain, save_weights

    torch.manual_seed(0)
    network = MSSSFNet(Architecture(1, CHANNELS, 3, width=4, levels=1, coarse_bands=CHANNELS))
    for parameter in network.head.parameters():
        torch.nn.init.zeros_(parameter)
    path = tmp_path_factory.mktemp("weights") / "nothing.safetensors"
    about = {"data": "none", "recipe": {}, "scores": {}, "terms": "free"}
    save_weights(network, path, domain=Domain((1.5, 40), (1, 1000)), about=about)
    return str(path)


@pytest.fixture
def few_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `kriging` have few random features, its cost, where accuracy is not the point."""
    from dataclasses import replace
    from functools import partial

    from hsfuse.methods.ms_ssfnet import method
    from hsfuse.methods.ms_ssfnet.estimators import Estimators
    from hsfuse.methods.ms_ssfnet.settings import DEFAULT

    kriging = replace(DEFAULT.estimators.kriging, features=96)
    few = replace(DEFAULT, estimators=replace(DEFAULT.estimators, kriging=kriging))
    monkeypatch.setattr(method, "METHOD", replace(method.METHOD, settings=few))
    prepare = partial(Estimators.prepare, settings=few.estimators)
    monkeypatch.setattr(Estimators, "prepare", prepare)


@pytest.fixture
def few_validation_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a training be validated on one scene, which is simulated at its start."""
    from dataclasses import replace

    from hsfuse.learning import loop

    monkeypatch.setattr(loop, "_SETTINGS", replace(loop._SETTINGS, validation_scenes=1))


@pytest.fixture(scope="session")
def made_cubes() -> list[xr.DataArray]:
    """Return two cubes of 8 bands and 48 x 48 pixels with fields, shade and a gradient."""
    draw = np.random.default_rng(0)
    spectra = 0.1 + 0.8 * draw.random((4, 8))
    rows, columns = np.mgrid[:48, :48]
    cubes = []
    for height, width in ((7, 11), (5, 9)):
        fields = spectra[(rows // height + columns // width) % 4].transpose(2, 0, 1)
        values = fields * (1 + 0.2 * np.sin(rows / 6)) + 0.002 * columns
        cubes.append(
            xr.DataArray(
                values.astype(np.float32),
                dims=("band", "y", "x"),
                coords={
                    "band": np.arange(1, 9),
                    "wavelength": ("band", np.linspace(450.0, 800.0, 8)),
                    "y": -0.5 - np.arange(48.0),
                    "x": 0.5 + np.arange(48.0),
                },
                attrs={"source": f"cube-{height}-{width}.tif"},
            )
        )
    return cubes
