"""
How the two images of a pair lie on each other, and how blurred one is: read from the pair.

Georeferencing is off by fractions of an HS pixel or more, and the width of the point spread
function is seldom known. Both are found without knowing R or the units of either image:
whatever a fine band is to the HS sensor, ``D(Y)`` is nearly a linear function of the leading
principal components of ``X`` when shift and blur are right, and at no other place. The share of
the variance of ``D(Y)`` which that function leaves unexplained is what is made small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.optimize import least_squares
from scipy.stats import rankdata

from hsfuse.core.drift import Drift, fit_drift
from hsfuse.core.grid import Axis, Geometry
from hsfuse.core.resample import FWHM_PER_SIGMA, degrade_matrix
from hsfuse.core.robust import steadiness
from hsfuse.core.text import blur_widths
from hsfuse.errors import PairError
from hsfuse.io.warp import displaced
from hsfuse.pair.geometry import Pair, make_pair
from hsfuse.pair.survey import Patch, Survey, survey_pair
from hsfuse.sensor.catalogue import Sensor

__all__ = ["Alignment", "align_pair", "measure_alignment"]

Array = NDArray[np.float64]

# Georeferencing that is further off than this is another scene's.
_FARTHEST = 8
# A shift is looked for up to this part of the scene's side: the rest is enough to know it by.
_SIDES = 5
# So many shifts are tried to a fraction of a pixel until one explains the detail too.
_PLACES = 5
# Of all pixels, those that a trimmed fit is made for, and how often they are chosen anew.
_KEPT, _TRIMMINGS = 0.75, 3
# Components that D(Y) is a function of; each needs a dozen pixels to be told from chance.
_COMPONENTS = 8
_PIXELS_EACH = 12
_NARROWEST, _WIDEST = 0.3, 3.0
# Beyond this many HS pixels from its centre a blur of two HS pixels holds a hundredth.
_REACH = 2.2
# Fine pixels are averaged until an HS pixel spans this many: a width is known as well from them.
_FINEST = 4.0
# Weights and place in turn, until neither width nor shift moves by this much, in HS pixels.
_ROUNDS, _SETTLED = 12, 0.005
_MOST_VIEWS = 9
_REWEIGHTINGS = 4
# A place is found when it leaves less than this of D(Y)'s variance unexplained and its own error
# is small; pictures of different places leave two thirds or more, or have a large error.
_FOUND, _SHARP = 0.4, 0.08
_STRANGE = 0.7
# What is smaller, in HS pixels or standard errors, is left as it is.
_SMALLEST_SHIFT, _SMALLEST_WIDENING = 0.02, 0.03
_ERRORS = 4.0
# A shift that changes by less over the scene is not worth a resampling, which blurs.
_SMALLEST_DRIFT = 0.1
# Along each axis of a large scene: a surface of second order has six terms.
_WINDOWS = 5
# A known width is doubted when the pair tells another one by this share.
_DOUBT = 0.15
_MUCH_CHANGED = 0.05
# Pixels of less weight do not follow the others at all; they have changed when they are off by this
# share of a band's spread as well, which the rare material of a clean pair is not.
_GONE, _APPARENT = 0.1, 0.15
_TEXTURE = 0.4
_ABOUT = 5


@dataclass(frozen=True)
class Alignment:
    """
    Where the HS image lies and how wide its point spread function is, as the pair tells.

    Attributes
    ----------
    shift : tuple of float
        How far the HS image lies from where its georeferencing says, along y and x in HS
        pixels, the fine image being the reference.
    blur : tuple of float
        FWHM of the point spread function along y and x in HS pixels.
    shift_error, blur_error : tuple of float
        Standard errors of ``shift`` and ``blur``.
    unexplained : float
        Share of the variance of D(Y) which the HS image does not explain there.
    detail : float
        That share for what differs from the mean about each pixel: any two pictures of one
        bright thing are alike at large.
    textured : bool
        Whether both images show more than noise.
    changed : float
        Share of the pixels that do not follow the others: cloud, shadow or change.
    local : ndarray of shape (patches, 6)
        Of each surveyed window: row and column of its centre in HS pixels, its own shift along
        y and x, and the standard errors of these.
    """

    shift: tuple[float, float]
    blur: tuple[float, float]
    shift_error: tuple[float, float]
    blur_error: tuple[float, float]
    unexplained: float
    detail: float
    textured: bool
    changed: float
    local: Array
    drift: Drift | None

    @property
    def found(self) -> bool:
        """Whether the place is one that can be relied on."""
        return self.detail < _FOUND and max(self.shift_error) < _SHARP

    @property
    def place(self) -> str:
        """Where the HS image lies against what its file says, in words."""
        words = [
            f"{abs(move):.2f} HS pixels {way[move > 0]}"
            for move, way in zip(self.shift, (("up", "down"), ("left", "right")), strict=True)
            if abs(move) >= 0.005
        ]
        return f"{' and '.join(words) or 'no shift'} (+-{max(self.shift_error):.3f})"

    @property
    def strange(self) -> bool:
        """Whether the images show different things wherever one is laid."""
        return self.textured and self.detail > _STRANGE


def align_pair(
    hs: xr.DataArray,
    rgb: xr.DataArray,
    *,
    hs_sensor: Sensor | None = None,
    rgb_sensor: Sensor | None = None,
) -> tuple[Pair, Alignment | None]:
    """
    Return the pair that two rasters make, laid as the images themselves tell.

    The HS image is moved; the fine image is the reference and its grid the output's. The move is
    part of the pair's geometry: nothing is resampled for it. The width of the point spread
    function is taken from the pair where it was a mere assumption.

    Parameters
    ----------
    hs, rgb, hs_sensor, rgb_sensor
        As :func:`hsfuse.pair.geometry.make_pair`.

    Returns
    -------
    tuple of Pair and (Alignment or None)
        What was found and what was used of it are among the pair's notes.

    Raises
    ------
    PairError
        If the rasters make no pair, or show different things.
    """
    pair = make_pair(hs, rgb, hs_sensor=hs_sensor, rgb_sensor=rgb_sensor)
    found = measure_alignment(survey_pair(pair, _WINDOWS))
    if found is None:
        return pair, None
    if found.strange:
        raise PairError(
            f"{_name(hs)} and {_name(rgb)}: the two pictures do not agree; at the best of all "
            f"places within {_FARTHEST} HS pixels one explains {1 - found.detail:.0%} of the "
            "other's detail; pictures of the same place that are laid closer would be accepted"
        )
    if not found.found:
        note = "the pair does not tell how its images lie on each other: laid as their files say"
        return replace(pair, notes=(*pair.notes, note)), found
    notes = []
    limit = [max(_ERRORS * error, _SMALLEST_SHIFT) for error in found.shift_error]
    if any(abs(move) > least for move, least in zip(found.shift, limit, strict=True)):
        (dy, dx), axes = found.shift, (pair.geometry.y, pair.geometry.x)
        move = Affine.translation(dx * axes[1].ratio, dy * axes[0].ratio)
        notes.append(f"{_name(hs)} lies {found.place} of where its file says, and was moved")
        pair = make_pair(hs, rgb, hs_sensor=hs_sensor, rgb_sensor=rgb_sensor, move=move)
    pair, found = _with_drift(pair, found, notes)
    pair = _with_blur(pair, found, notes)
    if found.changed > _MUCH_CHANGED:
        notes.append(
            f"{found.changed:.0%} of the surveyed HS pixels do not follow the fine image: "
            "cloud, shadow or change between the two"
        )
    return replace(pair, notes=(*pair.notes, *notes)), found


def _with_drift(pair: Pair, found: Alignment, notes: list[str]) -> tuple[Pair, Alignment]:
    """Return the pair with the HS image bent as its windows tell, and the width it then has."""
    if found.drift is None or found.drift.spread < _SMALLEST_DRIFT:
        return pair, found
    # Once more, on the moved pair: the windows are then those of the image that is bent.
    survey = survey_pair(pair, _WINDOWS)
    local = _local(_views(survey), np.array([0.0, 0.0, *found.blur]))
    drift = fit_drift(local, survey.coarse_shape)
    if drift is None or drift.spread < max(_SMALLEST_DRIFT, 2 * drift.scatter):
        return pair, found
    notes.append(
        f"{_name(pair.hs)} drifts by up to {drift.spread:.2f} HS pixels about that, as "
        f"{drift.windows} windows tell to {drift.scatter:.2f}: resampled along that, cubic"
    )
    pair = replace(pair, hs=displaced(pair.hs, drift))
    # A drift looks like blur to a width that is fitted over the whole scene.
    again = measure_alignment(survey_pair(pair))
    if again is not None and again.found:
        found = replace(found, blur=again.blur, blur_error=again.blur_error)
    return pair, found


def _with_blur(pair: Pair, found: Alignment, notes: list[str]) -> Pair:
    """Return the pair with the blur that it tells, where its own is a mere assumption."""
    own, told = pair.blur, found.blur
    off = [abs(a - b) for a, b in zip(own, told, strict=True)]
    sure = [_ERRORS * error for error in found.blur_error]
    if pair.blur_status == "assumed":
        least = [max(error, _SMALLEST_WIDENING) for error in sure]
        if all(a <= b for a, b in zip(off, least, strict=True)):
            return pair
        return replace(pair, blur=told, blur_status="estimated from the pair")
    doubtful = [max(error, _DOUBT * a) for error, a in zip(sure, own, strict=True)]
    if any(a > b for a, b in zip(off, doubtful, strict=True)):
        notes.append(
            f"the sensor's definition says FWHM {blur_widths(*own)} HS pixels "
            f"({pair.blur_status}), the pair says {blur_widths(*told)}; the definition's was used"
        )
    return pair


def _name(raster: xr.DataArray) -> str:
    return str(raster.attrs.get("source") or "raster")


def measure_alignment(survey: Survey) -> Alignment | None:
    """
    Return how the two images of a surveyed pair lie on each other.

    Parameters
    ----------
    survey : Survey
        Its blur is not used, nor its response.

    Returns
    -------
    Alignment or None
        None where the scene is too small, or too flat, to tell.
    """
    views = _views(survey)
    # Some nine windows fix one shift and one width; the others tell how the shift changes.
    some = views[:: -(-len(views) // _MOST_VIEWS)] if views else []
    best = None
    for shift in _coarse_search(some) if some else ():
        trial = _Fit.of(some, shift)
        if trial is None:
            continue
        place = trial.solve(np.array([*shift, 1.2, 1.2]))
        detail = trial.detail(place)
        if best is None or detail < best[0]:
            best = (detail, trial, place)
        if detail < _FOUND:
            break
    if best is None:
        return None
    detail, fit, found = best
    error = fit.errors(found)
    at, blur = (float(found[0]), float(found[1])), (float(found[2]), float(found[3]))
    local = _local(views, found)
    return Alignment(
        shift=at,
        blur=blur,
        shift_error=(float(error[0]), float(error[1])),
        blur_error=(float(error[2]), float(error[3])),
        unexplained=fit.unexplained(found),
        detail=detail,
        textured=fit.textured(found),
        changed=fit.changed(found),
        local=local,
        drift=fit_drift(local, survey.coarse_shape),
    )


@dataclass(frozen=True)
class _View:
    """
    One window: components of X, and Y at no more than `_FINEST` pixels an HS pixel.

    ``known`` is where X has data, ``filled`` the share of Y's data: (rows, columns) each.
    ``averaged`` is the FWHM, along y and x in HS pixels, that averaging Y has added to D.
    """

    components: Array
    known: NDArray[np.bool_]
    fine: Array
    filled: Array
    geometry: Geometry
    averaged: tuple[float, float]
    centre: tuple[float, float]

    def seen(self, parameters: Sequence[float] | Array) -> Array:
        """Return D(Y), shape (fine bands, rows, columns), for shifts and widths along y and x."""
        rows, columns = self.weights(parameters)
        seen: Array = rows @ self.fine @ columns.T
        return seen

    def weights(self, parameters: Sequence[float] | Array) -> tuple[Array, Array]:
        """Return D's two matrices."""
        axes = (self.geometry.y, self.geometry.x)
        rows, columns = (
            degrade_matrix(_moved(axis, move), math.sqrt(max(wide**2 - less**2, 1e-4)))
            for axis, move, wide, less in zip(
                axes, parameters[:2], parameters[2:], self.averaged, strict=True
            )
        )
        return rows, columns

    def usable(self, shift: tuple[float, float], slack: float) -> NDArray[np.bool_]:
        """Return the HS pixels whose blur lies on data: within ``slack`` HS pixels of a shift."""
        rows, columns = self.weights([*shift, 2.0, 2.0])
        used = self.known & (rows @ self.filled @ columns.T > 0.98)
        for axis, grid, moved in ((0, self.geometry.y, shift[0]), (1, self.geometry.x, shift[1])):
            centre = _moved(grid, moved).centres()
            margin = (_REACH + slack) * grid.ratio
            inside = (centre >= margin) & (centre <= grid.fine - margin)
            used &= inside[:, None] if axis == 0 else inside[None, :]
        return used


