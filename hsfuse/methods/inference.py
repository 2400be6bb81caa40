"""Inference of networks: selection and loading of weights, scaling of inputs, execution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.errors import WeightsError
from hsfuse.methods import Options, check_options
from hsfuse.nets.network import Network
from hsfuse.nets.weights import Card, find_weights, load_network
from hsfuse.pair.survey import Survey

__all__ = [
    "InputScaling",
    "describe_network",
    "find_misfit",
    "fitting_weights",
    "run_network",
    "sensor_notes",
]

_LOADING = Lock()


def fitting_weights(network: str, survey: Survey, options: Options) -> Card:
    """
    Return the card of the given weights, if they fit the pair.

    Parameters
    ----------
    network : str
        Name of the network.
    survey : Survey
        Survey of the pair.
    options : Options
        Options with the path of the weights file.

    Raises
    ------
    PlanError
        If no weights are given.
    WeightsError
        If they belong to another network, or do not fit the pair.
    """
    check_options(network, options)
    assert options.weights is not None
    card = find_weights(options.weights, network)
    reason = find_misfit(card, survey)
    if reason is not None:
        raise WeightsError(f"{options.weights}: these weights do not fit the pair: {reason}")
    return card


def find_misfit(card: Card, survey: Survey) -> str | None:
    """Return the reason why weights do not fit a pair, with their name; None if they do."""
    # A network for fixed bands also takes denoised bands, which are filled.
    good = survey.good if survey.denoised is None else survey.good | survey.denoised
    fine = survey.patches[0].fine.shape[0]
    reason = card.domain.misfit(survey.wavelength, good, fine, survey.ratio)
    return None if reason is None else f"{card.name} {reason}"


@dataclass(frozen=True)
class InputScaling:
    """
    Scaling of the images of a pair to the units of the training of networks.

    Attributes
    ----------
    unit : float
        Brightness of the scene in HS units.
    mean : ndarray of shape (bands,)
        Spectrum for HS pixels without data, in HS units.
    gain, offset : ndarray of shape (MS bands,)
        ``Y = gain * R Z + offset``.
    """

    unit: float
    mean: NDArray[np.float32]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def of(cls, survey: Survey) -> InputScaling:
        """Return the scaling of a surveyed pair."""
        mean = np.nanmean(survey.spectra, axis=1).astype(np.float32)
        radiometry = survey.radiometry
        return cls(survey.brightness, mean, radiometry.gain, radiometry.offset)

    def coarse(self, values: NDArray[np.float32]) -> Tensor:
        """Return the scaled HS image (bands, rows, columns), with gaps filled."""
        valid = np.isfinite(values)
        return torch.from_numpy(np.where(valid, values, self.mean[:, None, None]) / self.unit)

    def fine(self, values: NDArray[np.float32]) -> Tensor:
        """Return the scaled MS image (MS bands, rows, columns), 0 in gaps."""
        gain, offset = (v.astype(np.float32)[:, None, None] for v in (self.gain, self.offset))
        return torch.from_numpy(np.nan_to_num((values - offset) / gain / self.unit))


def sensor_notes(card: Card) -> tuple[str, ...]:
    """Return a note on the MS sensor of weights for fixed bands."""
    recipe = card.about.get("recipe")
    names = recipe.get("rgb_sensors", []) if isinstance(recipe, dict) else []
    if not names:
        return ()
    sensors = ", ".join(map(str, names))
    return (f"the weights are for the MS sensor {sensors}: of another one spectra are wrong",)


def describe_network(card: Card, options: Options) -> dict[str, object]:
    """Return weights, architecture and precision in JSON types, for the plan and the record."""
    return {
        "weights": card.name,
        "weights_sha256": card.sha256,
        **card.architecture.to_dict(),
        "precision": options.precision,
    }


def run_network(card: Card, coarse: Tensor, fine: Tensor, options: Options) -> Tensor:
    """
    Return the output of the network of a card, float32.

    Parameters
    ----------
    card : Card
        Card of the weights, with their hash.
    coarse, fine : Tensor of shape (batch, channels, rows, columns)
        Inputs, as in :class:`hsfuse.nets.network.Network`.
    options : Options
        Device and precision.
    """
    with _LOADING:  # otherwise two threads could load the same weights
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
def _network(name: str, sha256: str, device: str) -> Network:
    network = load_network(name, sha256).to(device).eval()
    # Otherwise the weights are reordered in every convolution, a third of its time.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
