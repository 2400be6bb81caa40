"""
The network of components for one pair: estimators, network, data consistency.

See :mod:`~hsfuse.methods.ms_ssfnet.features` for its input,
:mod:`~hsfuse.methods.ms_ssfnet.consistency` for the update by both images, and
:mod:`~hsfuse.methods.ms_ssfnet.calibration` for how a fuser is prepared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.local_models import LocalModelGrid
from hsfuse.methods import Options, Window
from hsfuse.methods.inference import run_network
from hsfuse.methods.ms_ssfnet.consistency import (
    Observations,
    apply_consistency,
    update_reach,
    update_region,
)
from hsfuse.methods.ms_ssfnet.estimators import Estimators, FittedWindow
from hsfuse.methods.ms_ssfnet.features import Features, compute_features
from hsfuse.methods.ms_ssfnet.kalman_gain import KalmanGain
from hsfuse.methods.ms_ssfnet.prediction import Prediction, relative_disagreement
from hsfuse.methods.ms_ssfnet.scales import ComponentScales
from hsfuse.methods.ms_ssfnet.settings import DEFAULT, ComponentSettings
from hsfuse.methods.ms_ssfnet.uncertainty import (
    ErrorMaps,
    ErrorModel,
    local_contrast,
    local_rms,
)
from hsfuse.nets.weights import Card

__all__ = ["ComponentFuser"]

# Arrays of the size of the components that exist at once in data consistency, beside them.
_UPDATE = 3


@dataclass(frozen=True)
class ComponentFuser:
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
    correction_weight : float
        Of the network's corrections over the scene, beside that of each pixel.
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
    correction_weight: float = 1.0
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
        ratio = self.estimators.kriging.ratio
        along = [
            margin / one + base
            for margin, one, base in zip(
                self._margins(ratio), ratio, self.estimators.reach, strict=True
            )
        ]
        return along[0], along[1]

    @property
    def local_models(self) -> LocalModelGrid:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.estimators.local_models

    def condition(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.estimators.condition(window)

    @property
    def network_components(self) -> tuple[int, ...]:
        """
        Components that the network corrects: those in which the estimates differ most.

        Differences are counted over the good bands, and the others are left as they are.
        """
        settings = self.settings.network
        power = self.scales.prior_deviation**2 * self.estimators.kriging.guided.subspace.power
        order = np.argsort(-power, kind="stable")
        before = np.cumsum(power[order]) - power[order]
        count = int((before < settings.share * power.sum()).sum())
        return tuple(sorted(int(i) for i in order[: min(count, settings.most)]))

    def _margins(self, ratio: tuple[float, float]) -> tuple[int, int]:
        """Return the fine pixels about a core that data consistency and the network need."""
        psf, settings = self.estimators.kriging.guided.psf, self.settings.consistency
        updates, radii = update_reach(psf, settings), settings.wider(psf).reach
        along = [
            math.ceil((update + radius + 1) * r) + self.card.architecture.reach + self.step
            for update, radius, r in zip(updates, radii, ratio, strict=True)
        ]
        return along[0], along[1]

    def memory(self, window: tuple[int, int], core: tuple[int, int]) -> int:
        """See :class:`hsfuse.methods.Fuser`: maps, a strip's features, what consistency updates."""
        kriging, a = self.estimators.kriging, self.card.architecture
        components = len(self.scales.prior_deviation)
        margins = self._margins(kriging.ratio)
        rows, columns = (
            min(inner + 2 * margin, outer)
            for inner, margin, outer in zip(core, margins, window, strict=True)
        )
        kept = (3 if self.gives_standard_error else 1) * components + 2
        strip = min(rows, self._strip_rows(rows, columns) + 2 * a.reach) * columns
        # Beside those of `kriging` the estimates of `guided` and `cnmf`, the interpolated HS image,
        # the residual of the MS image, and differences; for a component its input and the layers.
        estimates, layers = kriging.estimate_values + 7 * components, 6 * a.width
        work = strip * (estimates + layers + 2 * a.fine_bands)
        work = max(work, rows * columns * _UPDATE * components)
        values = math.prod(window) * kriging.map_values + rows * columns * kept + work
        return 4 * values + kriging.memory((0, 0), (0, 0))

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
        if self.error_model is None:
            return guided.expand(self.consistent_components(window)[0]).cpu().numpy()
        cube, maps = self.with_error_maps(window)
        return np.concatenate([cube, self.error_model.predict(maps)[None]])

    def with_error_maps(self, window: Window) -> tuple[NDArray[np.float32], ErrorMaps]:
        """
        Return the fused core, (bands, rows, columns), and what its errors depend on.

        Parameters
        ----------
        window : Window
            With its halo, and the models of its cells.
        """
        guided, radius = self.estimators.kriging.guided, self.settings.error_model.radius
        components, prediction, inside = self.consistent_components(window, spread=True)
        cube = guided.expand(components).cpu().numpy()
        good = guided.subspace.good
        count = int(good.sum())
        spread = prediction.spread(components, inside) / count + self.outside
        unmixed = local_rms((prediction.unmixed / count).sqrt().cpu().numpy(), radius)[inside]
        brightness = np.sqrt(np.square(cube[good]).mean(axis=0))
        error = spread.sqrt().cpu().numpy()
        return cube, ErrorMaps(error, unmixed, self.contrast(window), brightness)

    def contrast(self, window: Window) -> NDArray[np.float64]:
        """Return the local contrast of the MS image over the core, shape (rows, columns)."""
        radius = self.settings.error_model.radius
        wide = [
            Span(max(core.start - radius, 0), min(core.stop + radius, axis.fine))
            for axis, core in zip((window.geometry.y, window.geometry.x), window.core, strict=True)
        ]
        fine, known = self.estimators.kriging.guided.standardised(
            window.fine[:, wide[0].slice, wide[1].slice]
        )
        inside = tuple(c.within(outer) for c, outer in zip(window.core, wide, strict=True))
        return local_contrast(fine.cpu().numpy(), known.cpu().numpy(), radius)[inside]

    def consistent_components(
        self, window: Window, *, spread: bool = False
    ) -> tuple[Tensor, Prediction, tuple[slice, slice]]:
        """
        Return the components over the core, updated by both images.

        Parameters
        ----------
        window : Window
            With its halo, and the models of its cells.
        spread : bool
            Whether :meth:`Prediction.spread` is wanted.

        Returns
        -------
        tuple
            The components, (components, rows, columns); the prediction that was updated, over a
            region about the core, and the part of it that is the core.
        """
        guided = self.estimators.kriging.guided
        region, coarse = update_region(
            window.geometry, window.core, guided.psf, self.settings.consistency
        )
        prediction = self.predict(replace(window, core=region), spread=spread)
        whole = apply_consistency(
            prediction.corrected,
            self.relative_variance(prediction),
            self.observations(window, region, coarse),
            self.settings.consistency,
        )
        inside = window.core[0].within(region[0]), window.core[1].within(region[1])
        return whole[:, inside[0], inside[1]], prediction, inside

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

    def predict(self, window: Window, *, spread: bool = False) -> Prediction:
        """
        Return the components over the core by the network, computed in strips.

        Parameters
        ----------
        window : Window
            With a halo, and the models of its cells.
        spread : bool
            Whether :meth:`Prediction.spread` is wanted.
        """
        fitted = self.estimators.fit(window)
        shape = len(self.scales.deviation), *map(len, window.core)
        corrected, disagreement, unmixed = (
            torch.empty(n, device=self.options.device) for n in (shape, shape[1:], shape[1:])
        )
        initial, offset = (torch.empty_like(corrected) if spread else None for _ in range(2))
        power = torch.from_numpy(self.estimators.kriging.guided.subspace.power).to(corrected)
        columns = self._widened(window.geometry.x, window.core[1])
        for part, rows, pieces in self._strips(fitted, window, columns):
            inside = part.within(rows), window.core[1].within(columns)
            target = part.within(window.core[0])
            disagreement[target] = _rows([each.disagreement for each in pieces])[inside]
            relative = relative_disagreement(disagreement[target], power, self.scales)
            corrected[:, target] = self._corrected(pieces, inside, relative)
            unmixed[target] = _rows([each.unmixed for each in pieces])[inside]
            if initial is not None and offset is not None:
                initial[:, target] = _rows([each.initial for each in pieces])[:, *inside]
                offset[:, target] = _rows([each.offset for each in pieces])[:, *inside]
            del pieces  # before the next strip is computed
        return Prediction(corrected, initial, offset, disagreement, unmixed, power)

    def _strips(
        self, fitted: FittedWindow, window: Window, columns: Span
    ) -> Iterator[tuple[Span, Span, list[Features]]]:
        """
        Yield strips of the core, what the network needs about each, and the features of that.

        Features come in pieces, one below the other: strips share rows, whose features are
        computed once.
        """
        axis, core = window.geometry.y, window.core[0]
        height = self._strip_rows(len(core), len(columns))
        pieces: list[Features] = []
        known = 0
        for start in range(core.start, core.stop, height):
            part = Span(start, min(start + height, core.stop))
            rows = self._widened(axis, part)
            new = Span(max(rows.start, known), rows.stop)
            if len(new):  # at the scene's end there may be none
                area = new, columns
                pieces.append(compute_features(fitted, area, self.estimators, self.scales))
            yield part, rows, pieces
            following = self._widened(axis, Span(part.stop, core.stop)).start
            pieces, known = _below(pieces, following - rows.start), rows.stop

    def _strip_rows(self, rows: int, columns: int) -> int:
        """Return the rows of a strip: strips are alike, as every one has a margin."""
        count = max(round(rows * columns / self.settings.network.strip), 1)
        return -(-rows // count // self.step) * self.step

    def _widened(self, axis: Axis, core: Span) -> Span:
        """Return the pixels that the network needs for a span, in whole steps of the window."""
        margin = self.card.architecture.reach
        start = max(core.start - margin, 0) // self.step * self.step
        stop = -(-(core.stop + margin) // self.step) * self.step
        return Span(start, min(stop, axis.fine))

    def _corrected(
        self, pieces: list[Features], inside: tuple[slice, slice], variance: Tensor
    ) -> Tensor:
        """Return a part of the components, those of the network corrected by it."""
        initial = _rows([each.initial for each in pieces])
        rows, columns = initial.shape[1:]
        short = -columns % self.step, -rows % self.step
        result = initial[:, *inside].clone()
        del initial
        units = self.correction_weight * self.scales.prior_deviation
        chosen, changes = list(self.network_components), []
        for component in chosen:
            fine = _rows([each.of_component(component) for each in pieces])[None]
            if any(short):  # at the scene's end: windows start and end on whole steps elsewhere
                fine = pad(fine, (0, short[0], 0, short[1]), mode="replicate")
            output = run_network(self.card, avg_pool2d(fine, self.step), fine, self.options)
            changes.append(output[0, 0, :rows, :columns][inside] * float(units[component]))
        change = torch.stack(changes)
        residual = _rows([each.fine_residual for each in pieces])[:, *inside]
        response = torch.from_numpy(self.scales.response[:, chosen]).to(residual)
        left = residual - torch.tensordot(response, change, dims=1)
        misfit = self.gain.misfit(left) - self.gain.misfit(residual)
        result[chosen] += self.settings.network.local_weight(variance, misfit) * change
        return result


def _rows(pieces: Sequence[Tensor]) -> Tensor:
    """Return maps that lie one below the other as one."""
    return torch.cat([*pieces], dim=-2)


def _below(pieces: Sequence[Features], row: int) -> list[Features]:
    """Return copies of the rows from one on, where there are any."""
    left = []
    for piece in pieces:
        if row < piece.rows:
            left.append(piece.below(max(row, 0)))
        row -= piece.rows
    return left
