"""Sub-pixel shift and width of the PSF by robust least squares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.optimize import least_squares

from hsfuse.core.robust import tukey_biweight
from hsfuse.pair.alignment.regression import regression_basis, unexplained_share
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.alignment.windows import WindowPair

__all__ = ["Fit", "local_shifts"]

Array = NDArray[np.float64]

_SETTINGS = DEFAULT.fit
_PIXELS_PER_COLUMN = DEFAULT.windows.pixels_per_column


@dataclass
class Fit:
    """
    Least squares problem for shifts and widths of the PSF.

    Attributes
    ----------
    windows : list of WindowPair
        The windows compared.
    used : list of ndarray of bool, shape (rows, columns)
        HS pixels of each window in the fit.
    weight : ndarray of shape (pixels,)
        Robust weights of the used pixels of all windows.
    """

    windows: list[WindowPair]
    used: list[NDArray[np.bool_]]
    weight: Array

    @classmethod
    def of(cls, windows: list[WindowPair], shift: tuple[float, float]) -> Fit | None:
        """Return the problem around a shift (y, x); None where too few pixels are usable."""
        used = [window.usable(shift, _SETTINGS.slack) for window in windows]
        usable = [i for i, u in enumerate(used) if u.sum() >= 2 * _PIXELS_PER_COLUMN]
        if not usable:
            return None
        used = [used[i] for i in usable]
        return cls([windows[i] for i in usable], used, np.ones(sum(int(u.sum()) for u in used)))

    @cached_property
    def _count(self) -> int:
        return sum(int(used.sum()) for used in self.used)

    @cached_property
    def _stacked(self) -> Array:
        """Return the components (components, pixels) at the used pixels of all windows."""
        return np.concatenate(
            [
                window.components[:, used]
                for window, used in zip(self.windows, self.used, strict=True)
            ],
            axis=1,
        )

    def _columns(self) -> Array:
        """Return a weighted orthonormal basis (pixels, columns) over the used pixels."""
        basis, _ = regression_basis(self._stacked, np.ones(self._count, dtype=bool), self.weight)
        assert basis is not None  # there are at least two dozen pixels
        return basis

    def _degraded(self, parameters: Array) -> Array:
        return np.concatenate(
            [
                window.degraded(parameters)[:, used]
                for window, used in zip(self.windows, self.used, strict=True)
            ],
            axis=1,
        )

    def _residuals(self, degraded: Array, basis: Array) -> Array:
        """Return the weighted residuals (MS bands, pixels), relative to the standard deviation."""
        weighted = self.weight.sum()
        degraded = degraded - (degraded @ self.weight / weighted)[:, None]
        spread = np.sqrt((degraded**2 @ self.weight) / weighted)
        degraded = degraded * self.weight
        remaining = degraded - (degraded @ basis) @ basis.T
        residuals: Array = remaining / np.maximum(spread, 1e-300)[:, None]
        return residuals

    def solve(self, start: Array, *, widths: bool = True) -> Array:
        """Return the estimates (shift y, shift x, FWHM y, FWHM x) in HS pixels."""
        free = np.array([True, True, widths, widths])
        parameters = start.copy()
        self.weight = self._pixel_weights(parameters)
        for _ in range(_SETTINGS.rounds):
            basis = self._columns()

            def residuals(
                values: Array, basis: Array = basis, parameters: Array = parameters
            ) -> Array:
                trial = parameters.copy()
                trial[free] = values
                return self._residuals(self._degraded(trial), basis).ravel()

            low = np.array([*(start[:2] - 1.0), _SETTINGS.narrowest, _SETTINGS.narrowest])[free]
            high = np.array([*(start[:2] + 1.0), _SETTINGS.widest, _SETTINGS.widest])[free]
            result = least_squares(
                residuals,
                np.clip(parameters[free], low + 1e-6, high - 1e-6),
                bounds=(low, high),
                x_scale=np.array([0.1, 0.1, 0.2, 0.2])[free],
                diff_step=0.01,
                xtol=1e-4,
                ftol=1e-6,
                max_nfev=20,
            )
            moved = np.abs(result.x - parameters[free]).max()
            parameters[free] = result.x
            self.weight = self._pixel_weights(parameters)
            if moved < _SETTINGS.tolerance:
                break
        return parameters

    def _pixel_weights(self, parameters: Array) -> Array:
        """Return the robust weights (pixels,) by Tukey's biweight."""
        degraded, weight = self._degraded(parameters), self.weight
        for _ in range(_SETTINGS.reweightings):
            weight = tukey_biweight(self._leading_residuals(degraded, weight), degraded)
        return weight

    def _leading_residuals(self, degraded: Array, weight: Array) -> Array:
        """Return the residuals (MS bands, pixels) of D(Y) on a few leading components of X."""
        count = max(2, min(len(self._stacked) + 1, self._count // _PIXELS_PER_COLUMN))
        columns = np.concatenate([np.ones((1, self._count)), self._stacked[: count - 1]]).T
        line = np.linalg.lstsq(columns * weight[:, None], (degraded * weight).T, rcond=None)[0]
        residuals: Array = degraded - (columns @ line).T
        return residuals

    def changed(self, parameters: Array) -> float:
        """Return the share of pixels that are outliers with large residuals."""
        degraded = self._degraded(parameters)
        minimum = _SETTINGS.minimum_change * degraded.std(axis=1, keepdims=True)
        large = np.abs(self._leading_residuals(degraded, self.weight)) > minimum
        return float(((self.weight <= _SETTINGS.outlier_weight) & large.any(axis=0)).mean())

    def unexplained(self, parameters: Array) -> float:
        """Return the unexplained share of the variance of D(Y)."""
        columns = self._columns()
        residuals = self._residuals(self._degraded(parameters), columns)
        pixels, used = float((self.weight**2).sum()), columns.shape[1]
        return float((residuals**2).sum() / (len(residuals) * max(pixels - used, 1.0)))

    def detail(self, parameters: Array) -> float:
        """Return the unexplained share of the variance of high-pass filtered D(Y)."""
        rows, columns, start = [], [], 0
        for window, mask in zip(self.windows, self.used, strict=True):
            used, stop = mask.copy(), start + int(mask.sum())
            # Outliers are excluded: the edge of a cloud would dominate the detail.
            used[mask] = self.weight[start:stop] > _SETTINGS.outlier_weight
            start = stop
            columns.append(_high_pass(window.components, used))
            rows.append(_high_pass(window.degraded(parameters), used))
        degraded, components = np.concatenate(rows, axis=1), np.concatenate(columns, axis=1)
        basis, _ = regression_basis(components, np.ones(degraded.shape[1], dtype=bool))
        if basis is None:
            return 1.0
        pixels = degraded.shape[1]
        return min(
            1.0, unexplained_share(basis, degraded) * (pixels - 1) / max(pixels - basis.shape[1], 1)
        )

    def textured(self, parameters: Array) -> bool:
        """Return whether both images show spatial structure beyond noise."""
        autocorrelations = [
            (
                _lag_two_autocorrelation(window.components[0], window.valid),
                max(
                    _lag_two_autocorrelation(band, window.valid)
                    for band in window.degraded(parameters)
                ),
            )
            for window in self.windows
        ]
        return all(max(both) > _SETTINGS.texture for both in zip(*autocorrelations, strict=True))

    def errors(self, parameters: Array) -> Array:
        """Return the standard errors (4,) of shifts and widths, by the Jacobian at the optimum."""
        basis, step = self._columns(), 0.02
        residuals = self._residuals(self._degraded(parameters), basis)
        slopes = []
        for index in range(4):
            moved = parameters.copy()
            moved[index] += step
            slopes.append(
                (self._residuals(self._degraded(moved), basis) - residuals).ravel() / step
            )
        jacobian = np.array(slopes)
        # Errors of neighbouring HS pixels are correlated: four pixels count as one observation.
        noise = 4 * (residuals**2).sum() / max(residuals.size - 4, 1)
        return np.sqrt(np.diag(np.linalg.pinv(jacobian @ jacobian.T)) * noise)


def _high_pass(bands: Array, used: NDArray[np.bool_]) -> Array:
    """Return bands at the used pixels, minus the mean of used pixels in a 5 x 5 window."""
    size = _SETTINGS.detail_window
    weight = np.maximum(uniform_filter(used.astype(np.float64), size), 1e-9)
    return np.stack(
        [(band - uniform_filter(np.where(used, band, 0.0), size) / weight)[used] for band in bands]
    )


def _lag_two_autocorrelation(band: Array, valid: NDArray[np.bool_]) -> float:
    """Return the correlation of pixels two apart; white noise blurred by 2 pixels has 0.06."""
    pairs = [
        (band[2:][valid[2:] & valid[:-2]], band[:-2][valid[2:] & valid[:-2]]),
        (
            band[:, 2:][valid[:, 2:] & valid[:, :-2]],
            band[:, :-2][valid[:, 2:] & valid[:, :-2]],
        ),
    ]
    values = [
        float(np.corrcoef(a, b)[0, 1]) for a, b in pairs if a.size > 2 and a.std() * b.std() > 0
    ]
    return max(values, default=0.0)


def local_shifts(windows: list[WindowPair], parameters: Array) -> Array:
    """
    Estimate the shift of each window separately.

    Returns
    -------
    ndarray of shape (windows, 6)
        Row and column of the centre in HS pixels, shift along y and x, standard errors of these.
    """
    rows = []
    for window in windows:
        fit = Fit.of([window], (float(parameters[0]), float(parameters[1])))
        if fit is None:
            continue
        local = fit.solve(parameters, widths=False)
        error = fit.errors(local)
        rows.append([*window.centre, local[0], local[1], error[0], error[1]])
    return np.array(rows).reshape(-1, 6)
