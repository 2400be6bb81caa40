"""
Reconstruction of noisy and striped HS bands by regression on the fused clean bands.

A method would interpret noise as signal, and sharpen a stripe along the edges of the MS image. So
noisy bands are excluded from the noise, subspace and fit of a method; each is predicted from the
fused clean bands, by a linear regression fitted to the HS pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.band_labels import list_bands
from hsfuse.core.local_models import LocalModelGrid
from hsfuse.core.noise import lag_one_autocorrelation, regress_bands
from hsfuse.methods import Fuser, Method, Options, Window
from hsfuse.pair.survey import Survey

__all__ = ["BandRegression", "DenoisedFuser", "DenoisedMethod"]

# Ratio of the noise to the standard deviation of a band above which it is noisy. On jasper_ridge at
# ratio 4, with stripes of half the standard deviation of a band, the error of `guided` is 0.19 of
# it, and 0.40 where the bands are fused like others (benchmarks/stripes.py). With half as much
# noise, direct fusion is better.
_MAXIMUM_NOISE = 0.3
# Lag-one autocorrelation of the residual of a band above which it is signal: a Gaussian blur of one
# pixel gives 0.25 even for a white scene.
_MAXIMUM_CORRELATION = 0.2
# Smallest number of clean bands for the regression.
_MINIMUM_CLEAN_BANDS = 3


@dataclass(frozen=True)
class BandRegression:
    """
    Noisy bands, and their linear regression on the clean bands.

    Attributes
    ----------
    noisy : ndarray of bool, shape (bands,)
        The bands that are reconstructed.
    weights : ndarray of shape (noisy bands, bands)
        Weights of all bands, zero for noisy bands.
    offset : ndarray of shape (noisy bands,)
        Intercepts, in HS units.
    """

    noisy: NDArray[np.bool_]
    weights: NDArray[np.float64]
    offset: NDArray[np.float64]

    def predict(self, cube: NDArray[np.float32]) -> NDArray[np.float32]:
        """
        Predict the noisy bands of a cube from the clean bands.

        Parameters
        ----------
        cube : ndarray of shape (bands, rows, columns)
            Cube in HS units; further planes are ignored.

        Returns
        -------
        ndarray of shape (noisy bands, rows, columns)
            NaN where a predictor is NaN.
        """
        predicted = np.empty((len(self.weights), *cube.shape[1:]), np.float32)
        for band, weights in zip(predicted, self.weights, strict=True):
            used = np.flatnonzero(weights)
            band[:] = np.tensordot(weights[used].astype(np.float32), cube[used], axes=1)
        predicted += self.offset.astype(np.float32)[:, None, None]
        return predicted

    def fill(self, cube: NDArray[np.float32]) -> NDArray[np.float32]:
        """
        Return a copy of an HS image (bands, rows, columns) with its noisy bands predicted.

        Where a predictor has no data, the measured value is kept.
        """
        filled, predicted = cube.copy(), self.predict(cube)
        filled[self.noisy] = np.where(np.isfinite(predicted), predicted, cube[self.noisy])
        return filled

    def exclude(self, survey: Survey) -> Survey:
        """
        Return the survey with the noisy bands marked as bad and replaced by their prediction.

        In its response, their weights are moved to the neighbouring clean bands.
        """
        clean = survey.good & ~self.noisy
        response = survey.response
        if response is not None:
            response = _redistributed(response, self.noisy, clean)
        return replace(
            survey,
            patches=tuple(replace(p, coarse=self.fill(p.coarse)) for p in survey.patches),
            windows=tuple(self.fill(image) for image in survey.windows),
            marked=clean,
            response=response,
            denoised=self.noisy,
        )


@dataclass(frozen=True)
class DenoisedFuser:
    """A fuser of the clean bands, with the regression of the noisy bands."""

    inner: Fuser
    regression: BandRegression
    bands: str = ""  # numbers and wavelengths of the noisy bands, for the note

    @property
    def name(self) -> str:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.name

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.reach

    @property
    def step(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.step

    @property
    def gives_standard_error(self) -> bool:
        """See :class:`hsfuse.methods.Fuser`: the standard error is that of the clean bands."""
        return self.inner.gives_standard_error

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`hsfuse.methods.Fuser`."""
        noisy = self.regression.noisy
        what = f"{noisy.sum()} of {noisy.size} HS bands" if noisy.sum() > 1 else "one HS band"
        note = (
            f"{what} with much noise or stripes: {self.bands}; replaced by a regression on the "
            "other fused bands"
        )
        if self.gives_standard_error:
            note += ", to which the standard error refers"
        return (*self.inner.notes, note)

    @property
    def local_models(self) -> LocalModelGrid | None:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.local_models

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {**self.inner.describe(), "denoised_bands": int(self.regression.noisy.sum())}

    def memory(self, window: tuple[int, int], core: tuple[int, int]) -> int:
        """See :class:`hsfuse.methods.Fuser`: predicted bands are copied once more."""
        predicted = int(self.regression.noisy.sum()) * core[0] * core[1] * 4
        return max(self.inner.memory(window, core), predicted)

    def condition(self, window: Window) -> NDArray[np.float32]:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.inner.condition(self._filled(window))

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        cubes = self.inner.fuse([self._filled(window) for window in windows])
        noisy = np.flatnonzero(self.regression.noisy)  # a plane of standard errors may follow
        for cube in cubes:
            cube[noisy] = self.regression.predict(cube)
        return cubes

    def _filled(self, window: Window) -> Window:
        return replace(window, coarse=self.regression.fill(window.coarse))


