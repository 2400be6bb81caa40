"""
Comparison of the estimates of components with each other and with the MS image.

Errors are unknown where there is no reference. Their size is inferred from the differences of the
estimates, which are computed for the central parts of some surveyed windows, each conditioned as
a separate scene: those on which the noise of `kriging` was selected, whose features are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Geometry, Span
from hsfuse.methods import Window
from hsfuse.methods.component_response import ComponentResponse
from hsfuse.methods.kriging.method import SampledScene
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.observe import Interpolate

__all__ = ["ComparisonSettings", "EstimateComparison", "interpolate_components"]


@dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """Settings of the pixels on which estimates are compared."""

    # Side in MS pixels of the central part of a scene on which the estimates are compared.
    compared_side: int = 256


_DEFAULT = ComparisonSettings()


@dataclass(frozen=True)
class EstimateComparison:
    """
    Differences of the estimates at MS pixels with data, in float64.

    Attributes
    ----------
    detail : Tensor of shape (components, pixels)
        Estimate of `guided` minus the interpolated HS image.
    squared_difference : Tensor of shape (components, pixels)
        Mean squared difference of the other estimates from the initial one.
    ms_residual : Tensor of shape (MS bands, pixels)
        The MS image minus its response to the initial estimate.
    estimate_difference : Tensor of shape (other estimates, pixels)
        Squared difference of each of the other estimates from the initial one, mean over the good
        bands, in squared HS units.
    hs_residual : Tensor of shape (pixels,)
        Square of the interpolated residual of the HS image, mean over the good bands, in squared HS
        units.
    """

    detail: Tensor
    squared_difference: Tensor
    ms_residual: Tensor
    estimate_difference: Tensor
    hs_residual: Tensor

    @classmethod
    def of_scenes(
        cls,
        scenes: Sequence[SampledScene],
        estimators: Estimators,
        response: ComponentResponse,
        settings: ComparisonSettings = _DEFAULT,
    ) -> EstimateComparison:
        """
        Return the comparison on some scenes.

        Parameters
        ----------
        scenes : sequence of SampledScene
            Scenes of :meth:`Estimators.prepare`.
        estimators : Estimators
            Estimators, prepared for the pair.
        response : ComponentResponse
            Response of the MS sensor to components.
        settings : ComparisonSettings
            Size of the part of a scene that is compared.
        """
        parts = [_compare(scene, estimators, response, settings) for scene in scenes]
        values = ([getattr(part, each.name) for part in parts] for each in fields(cls))
        return cls(*(torch.cat(pixels, dim=-1) for pixels in values))


def _compare(
    scene: SampledScene,
    estimators: Estimators,
    response: ComponentResponse,
    settings: ComparisonSettings,
) -> EstimateComparison:
    """Return the comparison in the centre of a scene."""
    window = scene.window
    estimators = estimators.for_scene(window.geometry.coarse_shape)
    fitted = estimators.fit_scene(scene)
    area, valid = _compared_pixels(window, settings)
    estimates = estimators.estimate(fitted, area)
    interpolated = interpolate_components(window.geometry, fitted.observed, area)
    subspace = estimators.kriging.guided.subspace
    power = torch.from_numpy(subspace.power / subspace.good.sum()).to(interpolated)[:, None, None]
    squares, differences = torch.zeros_like(interpolated), []
    for other in estimates.others:
        square = (other - estimates.initial).square()
        squares += square / len(estimates.others)
        differences.append((power * square).sum(dim=0))
    residual = (power * estimates.residual.square()).sum(dim=0)
    mask = torch.from_numpy(valid).to(squares.device)
    fine = window.fine[:, area[0].slice, area[1].slice][:, valid].astype(np.float64)
    mean, matrix = (
        torch.from_numpy(values).to(squares.device) for values in (response.mean, response.matrix)
    )
    predicted = mean[:, None] + matrix @ estimates.initial[:, mask].double()
    return EstimateComparison(
        (estimates.guided - interpolated)[:, mask].double(),
        squares[:, mask].double(),
        torch.from_numpy(fine).to(squares.device) - predicted,
        torch.stack(differences)[:, mask].double(),
        residual[mask].double(),
    )


def _compared_pixels(
    window: Window, settings: ComparisonSettings
) -> tuple[tuple[Span, Span], NDArray[np.bool_]]:
    """Return the central rows and columns of a window, or all if these have no data; and a mask."""
    rows, columns = (_central_span(span, settings.compared_side) for span in window.core)
    valid = np.asarray(np.isfinite(window.fine[:, rows.slice, columns.slice]).all(axis=0))
    if valid.any():
        return (rows, columns), valid
    geometry = window.geometry
    everywhere = Span(0, geometry.y.fine), Span(0, geometry.x.fine)
    return everywhere, np.asarray(np.isfinite(window.fine).all(axis=0))


def _central_span(span: Span, side: int) -> Span:
    """
    Return the central pixels of a span, at most ``side`` of them.

    Examples
    --------
    >>> _central_span(Span(0, 256), 256), _central_span(Span(8, 776), 256)
    (Span(start=0, stop=256), Span(start=264, stop=520))
    """
    length = min(side, len(span))
    start = span.start + (len(span) - length) // 2
    return Span(start, start + length)


def interpolate_components(geometry: Geometry, observed: Tensor, area: tuple[Span, Span]) -> Tensor:
    """
    Return the components of the HS image interpolated, shape (components, rows, columns).

    Parameters
    ----------
    geometry : Geometry
        Geometry of a window.
    observed : Tensor of shape (components, coarse rows, coarse columns)
        Components of the HS pixels of the window.
    area : tuple of Span
        Rows and columns of the MS image of the window.
    """
    return Interpolate.between(geometry, device=str(observed.device)).cut(area).forward(observed)