def _moved(axis: Axis, shift: float) -> Axis:
    return replace(axis, origin=axis.origin + float(shift) * axis.ratio)


def _views(survey: Survey) -> list[_View]:
    return [view for patch in survey.patches if (view := _view(survey, patch)) is not None]


def _view(survey: Survey, patch: Patch) -> _View | None:
    known = survey.valid(patch)
    if known.sum() < 2 * _PIXELS_EACH:
        return None
    spectra = patch.coarse[survey.good].astype(np.float64)
    axes = _leading(survey)
    centred = np.where(known, spectra - survey.spectra[survey.good].mean(axis=1)[:, None, None], 0)
    components = np.tensordot(axes, centred, 1)
    fine, filled, geometry, averaged = _reduced(patch)
    centre = (
        patch.start[0] + patch.geometry.y.coarse / 2,
        patch.start[1] + patch.geometry.x.coarse / 2,
    )
    return _View(components, known, fine, filled, geometry, averaged, centre)


def _leading(survey: Survey) -> Array:
    """Return the leading principal axes of the surveyed spectra, shape (components, bands)."""
    spectra = survey.spectra[survey.good].astype(np.float64)
    spectra = spectra - spectra.mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(spectra @ spectra.T)
    count = max(1, min(_COMPONENTS, spectra.shape[1] // _PIXELS_EACH))
    return np.ascontiguousarray(vectors[:, ::-1][:, :count].T)


def _reduced(patch: Patch) -> tuple[Array, Array, Geometry, tuple[float, float]]:
    """Return Y with fine pixels averaged, the share of data in each, the geometry, the width."""
    fine = patch.fine.astype(np.float64)
    axes, widths = [], []
    known = np.isfinite(fine).all(axis=0)
    mean = fine[:, known].mean(axis=1) if known.any() else np.zeros(len(fine))
    filled = np.asarray(known, dtype=np.float64)
    fine = np.asarray(np.where(known, fine, mean[:, None, None]))
    for axis, grid in ((1, patch.geometry.y), (2, patch.geometry.x)):
        factor = max(1, int(grid.ratio // _FINEST))
        count = grid.fine // factor
        widths.append(FWHM_PER_SIGMA * math.sqrt((factor**2 - 1) / 12) / grid.ratio)
        axes.append(Axis(count, grid.coarse, grid.ratio / factor, grid.origin / factor))
        if factor > 1:
            fine = _averaged(fine, axis, factor, count)
            filled = _averaged(filled, axis - 1, factor, count)
    return fine, filled, Geometry(axes[0], axes[1]), (widths[0], widths[1])


def _averaged(values: Array, axis: int, factor: int, count: int) -> Array:
    whole = np.moveaxis(values, axis, -1)[..., : count * factor]
    mean = whole.reshape(*whole.shape[:-1], count, factor).mean(axis=-1)
    return np.ascontiguousarray(np.moveaxis(mean, -1, axis))


def _coarse_search(views: list[_View]) -> list[tuple[int, int]]:
    """
    Return the likeliest shifts in whole HS pixels, the best first, none beside another.

    All shifts are judged on the same HS pixels, the inner ones, so that they can be compared;
    by the ranks of D(Y), among which a cloud is not larger than the share it covers; and by the
    three quarters of the pixels that agree best (least trimmed squares, Rousseeuw 1984).
    """
    side = min(min(view.known.shape) for view in views)
    far = min(_FARTHEST, side // _SIDES)
    if far < 1:
        return []
    steps = range(-far, far + 1)
    left = np.zeros((len(steps), len(steps)))
    seen_any = False
    for view in views:
        inner = (slice(far, -far), slice(far, -far))
        seen = _ranked(view.seen([0, 0, 1.2, 1.2]))
        basis, used = _basis(view.components[(slice(None), *inner)], view.known[inner])
        if basis is None:
            continue
        seen_any = True
        for row, down in enumerate(steps):
            for column, right in enumerate(steps):
                place = (
                    slice(far + down, seen.shape[1] - far + down),
                    slice(far + right, seen.shape[2] - far + right),
                )
                left[row, column] += _trimmed_left(basis, seen[(slice(None), *place)][:, used])
    places: list[tuple[int, int]] = []
    for index in np.argsort(left, axis=None, kind="stable") if seen_any else ():
        down, right = steps[int(index) // len(steps)], steps[int(index) % len(steps)]
        if all(max(abs(down - y), abs(right - x)) > 1 for y, x in places):
            places.append((down, right))
    return places[:_PLACES]


def _trimmed_left(columns: Array, values: Array) -> float:
    """Return the share of variance that columns leave of the rows that they explain best."""
    spread = np.maximum(values.var(axis=1), 1e-300)
    kept = np.ones(len(columns), dtype=bool)
    ridge = 1e-9 * np.eye(columns.shape[1])
    for _ in range(_TRIMMINGS):
        own, wanted = columns[kept], values[:, kept]
        line = np.linalg.solve(own.T @ own + ridge, own.T @ wanted.T)
        power = (values - (columns @ line).T) ** 2
        size = (power / spread[:, None]).mean(axis=0)
        kept = size <= np.quantile(size, _KEPT)
    rest = power[:, kept].mean(axis=1) / np.maximum(values[:, kept].var(axis=1), 1e-300)
    return float(np.clip(rest, 0, 1).mean())


def _ranked(bands: Array) -> Array:
    """Return each band's ranks, shape as given."""
    ranks = rankdata(bands.reshape(len(bands), -1), axis=1)
    return np.asarray(ranks, dtype=np.float64).reshape(bands.shape)


def _basis(
    components: Array, used: NDArray[np.bool_], weight: Array | None = None
) -> tuple[Array | None, NDArray[np.bool_]]:
    """Return orthonormal columns that span a constant and the components at the used pixels."""
    count = int(used.sum()) // _PIXELS_EACH
    if count < 2:
        return None, used
    columns = np.concatenate([np.ones((1, int(used.sum()))), components[: count - 1, used]])
    if weight is not None:
        columns = columns * weight
    return np.linalg.qr(columns.T)[0], used


def _left(basis: Array, values: Array) -> float:
    """Return the mean share of variance of rows of values that the basis does not explain."""
    values = values - values.mean(axis=1, keepdims=True)
    spread = np.maximum((values**2).sum(axis=1), 1e-300)
    explained = ((values @ basis) ** 2).sum(axis=1)
    return float(np.clip(1 - explained / spread, 0, 1).mean())


@dataclass
class _Fit:
    """The least squares of sub-pixel shifts and widths; ``weight`` is each pixel's."""

    views: list[_View]
    used: list[NDArray[np.bool_]]
    weight: Array

    @classmethod
    def of(cls, views: list[_View], shift: tuple[float, float]) -> _Fit | None:
        """Return the fit about a shift; None where too few pixels are left."""
        used = [view.usable(shift, 0.8) for view in views]
        kept = [i for i, u in enumerate(used) if u.sum() >= 2 * _PIXELS_EACH]
        if not kept:
            return None
        used = [used[i] for i in kept]
        return cls([views[i] for i in kept], used, np.ones(sum(int(u.sum()) for u in used)))

    @cached_property
    def _count(self) -> int:
        return sum(int(used.sum()) for used in self.used)

    @cached_property
    def _stacked(self) -> Array:
        """Return the components at the used pixels of all windows."""
        return np.concatenate(
            [view.components[:, used] for view, used in zip(self.views, self.used, strict=True)],
            axis=1,
        )

    def _columns(self) -> Array:
        """Return a weighted orthonormal basis over the used pixels of all windows."""
        basis, _ = _basis(self._stacked, np.ones(self._count, dtype=bool), self.weight)
        assert basis is not None  # there are two dozen pixels at least
        return basis

    def _seen(self, parameters: Array) -> Array:
        return np.concatenate(
            [
                view.seen(parameters)[:, used]
                for view, used in zip(self.views, self.used, strict=True)
            ],
            axis=1,
        )

    def _residuals(self, seen: Array, basis: Array) -> Array:
        """Return what is unexplained of each fine band, in units of its spread."""
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
        self.weight = self._steady(found)
        for _ in range(_ROUNDS):
            basis = self._columns()

            def residuals(values: Array, basis: Array = basis, found: Array = found) -> Array:
                trial = found.copy()
                trial[free] = values
                return self._residuals(self._seen(trial), basis).ravel()

            low = np.array([*(start[:2] - 1.0), _NARROWEST, _NARROWEST])[free]
            high = np.array([*(start[:2] + 1.0), _WIDEST, _WIDEST])[free]
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
            self.weight = self._steady(found)
            if moved < _SETTLED:
                break
        return found

    def _steady(self, found: Array) -> Array:
        """Return each pixel's weight: how far it follows the others."""
        seen, weight = self._seen(found), self.weight
        for _ in range(_REWEIGHTINGS):
            weight = steadiness(self._unlike(seen, weight), seen)
        return weight

    def _unlike(self, seen: Array, weight: Array) -> Array:
        """Return what the few leading components of X leave of D(Y)."""
        count = max(2, min(len(self._stacked) + 1, self._count // _PIXELS_EACH))
        columns = np.concatenate([np.ones((1, self._count)), self._stacked[: count - 1]]).T
        line = np.linalg.lstsq(columns * weight[:, None], (seen * weight).T, rcond=None)[0]
        left: Array = seen - (columns @ line).T
        return left

    def changed(self, found: Array) -> float:
        """Return the share of the pixels that do not follow the others, and by far."""
        seen = self._seen(found)
        off = np.abs(self._unlike(seen, self.weight)) > _APPARENT * seen.std(axis=1, keepdims=True)
        return float(((self.weight <= _GONE) & off.any(axis=0)).mean())

    def unexplained(self, found: Array) -> float:
        """Return the share of the variance of D(Y) that is left."""
        columns = self._columns()
        left = self._residuals(self._seen(found), columns)
        pixels, used = float((self.weight**2).sum()), columns.shape[1]
        return float((left**2).sum() / (len(left) * max(pixels - used, 1.0)))

    def detail(self, found: Array) -> float:
        """Return the share of the variance that is left once the mean about a pixel is away."""
        rows, columns, start = [], [], 0
        for view, every in zip(self.views, self.used, strict=True):
            used, stop = every.copy(), start + int(every.sum())
            used[every] = self.weight[start:stop] > _GONE  # a cloud's edge is all detail
            start = stop
            columns.append(_sharpened(view.components, used))
            rows.append(_sharpened(view.seen(found), used))
        seen, components = np.concatenate(rows, axis=1), np.concatenate(columns, axis=1)
        basis, _ = _basis(components, np.ones(seen.shape[1], dtype=bool))
        if basis is None:
            return 1.0
        pixels = seen.shape[1]
        return min(1.0, _left(basis, seen) * (pixels - 1) / max(pixels - basis.shape[1], 1))

    def textured(self, found: Array) -> bool:
        """Tell whether both images vary smoothly from pixel to pixel, as noise does not."""
        likeness = [
            (
                _likeness(view.components[0], view.known),
                max(_likeness(band, view.known) for band in view.seen(found)),
            )
            for view in self.views
        ]
        return all(max(both) > _TEXTURE for both in zip(*likeness, strict=True))

    def errors(self, found: Array) -> Array:
        """Return the standard errors of shifts and widths, from the curvature at the optimum."""
        basis, step = self._columns(), 0.02
        at = self._residuals(self._seen(found), basis)
        slopes = []
        for index in range(4):
            moved = found.copy()
            moved[index] += step
            slopes.append((self._residuals(self._seen(moved), basis) - at).ravel() / step)
        jacobian = np.array(slopes)
        # Neighbouring HS pixels share the error of a blur: some four are one piece of evidence.
        noise = 4 * (at**2).sum() / max(at.size - 4, 1)
        return np.sqrt(np.diag(np.linalg.pinv(jacobian @ jacobian.T)) * noise)


def _sharpened(bands: Array, used: NDArray[np.bool_]) -> Array:
    """Return bands at the used pixels, less the mean of the used among the 25 about each."""
    weight = np.maximum(uniform_filter(used.astype(np.float64), _ABOUT), 1e-9)
    return np.stack(
        [
            (band - uniform_filter(np.where(used, band, 0.0), _ABOUT) / weight)[used]
            for band in bands
        ]
    )


def _likeness(band: Array, known: NDArray[np.bool_]) -> float:
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


def _local(views: list[_View], found: Array) -> Array:
    """Return each window's own shift, its place and its errors."""
    rows = []
    for view in views:
        fit = _Fit.of([view], (float(found[0]), float(found[1])))
        if fit is None:
            continue
        own = fit.solve(found, widths=False)
        error = fit.errors(own)
        rows.append([*view.centre, own[0], own[1], error[0], error[1]])
    return np.array(rows).reshape(-1, 6)