@dataclass(frozen=True)
class DenoisedMethod:
    """A method that fuses the clean bands, and predicts noisy bands."""

    method: Method

    def prepare(self, survey: Survey, options: Options) -> Fuser:
        """See :class:`hsfuse.methods.Method`."""
        regression = fit_regression(survey)
        if regression is None:
            return self.method.prepare(survey, options)
        fuser = self.method.prepare(regression.exclude(survey), options)
        return DenoisedFuser(fuser, regression, list_bands(regression.noisy, survey.wavelength))


def fit_regression(survey: Survey) -> BandRegression | None:
    """Return the regression of the noisy bands of a survey; None without noisy bands."""
    good = survey.good
    spectra = survey.spectra[good].astype(np.float64)
    noisy = np.asarray(survey.noise[good] > _MAXIMUM_NOISE * spectra.std(axis=1))
    if not noisy.any() or (~noisy).sum() < _MINIMUM_CLEAN_BANDS:
        return None
    # A band with a distinct signal is not predicted well either, but its residual is structured.
    structured = _structured(survey, _regression(survey, noisy))
    noisy[np.flatnonzero(noisy)[structured]] = False
    return _regression(survey, noisy) if noisy.any() else None


def _regression(survey: Survey, noisy: NDArray[np.bool_]) -> BandRegression:
    """Return the regression of the bands ``noisy`` (good bands,) on the other good bands."""
    good = survey.good
    weights = np.zeros((int(noisy.sum()), good.size))
    spectra = survey.spectra[good].astype(np.float64)
    weights[:, good], offset = regress_bands(spectra, noisy, survey.noise[good])
    flags = np.zeros(good.size, dtype=bool)
    flags[good] = noisy
    return BandRegression(flags, weights, offset)


def _structured(survey: Survey, regression: BandRegression) -> NDArray[np.bool_]:
    """Return the mask (noisy bands,) of bands whose residuals have spatial structure."""
    residuals = (image[regression.noisy] - regression.predict(image) for image in survey.images)
    return np.asarray(lag_one_autocorrelation(residuals) > _MAXIMUM_CORRELATION)


def _redistributed(
    response: NDArray[np.float64], noisy: NDArray[np.bool_], clean: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """
    Return R with the weights of noisy bands moved to the nearest clean bands on both sides.

    This corresponds to linear interpolation of the noisy bands: the sums of rows are unchanged, and
    no weight becomes negative, which the regression could cause.
    """
    bands = np.arange(noisy.size)
    interpolation = np.stack(
        [np.interp(bands[noisy], bands[clean], unit) for unit in np.eye(int(clean.sum()))], axis=1
    )
    moved = response.copy()
    moved[:, clean] += response[:, noisy] @ interpolation
    moved[:, noisy] = 0
    return moved
