"""The regression of `guided`: fitted to a scene, applied to windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.core.subspace import Subspace
from hsfuse.methods import OnePass, Window
from hsfuse.methods.guided.settings import DEFAULT, GuidedSettings, Parameters
from hsfuse.observe import Degrade, Interpolate, over_share
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

__all__ = ["GuidedFuser", "LocalFit", "fit"]


@dataclass(frozen=True)
class LocalFit:
    """
    The local part of the regression, on the HS grid of a window.

    Attributes
    ----------
    coefficients : Tensor of shape (1 + MS bands, components, coarse rows, coarse columns)
        Coefficients of 1 and the MS bands, interpolated linearly.
    correction : Tensor of shape (components, coarse rows, coarse columns)
        Correction by back-projection, interpolated by cubic convolution.
    """

    coefficients: Tensor
    correction: Tensor


@dataclass(frozen=True)
class GuidedFuser(OnePass):
    """
    `guided` for one pair.

    Attributes
    ----------
    subspace : Subspace
        Mean and leading principal components of the HS spectra.
    parameters : Parameters
        Selected parameters.
    psf : PSF
        PSF of the HS sensor, in HS pixels.
    offset, scale : ndarray of shape (MS bands,)
        Mean and standard deviation of the MS bands over the scene.
    weights : ndarray of shape (components, features)
        W of the scene-wide regression on [1, Y, products of Y], standardised.
    device : str
        Device of the computation.
    settings : GuidedSettings
        Further settings of the method.
    """

    subspace: Subspace
    parameters: Parameters
    psf: PSF
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    device: str = "cpu"
    settings: GuidedSettings = DEFAULT
    name: str = "guided"
    step: int = 1
    gives_standard_error: bool = False
    notes: tuple[str, ...] = ()

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`."""
        cubic = 2.0
        rounds = self.parameters.back_projections
        # From the output: U, the rounds of DU after the first, D of the residual, the linear
        # interpolation of coefficients, the window, D of the MS bands.
        along = [
            (rounds > 0) * (cubic + radius)
            + max(rounds - 1, 0) * (cubic + radius)
            + 1.0
            + self.parameters.radius
            + radius
            for radius in self.psf.reach
        ]
        return along[0], along[1]

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return 3 * self.parameters.components + 4 * len(self.offset)

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {"method": self.name, **asdict(self.parameters)}

    def fuse_window(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.OnePass`."""
        rows, columns = window.core
        return self.expand(self.components(window)[:, rows.slice, columns.slice]).cpu().numpy()

    def expand(self, components: Tensor) -> Tensor:
        """Return the cube (bands, rows, columns) of components (components, rows, columns)."""
        cube = torch.tensordot(self._tensor(self.subspace.loading.T), components, dims=1)
        cube += self._tensor(self.subspace.mean)[:, None, None]
        return cube

    def components(self, window: Window) -> Tensor:
        """Return the fused components over the whole window, shape (components, rows, columns)."""
        fine, fine_valid = self.standardised(window.fine)
        fused = torch.empty((len(self.subspace.basis), *fine.shape[1:]), device=self.device)
        fit = self._fit(window, fine, fine_valid, fused)
        if self.parameters.back_projections:
            cubic = Interpolate.between(window.geometry, device=self.device)
            for strip in self._strips(fine):
                fused[:, strip.slice] += cubic.cut(_across(strip, fine)).forward(fit.correction)
        return fused

    def local_fit(self, window: Window) -> LocalFit:
        """Return the local part of the regression over a window."""
        return self._fit(window, *self.standardised(window.fine))

    def apply(
        self, geometry: Geometry, fit: LocalFit, fine: Tensor, area: tuple[Span, Span]
    ) -> tuple[Tensor, Tensor]:
        """
        Return the fused components of some MS pixels, and those of the scene-wide fit.

        Parameters
        ----------
        geometry : Geometry
            Geometry of a window.
        fit : LocalFit
            Local fit of the same window.
        fine : Tensor of shape (MS bands, rows, columns)
            Standardised MS bands of the pixels.
        area : tuple of Span
            Rows and columns of the pixels in the window.

        Returns
        -------
        tuple of Tensor
            Each of shape (components, rows, columns).
        """
        fused, scene_wide = self._regress(geometry, fit.coefficients, fine, area)
        if self.parameters.back_projections:
            cubic = Interpolate.between(geometry, device=self.device).cut(area)
            fused += cubic.forward(fit.correction)
        return fused, scene_wide

    def _regress(
        self, geometry: Geometry, coefficients: Tensor, fine: Tensor, area: tuple[Span, Span]
    ) -> tuple[Tensor, Tensor]:
        """Return what :meth:`apply` returns, without back-projection."""
        weights = self._tensor(self.weights)
        used = weights.any(dim=0)
        used[0] = True  # at least one; products have no weight where the fit is linear
        features = [each for each, use in zip(_regressors(fine), used, strict=True) if use]
        scene_wide = torch.tensordot(weights[:, used], torch.stack(features), dims=1)
        linear = Interpolate.between(geometry, linear=True, device=self.device).cut(area)
        fused = scene_wide + linear.forward(coefficients[0])
        for coefficient, band in zip(coefficients[1:], fine, strict=True):
            fused.addcmul_(linear.forward(coefficient), band)
        return fused, scene_wide

    def _fit(
        self, window: Window, fine: Tensor, fine_valid: Tensor, regressed: Tensor | None = None
    ) -> LocalFit:
        """
        Return the local fit; the components before back-projection are written to ``regressed``.

        They are of the whole window, (components, rows, columns).
        """
        observed, valid = self.project(window.coarse)
        degrade = Degrade.between(window.geometry, self.psf, device=self.device)
        share = degrade.forward(fine_valid.to(degrade.rows))
        used = valid & (share > self.settings.minimum_coverage)
        degraded = torch.stack(
            [
                degrade.forward(feature * fine_valid) if weight.any() else torch.zeros_like(share)
                for weight, feature in zip(self.weights.T, _regressors(fine), strict=True)
            ]
        )
        degraded = over_share(degraded, share)
        residual = observed - torch.tensordot(self._tensor(self.weights), degraded, dims=1)
        coefficients = self._local(window, residual, used, fine, fine_valid)
        total = torch.zeros_like(observed)  # D of the components, not divided by its share
        corrected = self.parameters.back_projections > 0
        for strip in self._strips(fine) if corrected or regressed is not None else ():
            area = _across(strip, fine)
            values, _ = self._regress(window.geometry, coefficients, fine[:, strip.slice], area)
            if regressed is not None:
                regressed[:, strip.slice] = values
            if corrected:
                values = (values * fine_valid[strip.slice]) @ degrade.columns.mT
                total += degrade.rows[:, strip.slice] @ values
        if not corrected:
            return LocalFit(coefficients, total)
        remaining = observed - over_share(total, share)
        remaining = torch.where(used, remaining, torch.zeros_like(remaining))
        return LocalFit(coefficients, self._back_projected(window.geometry, degrade, remaining))

    def _strips(self, fine: Tensor) -> Iterator[Span]:
        """Yield groups of rows of MS bands (MS bands, rows, columns) that fit the cache."""
        rows, columns = fine.shape[1:]
        step = max(1, self.settings.strip // columns)
        for start in range(0, rows, step):
            yield Span(start, min(start + step, rows))

    def project(self, coarse: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return the components of HS pixels, zero without data in a good band, and the mask."""
        used = self._tensor(coarse[self.subspace.good])
        valid = torch.isfinite(used).all(dim=0)
        mean = self._tensor(self.subspace.mean[self.subspace.good])[:, None, None]
        centred = torch.where(valid, used - mean, torch.zeros_like(used))
        return torch.tensordot(self._tensor(self.subspace.basis), centred, dims=1), valid

    def standardised(self, fine: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return standardised MS bands, zero for no data, and the mask of data."""
        values = self._tensor(fine)
        valid = torch.isfinite(values).all(dim=0)
        scaled = (values - self._tensor(self.offset)[:, None, None]) / self._tensor(self.scale)[
            :, None, None
        ]
        return torch.where(valid, scaled, torch.zeros_like(scaled)), valid

    def _local(
        self, window: Window, residual: Tensor, used: Tensor, fine: Tensor, fine_valid: Tensor
    ) -> Tensor:
        """Return the coefficients of [1, Y], (1 + MS bands, components, coarse grid)."""
        # Normal equations lose half the digits, so float64 is used on the small grid.
        degrade = Degrade.between(
            window.geometry, self.psf, device=self.device, dtype=torch.float64
        )
        bands, _ = degrade.forward_masked(fine.double(), fine_valid)
        weight = used.double()
        design = torch.cat([torch.ones_like(bands[:1]), bands]) * weight  # (1 + MS bands, h, w)
        sum_over = _GaussianWindow(
            self.parameters.radius, self.settings.window_deviations, used.shape, self.device
        )
        count = sum_over(weight).clamp_min(1e-12)
        gram = sum_over(design[:, None] * design[None]) / count
        moment = sum_over(design[:, None] * residual.double()[None]) / count
        ridge = torch.full((len(design),), self.parameters.ridge, dtype=torch.float64)
        ridge[0] *= self.settings.mean_ridge
        normal = gram.permute(2, 3, 0, 1) + torch.diag(ridge).to(self.device)
        solution = torch.linalg.solve(normal, moment.permute(2, 3, 0, 1))
        return solution.permute(2, 3, 0, 1).float().contiguous()

    def _back_projected(self, geometry: Geometry, degrade: Degrade, residual: Tensor) -> Tensor:
        """Return the correction on the HS grid whose interpolation is added."""
        interpolation = Interpolate.between(geometry, device=self.device)
        rows = degrade.rows @ interpolation.rows  # DU along each axis
        columns = degrade.columns @ interpolation.columns
        total = torch.zeros_like(residual)
        for _ in range(self.parameters.back_projections):
            total += residual
            residual = residual - rows @ residual @ columns.mT
        return total

    def _tensor(self, array: NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self.device)


def _regressors(fine: Tensor) -> Iterator[Tensor]:
    """Yield 1, Y and the products of two of Y, each of shape (rows, columns)."""
    yield torch.ones_like(fine[0])
    yield from fine
    for i in range(len(fine)):
        for j in range(i, len(fine)):
            yield fine[i] * fine[j]


def _across(rows: Span, fine: Tensor) -> tuple[Span, Span]:
    """Return the area of some rows of MS bands (MS bands, rows, columns), all columns."""
    return rows, Span(0, fine.shape[2])


class _GaussianWindow:
    """Weighted sums over a Gaussian window of HS pixels, separable, zero outside."""

    def __init__(self, radius: int, deviations: float, shape: torch.Size, device: str) -> None:
        self.rows, self.columns = (self._weights(radius, deviations, n).to(device) for n in shape)

    @staticmethod
    def _weights(radius: int, deviations: float, length: int) -> Tensor:
        index = torch.arange(length, dtype=torch.float64)
        distance = index[:, None] - index[None]
        weights = torch.exp(-0.5 * (distance * deviations / radius) ** 2)
        return weights * (distance.abs() <= radius)

    def __call__(self, values: Tensor) -> Tensor:
        return self.rows @ values @ self.columns.mT


def fit(
    survey: Survey,
    parameters: Parameters,
    *,
    subspace: Subspace | None = None,
    settings: GuidedSettings = DEFAULT,
    device: str = "cpu",
) -> GuidedFuser:
    """
    Return the fuser with its scene-wide regression fitted to the survey.

    Parameters
    ----------
    survey : Survey
        Survey of the pair.
    parameters : Parameters
        Parameters; the number of components is limited by the good bands and the pixels.
    subspace : Subspace, optional
        Subspace of the components; by default fitted to the survey.
    settings : GuidedSettings
        Further settings of the method.
    device : str
        Device of the fusion; the fit is a small float64 problem on the CPU.
    """
    if subspace is None:
        subspace = Subspace.fit(survey.spectra, survey.good, parameters.components, survey.noise)
    subspace = subspace.leading(parameters.components)
    parameters = replace(parameters, components=len(subspace.basis))

    pixels = survey.fine_pixels
    offset = pixels.mean(axis=1)
    scale = np.maximum(pixels.std(axis=1), 1e-12 * np.abs(offset) + 1e-30)
    psf, weights = survey.psf, np.empty(0)
    fuser = GuidedFuser(subspace, parameters, psf, offset, scale, weights, device, settings)
    return replace(fuser, weights=_scene_wide(survey, fuser))


def _scene_wide(survey: Survey, fuser: GuidedFuser) -> NDArray[np.float64]:
    """Return W, the weighted mean of the linear and the quadratic fit of D(W f(Y)) to S."""
    designs, targets = [], []
    for patch in survey.patches:
        regressors, used, observed = _degraded_regressors(survey, fuser, patch)
        designs.append(regressors[:, used])
        targets.append(observed[:, used])
    design, target = np.concatenate(designs, axis=1), np.concatenate(targets, axis=1)
    linear = 1 + len(fuser.offset)
    weights = np.zeros((len(target), len(design)))
    share, ridge = fuser.parameters.quadratic, fuser.settings.scene_wide_ridge
    weights[:, :linear] += (1 - share) * _ridge_fit(design[:linear], target, ridge)
    weights += share * _ridge_fit(design, target, ridge)
    return weights


def _degraded_regressors(
    survey: Survey, fuser: GuidedFuser, patch: Patch
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Return D(f(Y)), its mask, and S, all on the HS grid of the patch."""
    fine = torch.from_numpy(patch.fine.astype(np.float64))
    valid = torch.isfinite(fine).all(dim=0)
    scaled = (fine - torch.from_numpy(fuser.offset)[:, None, None]) / torch.from_numpy(fuser.scale)[
        :, None, None
    ]
    scaled = torch.where(valid, scaled, torch.zeros_like(scaled))
    degrade = Degrade.between(patch.geometry, survey.psf, dtype=torch.float64)
    # One at a time: all of them on the fine grid would need more memory than the run.
    degraded = torch.stack([degrade.forward_masked(f, valid)[0] for f in _regressors(scaled)])
    share = degrade.forward(valid.double())
    observed, finite = fuser.subspace.project(patch.coarse)
    used = (share.numpy() > fuser.settings.minimum_coverage) & finite
    return degraded.numpy(), used, observed.astype(np.float64)


def _ridge_fit(
    design: NDArray[np.float64], target: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    gram = design @ design.T / design.shape[1] + ridge * np.eye(len(design))
    moment = design @ target.T / design.shape[1]
    solution: NDArray[np.float64] = np.linalg.solve(gram, moment).T
    return solution
