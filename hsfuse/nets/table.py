"""The table of networks: name, default sizes and import path."""

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
    Import paths and default sizes of a network.

    Attributes
    ----------
    network, architecture : str
        Import paths of the :class:`Network` and of the :class:`Architecture` that it takes.
    width : int
        Default number of features of a layer.
    depth : int or None
        Default number of blocks or layers; None where it follows from the ratio.
    levels : int or None
        Default number of outputs in the loss; None for a single output.
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
    Return the architecture from the output of its ``to_dict``.

    Parameters
    ----------
    facts : mapping
        Fields; without ``network`` those of an MS-SSFNet.

    Raises
    ------
    ValueError, TypeError
        If the hyperparameters are not valid.
    """
    name = facts.get("network", "ms-ssfnet")
    if name not in NETWORKS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}, got {name!r}")
    architecture: Architecture = _imported(NETWORKS[name].architecture)(**facts)
    return architecture


def _imported(path: str) -> Any:
    module, attribute = path.split(":")
    return getattr(import_module(module), attribute)
