"""
The network of components for one pair: estimators, network, data consistency.

See :mod:`~hsfuse.methods.ms_ssfnet.features` for its input,
:mod:`~hsfuse.methods.ms_ssfnet.consistency` for the update by both images, and
:mod:`~hsfuse.methods.ms_ssfnet.calibration` for how a fuser is prepared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from hsfuse.core.grid import Geometry, Span
from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.ms_ssfnet.consistency import (
    Observations,
    apply_consistency,
    update_reach,
    update_region,
)
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.features import Features, compute_features
from hsfuse.methods.ms_ssfnet.inference import run_network
from hsfuse.methods.ms_ssfnet.kalman_gain import KalmanGain
from hsfuse.methods.ms_ssfnet.scales import ComponentScales
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings
from hsfuse.methods.ms_ssfnet.uncertainty import ErrorModel, local_contrast
from hsfuse.nets.ms_ssfnet import reach
from hsfuse.nets.weights import Card

__all__ = ["ComponentFuser", "Prediction"]


@dataclass(frozen=True)
class Prediction:
    """
    Result of estimators and network over a core.

    Attributes
    ----------
    corrected : Tensor of shape (components, rows, columns)
        The components by the network.
    features : Features
        Input of the network, with a margin about the core.
    inside : tuple of slice
        The core within the features.
    power : Tensor of shape (components,)
        What a unit of each component adds to the good bands, sum of squares.
    """

    corrected: Tensor
    features: Features
    inside: tuple[slice, slice]
    power: Tensor

    def relative_variance(self, scales: ComponentScales, least: float) -> Tensor:
        """
        Return the variance of errors over the core, shape (rows, columns).

        The disagreement of the estimates in units of that over the scene, plus a least one.
        """
        here = self.features.disagreement[self.inside]
        scene = (scales.prior_deviation**2) @ self.power.cpu().double().numpy()
        return here / float(scene) + least

    def spread(self, final: Tensor, part: tuple[slice, slice]) -> Tensor:
        """
        Return the spread of the estimates about a final one.

        Parameters
        ----------
        final : Tensor of shape (components, rows, columns)
            Over a part of the core.
        part : tuple of slice
            That part.

        Returns
        -------
        Tensor of shape (rows, columns)
            Squared differences summed over the good bands, mean over the estimates.
        """
        features = self.features
        initial, offset, disagreement = (
            values[..., self.inside[0], self.inside[1]][..., part[0], part[1]]
            for values in (features.initial, features.offset, features.disagreement)
        )
        change = final - initial
        more = self.power[:, None, None] * change * (change - 2 * offset)
        return (disagreement + more.sum(dim=0)).clamp_min(0)


@dataclass(frozen=True)
class ComponentFuser(OnePass):
    """
    The network of components for one pair.

    Holds the name of the weights, not the weights: a plan is sent to workers, and each process
    loads them once.

    Attributes
    ----------
    card : Card
        Of the weights, with their hash.
    estimators : Estimators
        Whose estimates are the network's input.
    scales : ComponentScales
        Of the scene's components.
    gain : KalmanGain
        Of the MS image.
    options : Options
        Device and precision.
    outside : float
        Variance of the HS spectra outside the subspace less noise, mean over the good bands.
    error_model : ErrorModel or None
        Where standard errors are wanted.
    settings : ComponentSettings
        The other numbers.
    """

    card: Card
    estimators: Estimators
    scales: ComponentScales
    gain: KalmanGain
    options: Options
    notes: tuple[str, ...] = ()
    name: str = "ms-ssfnet"
    outside: float = 0.0
    error_model: ErrorModel | None = None
    settings: ComponentSettings = DEFAULT

    @property
    def step(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.card.architecture.ratio

    @property
    def gives_standard_error(self) -> bool:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.error_model is not None

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: data consistency, network and estimators."""
        kriging = self.estimators.kriging
        along = [
            margin / ratio + base
            for margin, ratio, base in zip(
                self._margins(kriging.ratio), kriging.ratio, kriging.reach, strict=True
            )
        ]
        return along[0], along[1]

    def _margins(self, ratio: tuple[float, float]) -> tuple[int, int]:
        """Return the fine pixels about a core that data consistency and the network need."""
        psf, settings = self.estimators.kriging.guided.psf, self.settings.consistency
        updates, radii = update_reach(psf, settings), settings.wider(psf).reach
        along = [
            math.ceil((update + radius + 1) * r) + reach(self.card.architecture) + self.step
            for update, radius, r in zip(updates, radii, ratio, strict=True)
        ]
        return along[0], along[1]

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`: all features, and the network for one component."""
        a = self.card.architecture
        components = len(self.scales.prior_deviation)
        errors = 2 * (1 + a.bands) if self.gives_standard_error else 0
        features = (components + 1) * a.fine_bands + components + errors
        return self.estimators.kriging.channels + features + 6 * a.width

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        model = {"error_model": self.error_model.describe()} if self.error_model else {}
        return {
            "method": self.name,
            "weights": self.card.name,
            "weights_sha256": self.card.sha256,
            "components": len(self.scales.prior_deviation),
            "precision": self.options.precision,
            "guided": self.estimators.kriging.guided.describe(),
            **model,
        }

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        return [self._fuse(window) for window in windows]

    def _fuse(self, window: Window) -> NDArray[np.float32]:
        guided = self.estimators.kriging.guided
        components, spread = self.consistent_components(window)
        cube = guided.expand(components).cpu().numpy()
        if self.error_model is None:
            return cube
        error = self.error_model.predict(spread, self.contrast(window))
        return np.concatenate([cube, error[None]])

    def contrast(self, window: Window) -> NDArray[np.float64]:
        """Return the local contrast of the MS image over the core, shape (rows, columns)."""
        radius = self.settings.error_model.contrast_radius
        wide = [
            Span(max(core.start - radius, 0), min(core.stop + radius, axis.fine))
            for axis, core in zip((window.geometry.y, window.geometry.x), window.core, strict=True)
        ]
        fine, known = self.estimators.kriging.guided.standardised(
            window.fine[:, wide[0].slice, wide[1].slice]
        )
        inside = tuple(c.within(outer) for c, outer in zip(window.core, wide, strict=True))
        return local_contrast(fine.cpu().numpy(), known.cpu().numpy(), radius)[inside]

    def consistent_components(self, window: Window) -> tuple[Tensor, NDArray[np.float32]]:
        """
        Return the components over the core, updated by both images.

        Parameters
        ----------
        window : Window
            With its halo.

        Returns
        -------
        tuple
            The components, (components, rows, columns), and the spread of the estimates about
            them in HS units, root mean square over the good bands, (rows, columns).
        """
        guided = self.estimators.kriging.guided
        region, coarse = update_region(
            window.geometry, window.core, guided.psf, self.settings.consistency
        )
        prediction = self.predict(replace(window, core=region))
        whole = apply_consistency(
            prediction.corrected,
            self.relative_variance(prediction),
            self.observations(window, region, coarse),
            self.settings.consistency,
        )
        inside = window.core[0].within(region[0]), window.core[1].within(region[1])
        final = whole[:, inside[0], inside[1]]
        variance = prediction.spread(final, inside) / int(guided.subspace.good.sum()) + self.outside
        return final, variance.sqrt().cpu().numpy()

    def relative_variance(self, prediction: Prediction) -> Tensor:
        """Return the relative variance of a prediction's errors, shape (rows, columns)."""
        return prediction.relative_variance(self.scales, self.settings.consistency.least_variance)

    def observations(
        self, window: Window, region: tuple[Span, Span], coarse: tuple[Span, Span]
    ) -> Observations:
        """Return what both sensors measured of a region of the window."""
        kriging = self.estimators.kriging
        axes = window.geometry.y, window.geometry.x
        hs, hs_valid = kriging.guided.subspace.project(
            window.coarse[:, coarse[0].slice, coarse[1].slice]
        )
        fine = window.fine[:, region[0].slice, region[1].slice]
        fine_valid = np.isfinite(fine).all(axis=0)
        fine = np.where(fine_valid, fine - self.scales.mean_response[:, None, None], 0.0)
        scales = self.scales
        tensors = (
            torch.from_numpy(values if values.dtype == bool else values.astype(np.float32))
            for values in (
                hs,
                hs_valid,
                fine,
                fine_valid,
                kriging.noise,
                scales.prior_deviation,
                scales.response,
            )
        )
        return Observations(
            Geometry(*(a.cut(f, c) for a, f, c in zip(axes, region, coarse, strict=True))),
            kriging.guided.psf,
            self.gain,
            *(tensor.to(self.options.device) for tensor in tensors),
        )

    def predict(self, window: Window) -> Prediction:
        """Return the components over the core by the network."""
        margin = reach(self.card.architecture)
        wide = []
        for axis, core in zip((window.geometry.y, window.geometry.x), window.core, strict=True):
            start = max(core.start - margin, 0) // self.step * self.step
            stop = -(-(core.stop + margin) // self.step) * self.step
            wide.append(Span(start, min(stop, axis.fine)))
        features = compute_features(
            replace(window, core=(wide[0], wide[1])), self.estimators, self.scales
        )
        corrected = features.initial + self._corrections(features)
        inside = window.core[0].within(wide[0]), window.core[1].within(wide[1])
        cut = slice(None), *inside
        power = torch.from_numpy(self.estimators.kriging.guided.subspace.power).to(corrected)
        return Prediction(corrected[cut], features, inside, power)

    def _corrections(self, features: Features) -> Tensor:
        rows, columns = features.initial.shape[1:]
        short = -columns % self.step, -rows % self.step
        result = torch.zeros_like(features.initial)
        for component, deviation in enumerate(self.scales.prior_deviation):
            fine = features.of_component(component)[None]
            # At the scene's end alone: windows start and end on whole steps elsewhere.
            fine = pad(fine, (0, short[0], 0, short[1]), mode="replicate")
            output = run_network(self.card, avg_pool2d(fine, self.step), fine, self.options)
            result[component] = output[0, 0, :rows, :columns] * float(deviation)
        return result
