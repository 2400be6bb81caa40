"""The table of networks: their names, the defaults of each, and where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hsfuse.nets.network import Architecture, Network

__all__ = ["NETWORKS", "NetworkSpec", "build", "read_architecture"]


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """
    What a network is, and where it is.

    Attributes
    ----------
    network, architecture : str
        Import paths of the :class:`Network` and of the :class:`Architecture` that it takes.
    width : int
        Features of a layer, by default.
    depth : int or None
        Blocks or layers, by default; None where the ratio decides them.
    levels : int or None
        Outputs in the loss, by default; None where there is one.
    """

    network: str
    architecture: str
    width: int
    depth: int | None = None
    levels: int | None = None


_SINGLE = "hsfuse.nets.single_pathway:SinglePathway"

NETWORKS = {
    "ms-ssfnet": NetworkSpec(
        "hsfuse.nets.ms_ssfnet:MSSSFNet", "hsfuse.nets.ms_ssfnet:Architecture", 32, levels=2
    ),
    "ssf-cnn": NetworkSpec("hsfuse.nets.single_pathway:SSFCNN", _SINGLE, 64, 3),
    "ssf-resnet": NetworkSpec("hsfuse.nets.single_pathway:ResNet", _SINGLE, 64, 5),
    "spectral-resnet": NetworkSpec("hsfuse.nets.single_pathway:ResNet", _SINGLE, 64, 5),
    "dhsis": NetworkSpec("hsfuse.nets.single_pathway:DHSISNet", _SINGLE, 64, 20),
}


def build(architecture: Architecture) -> Network:
    """Return the network of an architecture, with the initial weights of torch."""
    network: Network = _imported(NETWORKS[architecture.network].network)(architecture)
    return network


def read_architecture(facts: Mapping[str, Any]) -> Architecture:
    """
    Return the architecture whose ``to_dict`` wrote these facts.

    Parameters
    ----------
    facts : mapping
        Without ``network`` those of an MS-SSFNet.

    Raises
    ------
    ValueError, TypeError
        If no network has these hyperparameters.
    """
    name = facts.get("network", "ms-ssfnet")
    if name not in NETWORKS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}, got {name!r}")
    architecture: Architecture = _imported(NETWORKS[name].architecture)(**facts)
    return architecture


def _imported(path: str) -> Any:
    module, attribute = path.split(":")
    return getattr(import_module(module), attribute)
