"""Weights of untrained networks, for tests of the methods that need some."""

from collections.abc import Sequence
from pathlib import Path

import torch

from hsfuse.nets.table import build, read_architecture
from hsfuse.nets.weights import Domain, save_weights

ABOUT = {"data": "none", "recipe": {"rgb_sensors": ["made"]}, "scores": {}, "terms": "free"}


def write_weights(
    network: str, folder: Path, wavelength: Sequence[float], ratio: int, fine_bands: int = 3
) -> str:
    """Return the file of an untrained network that fits such a pair."""
    torch.manual_seed(0)
    facts: dict[str, int | str] = {
        "bands": len(wavelength), "fine_bands": fine_bands, "width": 6,
    }  # fmt: skip
    if network == "ms-ssfnet":
        facts |= {"scales": ratio.bit_length() - 1, "levels": 1}
    else:
        depth = {"ssf-cnn": 3, "dhsis": 4}.get(network, 2)
        facts |= {"network": network, "ratio": ratio, "depth": depth}
    built = build(read_architecture(facts))
    domain = Domain((ratio, ratio), (fine_bands, fine_bands), wavelength=tuple(wavelength))
    path = folder / f"{network}.safetensors"
    save_weights(built, path, domain=domain, about=ABOUT)
    return str(path)
