"""Shift and PSF width to a fraction of an HS pixel, by robust least squares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.optimize import least_squares

from hsfuse.core.robust import tukey_biweight
from hsfuse.pair.alignment.regression import basis_of, left_by
from hsfuse.pair.alignment.settings import DEFAULT
from hsfuse.pair.alignment.windows import WindowPair

__all__ = ["Fit", "local_shifts"]

Array = NDArray[np.float64]

_SETTINGS = DEFAULT.fit
_PIXELS_PER_COLUMN = DEFAULT.windows.pixels_per_column


@dataclass
class Fit:
    """The least squares of sub-pixel shifts and widths; ``weight`` is each pixel's."""

    windows: list[WindowPair]
    used: list[NDArray[np.bool_]]
    weight: Array

    @classmethod
    def of(cls, windows: list[WindowPair], shift: tuple[float, float]) -> Fit | None:
        """Return the fit about a shift; None where too few pixels are left."""
        used = [window.usable(shift, _SETTINGS.slack) for window in windows]
        kept = [i for i, u in enumerate(used) if u.sum() >= 2 * _PIXELS_PER_COLUMN]
        if not kept:
            return None
        used = [used[i] for i in kept]
        return cls([windows[i] for i in kept], used, np.ones(sum(int(u.sum()) for u in used)))

    @cached_property
    def _count(self) -> int:
        return sum(int(used.sum()) for used in self.used)

    @cached_property
    def _stacked(self) -> Array:
        """Return the components at the used pixels of all windows."""
        return np.concatenate(
            [
                window.components[:, used]
                for window, used in zip(self.windows, self.used, strict=True)
            ],
            axis=1,
        )

    def _columns(self) -> Array:
        """Return a weighted orthonormal basis over the used pixels of all windows."""
        basis, _ = basis_of(self._stacked, np.ones(self._count, dtype=bool), self.weight)
        assert basis is not None  # there are two dozen pixels at least
        return basis

    def _degraded(self, parameters: Array) -> Array:
        return np.concatenate(
            [
                window.degraded(parameters)[:, used]
                for window, used in zip(self.windows, self.used, strict=True)
            ],
            axis=1,
        )

    def _residuals(self, seen: Array, basis: Array) -> Array:
        """Return what is unexplained of each MS band, in units of its spread."""
        weighted = self.weight.sum()
        seen = seen - (seen @ self.weight / weighted)[:, None]
        spread = np.sqrt((seen**2 @ self.weight) / weighted)
        seen = seen * self.weight
        left = seen - (seen @ basis) @ basis.T
        residuals: Array = left / np.maximum(spread, 1e-300)[:, None]
        return residuals

    def solve(self, start: Array, *, widths: bool = True) -> Array:
        """Return shifts and widths along y and x; the widths stay where they are not asked."""
        free = np.array([True, True, widths, widths])
        found = start.copy()
        self.weight = self._pixel_weights(found)
        for _ in range(_SETTINGS.rounds):
            basis = self._columns()

            def residuals(values: Array, basis: Array = basis, found: Array = found) -> Array:
                trial = found.copy()
                trial[free] = values
                return self._residuals(self._degraded(trial), basis).ravel()

            low = np.array([*(start[:2] - 1.0), _SETTINGS.narrowest, _SETTINGS.narrowest])[free]
            high = np.array([*(start[:2] + 1.0), _SETTINGS.widest, _SETTINGS.widest])[free]
            result = least_squares(
                residuals,
                np.clip(found[free], low + 1e-6, high - 1e-6),
                bounds=(low, high),
                x_scale=np.array([0.1, 0.1, 0.2, 0.2])[free],
                diff_step=0.01,
                xtol=1e-4,
                ftol=1e-6,
                max_nfev=20,
            )
            moved = np.abs(result.x - found[free]).max()
            found[free] = result.x
            self.weight = self._pixel_weights(found)
            if moved < _SETTINGS.tolerance:
                break
        return found

    def _pixel_weights(self, found: Array) -> Array:
        """Return each pixel's weight: how far it follows the others."""
        seen, weight = self._degraded(found), self.weight
        for _ in range(_SETTINGS.reweightings):
            weight = tukey_biweight(self._leading_residuals(seen, weight), seen)
        return weight

    def _leading_residuals(self, seen: Array, weight: Array) -> Array:
        """Return what the few leading components of X leave of D(Y)."""
        count = max(2, min(len(self._stacked) + 1, self._count // _PIXELS_PER_COLUMN))
        columns = np.concatenate([np.ones((1, self._count)), self._stacked[: count - 1]]).T
        line = np.linalg.lstsq(columns * weight[:, None], (seen * weight).T, rcond=None)[0]
        left: Array = seen - (columns @ line).T
        return left

    def changed(self, found: Array) -> float:
        """Return the share of the pixels that do not follow the others, and by far."""
        seen = self._degraded(found)
        least = _SETTINGS.least_change * seen.std(axis=1, keepdims=True)
        off = np.abs(self._leading_residuals(seen, self.weight)) > least
        return float(((self.weight <= _SETTINGS.outlier_weight) & off.any(axis=0)).mean())

    def unexplained(self, found: Array) -> float:
        """Return the share of the variance of D(Y) that is left."""
        columns = self._columns()
        left = self._residuals(self._degraded(found), columns)
        pixels, used = float((self.weight**2).sum()), columns.shape[1]
        return float((left**2).sum() / (len(left) * max(pixels - used, 1.0)))

    def detail(self, found: Array) -> float:
        """Return the share of the variance that is left once the mean about a pixel is away."""
        rows, columns, start = [], [], 0
        for window, every in zip(self.windows, self.used, strict=True):
            used, stop = every.copy(), start + int(every.sum())
            # A cloud's edge is all detail.
            used[every] = self.weight[start:stop] > _SETTINGS.outlier_weight
            start = stop
            columns.append(_sharpened(window.components, used))
            rows.append(_sharpened(window.degraded(found), used))
        seen, components = np.concatenate(rows, axis=1), np.concatenate(columns, axis=1)
        basis, _ = basis_of(components, np.ones(seen.shape[1], dtype=bool))
        if basis is None:
            return 1.0
        pixels = seen.shape[1]
        return min(1.0, left_by(basis, seen) * (pixels - 1) / max(pixels - basis.shape[1], 1))

    def textured(self, found: Array) -> bool:
        """Return whether both images vary smoothly from pixel to pixel, as noise does not."""
        autocorrelations = [
            (
                _lag_two_autocorrelation(window.components[0], window.known),
                max(
                    _lag_two_autocorrelation(band, window.known) for band in window.degraded(found)
                ),
            )
            for window in self.windows
        ]
        return all(max(both) > _SETTINGS.texture for both in zip(*autocorrelations, strict=True))

    def errors(self, found: Array) -> Array:
        """Return the standard errors of shifts and widths, from the curvature at the optimum."""
        basis, step = self._columns(), 0.02
        at = self._residuals(self._degraded(found), basis)
        slopes = []
        for index in range(4):
            moved = found.copy()
            moved[index] += step
            slopes.append((self._residuals(self._degraded(moved), basis) - at).ravel() / step)
        jacobian = np.array(slopes)
        # Neighbouring HS pixels share the error of a blur: some four are one piece of evidence.
        noise = 4 * (at**2).sum() / max(at.size - 4, 1)
        return np.sqrt(np.diag(np.linalg.pinv(jacobian @ jacobian.T)) * noise)


def _sharpened(bands: Array, used: NDArray[np.bool_]) -> Array:
    """Return bands at the used pixels, less the mean of the used among the 25 about each."""
    size = _SETTINGS.detail_window
    weight = np.maximum(uniform_filter(used.astype(np.float64), size), 1e-9)
    return np.stack(
        [(band - uniform_filter(np.where(used, band, 0.0), size) / weight)[used] for band in bands]
    )


def _lag_two_autocorrelation(band: Array, known: NDArray[np.bool_]) -> float:
    """Return the correlation of pixels that are two apart; a blur of two pixels leaves 0.06."""
    pairs = [
        (band[2:][known[2:] & known[:-2]], band[:-2][known[2:] & known[:-2]]),
        (
            band[:, 2:][known[:, 2:] & known[:, :-2]],
            band[:, :-2][known[:, 2:] & known[:, :-2]],
        ),
    ]
    values = [
        float(np.corrcoef(a, b)[0, 1]) for a, b in pairs if a.size > 2 and a.std() * b.std() > 0
    ]
    return max(values, default=0.0)


def local_shifts(windows: list[WindowPair], found: Array) -> Array:
    """Return each window's own shift, its place and its errors."""
    rows = []
    for window in windows:
        fit = Fit.of([window], (float(found[0]), float(found[1])))
        if fit is None:
            continue
        own = fit.solve(found, widths=False)
        error = fit.errors(own)
        rows.append([*window.centre, own[0], own[1], error[0], error[1]])
    return np.array(rows).reshape(-1, 6)
