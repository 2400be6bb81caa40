"""Training repeats, resumes to the bit, and stops at nonsense."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hsfuse.errors import HsfuseError
from hsfuse.examples import Recipe, observe_scene
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.training import train_network

ARCHITECTURE = Architecture(bands=6, fine_bands=3 + 6, scales=2, width=4, levels=2)
RECIPE = Recipe(steps=6, batch=2, patch=4, refresh=2)
RESPONSE = np.kron(np.eye(3), [[0.5, 0.5]])


def cubes() -> list[np.ndarray]:
    """Return two small cubes with structure."""
    draw = np.random.default_rng(0)
    spectra = draw.random((3, 6))
    rows, columns = np.mgrid[:64, :64]
    return [
        spectra[(rows // a + columns // b) % 3].transpose(2, 0, 1).astype(np.float32)
        for a, b in ((7, 11), (5, 9))
    ]


def state(network: MSSSFNet) -> list[torch.Tensor]:
    """Return every weight."""
    return list(network.state_dict().values())


def test_a_resumed_training_has_the_same_bits(tmp_path: Path) -> None:
    """Broken off after two steps and taken up again, the weights are those of one go."""
    whole = train_network(cubes(), RESPONSE, ARCHITECTURE, RECIPE, tmp_path / "whole", every=2)

    def pull_the_plug(network: MSSSFNet) -> dict[str, float]:
        del network
        if (tmp_path / "part" / "checkpoint.safetensors").exists():
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        train_network(
            cubes(), RESPONSE, ARCHITECTURE, RECIPE, tmp_path / "part",
            every=2, validate=pull_the_plug,
        )  # fmt: skip
    resumed = train_network(cubes(), RESPONSE, ARCHITECTURE, RECIPE, tmp_path / "part", every=2)
    assert all(torch.equal(a, b) for a, b in zip(state(whole), state(resumed), strict=True))


def test_a_correction_starts_from_the_guided_cube(tmp_path: Path) -> None:
    """Before the first step the output is zero: never below what it corrects."""
    torch.manual_seed(0)
    recipe = Recipe(steps=0, batch=1, patch=4)
    network = train_network(cubes(), RESPONSE, ARCHITECTURE, recipe, tmp_path)
    scene = observe_scene(
        torch.from_numpy(cubes()[0]),
        torch.from_numpy(RESPONSE.astype(np.float32)),
        ARCHITECTURE,
        fwhm=1.0,
        snr=None,
        predicts="correction",
        generator=torch.Generator(),
    )
    assert not network(scene.coarse[None], scene.fine[None]).any()
    assert [t.shape[1] for t in scene.targets] == [32, 64]


def test_a_loss_that_leaves_the_numbers_stops(tmp_path: Path) -> None:
    """The message names the step and a remedy; nothing worse than the last good is saved."""
    wild = Recipe("cube", steps=40, batch=2, patch=4, refresh=2, rate=1e20)
    bare = Architecture(bands=6, fine_bands=3, scales=2, width=4, levels=2)
    with pytest.raises(HsfuseError, match="finite numbers at step"):
        train_network(cubes(), RESPONSE, bare, wild, tmp_path)
    assert not (tmp_path / "checkpoint.safetensors").exists()
