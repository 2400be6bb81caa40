"""Inference: networks are loaded once in a process and run without gradients."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

import torch
from torch import Tensor

from hsfuse.methods import Options
from hsfuse.nets.ms_ssfnet import MSSSFNet
from hsfuse.nets.weights import Card, load_network

__all__ = ["run_network"]

_LOADING = Lock()


def run_network(card: Card, coarse: Tensor, fine: Tensor, options: Options) -> Tensor:
    """
    Return the output of a card's network, float32.

    Parameters
    ----------
    card : Card
        Of the weights, with their hash.
    coarse, fine : Tensor of shape (batch, channels, rows, columns)
        As :class:`hsfuse.nets.ms_ssfnet.MSSSFNet` takes them.
    options : Options
        Device and precision.
    """
    with _LOADING:  # two threads that both miss the cache would load twice
        network = _network(card.path, card.sha256, options.device)
    half = options.precision == "bfloat16"
    with (
        torch.inference_mode(),
        torch.autocast(options.device, dtype=torch.bfloat16, enabled=half),
    ):
        output = network(
            *(
                values.to(options.device).contiguous(memory_format=torch.channels_last)
                for values in (coarse, fine)
            )
        )
    result: Tensor = output.float()
    return result


@lru_cache(maxsize=4)
def _network(name: str, sha256: str, device: str) -> MSSSFNet:
    network = load_network(name, sha256).to(device).eval()
    # Else the weights are reordered in every convolution: a third of its time.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
