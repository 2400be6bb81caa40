"""
`spectralift`: a per-pixel network trained on the pair itself; needs only R.

R. Shah, M. F. Duarte, "SpectraLift: Physics-Guided Spectral-Inversion Network for
Self-Supervised Hyperspectral Image Super-Resolution", arXiv:2507.13339, 2025. The HS image
integrated by R is the input and the HS image the target of a small perceptron, which then maps
each MS pixel to a spectrum. It uses neither PSF nor ratio. Six hidden layers of
64 with leaky ReLU and a skip connection over each pair, mean absolute error, 2500 full steps of
Adam whose rate rises to 1e-2 over the first 30 % and falls to 1e-6, as in the authors' release.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hsfuse.methods import OnePass, Options, Window
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "SpectraLift", "SpectraLiftFuser", "SpectraLiftSettings", "SpectralInversion"]


@dataclass(frozen=True, slots=True)
class SpectraLiftSettings:
    """Network and training, as in the authors' release."""

    hidden: int = 64
    steps: int = 2500
    # Learning rates at the start, the peak and the end, and the share of steps up to the peak.
    rates: tuple[float, float, float] = (1e-3, 1e-2, 1e-6)
    rise: float = 0.3
    slope: float = 0.3  # slope of leaky ReLU for negative values
    epsilon: float = 1e-7  # epsilon of Adam
    seed: int = 0
    # The authors train on every HS pixel; more than these add time and no accuracy.
    maximum_spectra: int = 16384


DEFAULT = SpectraLiftSettings()


class SpectralInversion(nn.Module):
    """The perceptron: MS bands to spectrum, one pixel at a time."""

    def __init__(
        self, fine_bands: int, bands: int, settings: SpectraLiftSettings = DEFAULT
    ) -> None:
        super().__init__()
        hidden, self.slope = settings.hidden, settings.slope
        self.first = nn.Linear(fine_bands, hidden)
        self.hidden = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(5))
        self.head = nn.Linear(hidden, bands)
        for layer in (self.first, *self.hidden, self.head):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, fine: Tensor) -> Tensor:
        """Return (pixels, bands) from (pixels, MS bands)."""
        feature = self._activate(self.first(fine))
        feature = self._activate(self.hidden[0](feature)) + feature
        for one, two in ((self.hidden[1], self.hidden[2]), (self.hidden[3], self.hidden[4])):
            feature = self._activate(two(self._activate(one(feature)))) + feature
        result: Tensor = self.head(feature)
        return result

    def _activate(self, values: Tensor) -> Tensor:
        return nn.functional.leaky_relu(values, self.slope)


@dataclass(frozen=True)
class SpectraLiftFuser(OnePass):
    """
    The trained perceptron of one pair.

    Attributes
    ----------
    weights : tuple of ndarray
        Weights of :class:`SpectralInversion`, in the order of its state.
    gain, offset : ndarray of shape (MS bands,)
        ``Y = gain * R Z + offset``.
    unit : float
        The scene's brightness.
    bands : int
        Number of bands of the result.
    device : str
        Device of the computation.
    settings : SpectraLiftSettings
        Network and training.
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
    settings: SpectraLiftSettings = DEFAULT
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return 3 * self.settings.hidden

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {"method": self.name, "hidden": self.settings.hidden, "steps": self.settings.steps}

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
        scaled = torch.nan_to_num((fine - offset) / gain / self.unit)
        with torch.inference_mode():
            spectra = network(scaled.flatten(1).T) * self.unit
        cube: NDArray[np.float32] = spectra.T.reshape(-1, len(rows), len(columns)).cpu().numpy()
        return cube

    def _network(self) -> SpectralInversion:
        network = (
            SpectralInversion(len(self.gain), self.bands, self.settings).to(self.device).eval()
        )
        values = (torch.from_numpy(array.copy()) for array in self.weights)
        network.load_state_dict(dict(zip(network.state_dict(), values, strict=True)))
        return network


@dataclass(frozen=True)
class SpectraLift:
    """Method: train on the surveyed spectra, apply everywhere."""

    settings: SpectraLiftSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> SpectraLiftFuser:
        """See :class:`hsfuse.methods.Method`."""
        radiometry = survey.radiometry
        unit = survey.brightness
        spectra = survey.spectra
        every = -(-spectra.shape[1] // self.settings.maximum_spectra)
        spectra = spectra[:, ::every] / unit
        valid = np.isfinite(spectra).all(axis=1)
        response = radiometry.response.astype(np.float32)
        inputs = torch.from_numpy((response[:, valid] @ spectra[valid]).T)
        targets = torch.from_numpy(np.nan_to_num(spectra.T))
        network = _train(inputs, targets, self.settings)
        return SpectraLiftFuser(
            tuple(value.numpy() for value in network.state_dict().values()),
            radiometry.gain,
            radiometry.offset,
            unit,
            len(spectra),
            options.device,
            settings=self.settings,
        )


def _train(inputs: Tensor, targets: Tensor, settings: SpectraLiftSettings) -> SpectralInversion:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = SpectralInversion(inputs.shape[1], targets.shape[1], settings)
    optimiser = torch.optim.Adam(network.parameters(), eps=settings.epsilon)
    for step in range(settings.steps):
        optimiser.param_groups[0]["lr"] = _learning_rate(step / settings.steps, settings)
        loss = (network(inputs) - targets).abs().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return network.eval().requires_grad_(requires_grad=False)


def _learning_rate(share: float, settings: SpectraLiftSettings) -> float:
    """Return the learning rate after that share of the steps: linear up, linear down."""
    first, peak, last = settings.rates
    if share < settings.rise:
        return first + (peak - first) * share / settings.rise
    return peak - (peak - last) * (share - settings.rise) / (1 - settings.rise)


METHOD = SpectraLift()
