"""
Fuser of `ms-ssfnet` for one pair: estimates, network correction, data consistency.

:mod:`~hsfuse.methods.ms_ssfnet.preparation` prepares it. A block is computed in three steps, each
of which is a module: :mod:`~hsfuse.methods.ms_ssfnet.prediction`,
:mod:`~hsfuse.methods.ms_ssfnet.consistency` and, for standard errors,
:mod:`~hsfuse.methods.ms_ssfnet.error_model`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.local_models import LocalModelGrid
from hsfuse.methods import Window
from hsfuse.methods.ms_ssfnet.consistency import DataConsistency, Observations
from hsfuse.methods.ms_ssfnet.correction import NetworkCorrection
from hsfuse.methods.ms_ssfnet.error_maps import ErrorMaps, core_contrast, local_rms
from hsfuse.methods.ms_ssfnet.error_model import ErrorModel
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.prediction import Ensemble, predict
from hsfuse.methods.ms_ssfnet.strips import strip_height

__all__ = ["ComponentFuser"]

# Largest number of arrays of the size of the components in data consistency at the same time, apart
# from the components themselves.
_UPDATE_ARRAYS = 3


@dataclass(frozen=True)
class ComponentFuser:
    """
    The network of components for one pair.

    Attributes
    ----------
    estimators : Estimators
        Estimators whose estimates are the input of the network.
    correction : NetworkCorrection
        Correction of the initial estimate by the network.
    consistency : DataConsistency
        Update by both images.
    error_model : ErrorModel or None
        Model of the standard errors, if these are requested.
    """

    estimators: Estimators
    correction: NetworkCorrection
    consistency: DataConsistency
    error_model: ErrorModel | None = None
    notes: tuple[str, ...] = ()
    name: str = "ms-ssfnet"

    @property
    def step(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.correction.step

    @property
    def gives_standard_error(self) -> bool:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.error_model is not None

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: data consistency, network and estimators."""
        y, x = (
            margin / ratio + reach
            for margin, ratio, reach in zip(
                self._margins, self.estimators.kriging.ratio, self.estimators.reach, strict=True
            )
        )
        return y, x

    @property
    def _margins(self) -> tuple[int, int]:
        """Number of MS pixels around a core that data consistency and network need."""
        y, x = (
            math.ceil((reach + 1) * ratio) + self.correction.margin + self.step
            for reach, ratio in zip(
                self.consistency.fine_reach, self.estimators.kriging.ratio, strict=True
            )
        )
        return y, x

    @property
    def local_models(self) -> LocalModelGrid:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.estimators.local_models

    def condition(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.estimators.condition(window)

    def memory(self, window: tuple[int, int], core: tuple[int, int]) -> int:
        """See :class:`hsfuse.methods.Fuser`: maps, features of a strip, update."""
        kriging, architecture = self.estimators.kriging, self.correction.card.architecture
        components = len(kriging.noise)
        rows, columns = (
            min(inner + 2 * margin, outer)
            for inner, margin, outer in zip(core, self._margins, window, strict=True)
        )
        # The prediction, for standard errors also initial estimate and mean offset; two variances.
        results = (3 if self.gives_standard_error else 1) * components + 2
        pixels = self.correction.settings.strip_pixels
        height = strip_height(rows, columns, pixels=pixels, step=self.step)
        strip = min(rows, height + 2 * architecture.reach) * columns
        # In addition to those of `kriging` the estimates of `guided` and `cnmf`, the interpolated
        # HS image, the residual of the MS image, and differences; for one component the input of
        # the network and its layers.
        estimates, layers = kriging.estimate_values + 7 * components, 6 * architecture.width
        features = strip * (estimates + layers + 2 * architecture.fine_bands)
        update = rows * columns * _UPDATE_ARRAYS * components
        maps, predicted = math.prod(window) * kriging.map_values, rows * columns * results
        # The output is allocated when all but the components are freed.
        output = math.prod(core) * len(kriging.guided.subspace.mean)
        values = max(maps + predicted + max(features, update) - output, predicted)
        return 4 * values + kriging.memory((0, 0), (0, 0))

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        card, kriging = self.correction.card, self.estimators.kriging
        model = {"error_model": self.error_model.describe()} if self.error_model else {}
        return {
            "method": self.name,
            "weights": card.name,
            "weights_sha256": card.sha256,
            "components": len(kriging.noise),
            "precision": self.correction.options.precision,
            "guided": kriging.guided.describe(),
            **model,
        }

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        return [self._fuse(window) for window in windows]

    def _fuse(self, window: Window) -> NDArray[np.float32]:
        if self.error_model is None:
            components, _, _ = self._fuse_components(window)
            return self._expand(components)
        cube, maps = self.fuse_with_error_maps(window, self.error_model)
        return np.concatenate([cube, self.error_model.predict(maps)[None]])

    def fuse_with_error_maps(
        self, window: Window, model: ErrorModel
    ) -> tuple[NDArray[np.float32], ErrorMaps]:
        """
        Return the fused core, (bands, rows, columns), and the quantities its errors depend on.

        Parameters
        ----------
        window : Window
            Window with its halo, and the models of its units.
        model : ErrorModel
            Error model of the pair.
        """
        guided, radius = self.estimators.kriging.guided, model.settings.radius
        components, ensemble, inside = self._fuse_components(window, with_ensemble=True)
        assert ensemble is not None
        cube, good = self._expand(components), guided.subspace.good
        count = int(good.sum())
        variance = ensemble.variance_about(components, inside) / count + model.outside_variance
        difference = (ensemble.differences.cnmf / count).sqrt().cpu().numpy()
        return cube, ErrorMaps(
            variance.sqrt().cpu().numpy(),
            local_rms(difference, radius)[inside],
            core_contrast(window, guided, radius),
            np.sqrt(np.square(cube[good]).mean(axis=0)),
        )

    def _expand(self, components: Tensor) -> NDArray[np.float32]:
        """Return the cube, (bands, rows, columns), of components."""
        return self.estimators.kriging.guided.expand(components).cpu().numpy()

    def _fuse_components(
        self, window: Window, *, with_ensemble: bool = False
    ) -> tuple[Tensor, Ensemble | None, tuple[slice, slice]]:
        """
        Return the components over the core, updated by both images.

        Returns
        -------
        tuple
            The components, (components, rows, columns); the estimates, if requested, of a region
            around the core; and the part of the region that is the core.
        """
        region = self.consistency.region(window.geometry, window.core)
        wide = replace(window, core=region.fine)
        prediction = predict(wide, self.estimators, self.correction, with_ensemble=with_ensemble)
        observations = Observations.of(
            window,
            region,
            self.estimators.kriging.guided.subspace,
            self.correction.scales.response.mean,
            device=self.correction.options.device,
        )
        updated = self.consistency.update(
            prediction.components,
            prediction.relative_variance + self.consistency.settings.added_variance,
            observations,
        )
        rows, columns = (
            core.within(outer) for core, outer in zip(window.core, region.fine, strict=True)
        )
        return updated[:, rows, columns], prediction.ensemble, (rows, columns)
