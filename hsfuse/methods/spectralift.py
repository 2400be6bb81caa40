"""
`spectralift`: a per-pixel network trained on the pair itself; needs only R.

R. Shah, M. F. Duarte, "SpectraLift: Physics-Guided Spectral-Inversion Network for
Self-Supervised Hyperspectral Image Super-Resolution", arXiv:2507.13339, 2025. The HS image
seen through R is the input and the HS image the target of a small perceptron, which
then maps each fine pixel to a spectrum. It knows nothing of blur or ratio. Six hidden layers of
64 with leaky ReLU and a skip over each pair, mean absolute error, 2500 full steps of
Adam whose rate rises to 1e-2 over the first 30 % and falls to 1e-6, as in the authors' release.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hsfuse.methods import Options, Window
from hsfuse.pair.radiometry import measure_radiometry
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "SpectraLift", "SpectraLiftFuser", "SpectralInversion"]

_HIDDEN = 64
_STEPS = 2500
_RATES = 1e-3, 1e-2, 1e-6  # at the start, the peak and the end
_RISING = 0.3
# The authors take every HS pixel; beyond this many a scene adds time and no accuracy.
_MOST_SPECTRA = 16384


class SpectralInversion(nn.Module):
    """The perceptron: fine bands to spectrum, one pixel at a time."""

    def __init__(self, fine_bands: int, bands: int) -> None:
        super().__init__()
        self.first = nn.Linear(fine_bands, _HIDDEN)
        self.hidden = nn.ModuleList(nn.Linear(_HIDDEN, _HIDDEN) for _ in range(5))
        self.head = nn.Linear(_HIDDEN, bands)
        for layer in (self.first, *self.hidden, self.head):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, fine: Tensor) -> Tensor:
        """Return (pixels, bands) from (pixels, fine bands)."""
        feature = _bent(self.first(fine))
        feature = _bent(self.hidden[0](feature)) + feature
        for one, two in ((self.hidden[1], self.hidden[2]), (self.hidden[3], self.hidden[4])):
            feature = _bent(two(_bent(one(feature)))) + feature
        result: Tensor = self.head(feature)
        return result


def _bent(values: Tensor) -> Tensor:
    return nn.functional.leaky_relu(values, 0.3)


@dataclass(frozen=True)
class SpectraLiftFuser:
    """
    The trained perceptron of one pair.

    Attributes
    ----------
    weights : tuple of ndarray
        Of :class:`SpectralInversion`, in the order of its state.
    gain, offset : ndarray of shape (fine bands,)
        ``Y = gain * R Z + offset``.
    unit : float
        The scene's brightness.
    bands : int
        Of the result.
    device : str
        Where it runs.
    """

    weights: tuple[NDArray[np.float32], ...]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    unit: float
    bands: int
    device: str = "cpu"
    name: str = "spectralift"
    step: int = 1
    gives_standard_error: bool = False
    reach: tuple[float, float] = (0.0, 0.0)
    channels: int = 3 * _HIDDEN
    notes: tuple[str, ...] = ()

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {"method": self.name, "hidden": _HIDDEN, "steps": _STEPS}

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        network = self._network()
        return [self._fuse(network, window) for window in windows]

    def _fuse(self, network: SpectralInversion, window: Window) -> NDArray[np.float32]:
        rows, columns = window.core
        fine = torch.from_numpy(window.fine[:, rows.slice, columns.slice]).to(self.device)
        gain, offset = (
            torch.from_numpy(v.astype(np.float32))[:, None, None].to(self.device)
            for v in (self.gain, self.offset)
        )
        seen = torch.nan_to_num((fine - offset) / gain / self.unit)
        with torch.inference_mode():
            spectra = network(seen.flatten(1).T) * self.unit
        cube: NDArray[np.float32] = spectra.T.reshape(-1, len(rows), len(columns)).cpu().numpy()
        return cube

    def _network(self) -> SpectralInversion:
        network = SpectralInversion(len(self.gain), self.bands).to(self.device).eval()
        values = (torch.from_numpy(array.copy()) for array in self.weights)
        network.load_state_dict(dict(zip(network.state_dict(), values, strict=True)))
        return network


@dataclass(frozen=True)
class SpectraLift:
    """The method: train on the surveyed spectra, apply everywhere."""

    steps: int = _STEPS

    def prepare(self, survey: Survey, options: Options) -> SpectraLiftFuser:
        """See :class:`hsfuse.methods.Method`."""
        radiometry = measure_radiometry(survey)
        unit = survey.brightness
        spectra = survey.spectra
        every = -(-spectra.shape[1] // _MOST_SPECTRA)
        spectra = spectra[:, ::every] / unit
        known = np.isfinite(spectra).all(axis=1)
        response = radiometry.response.astype(np.float32)
        seen = torch.from_numpy((response[:, known] @ spectra[known]).T)
        network = _trained(seen, torch.from_numpy(np.nan_to_num(spectra.T)), self.steps)
        return SpectraLiftFuser(
            tuple(value.numpy() for value in network.state_dict().values()),
            radiometry.gain,
            radiometry.offset,
            unit,
            len(spectra),
            options.device,
        )


def _trained(seen: Tensor, wanted: Tensor, steps: int) -> SpectralInversion:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SpectralInversion(seen.shape[1], wanted.shape[1])
    optimiser = torch.optim.Adam(network.parameters(), eps=1e-7)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = _rate(step / steps)
        loss = (network(seen) - wanted).abs().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return network.eval().requires_grad_(requires_grad=False)


def _rate(share: float) -> float:
    """Return the learning rate after that share of the steps: straight up, straight down."""
    first, peak, last = _RATES
    if share < _RISING:
        return first + (peak - first) * share / _RISING
    return peak - (peak - last) * (share - _RISING) / (1 - _RISING)


METHOD = SpectraLift()
