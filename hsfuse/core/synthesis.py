"""Synthesis of HS bands from the MS image, by regression."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SynthesisedBands"]


class SynthesisedBands(NamedTuple):
    """
    HS bands synthesised from the MS image: ``weights @ ms + offset``.

    M. Selva, B. Aiazzi, F. Butera, L. Chiarantini, S. Baronti, "Hyper-Sharpening: A First Approach
    on SIM-GA Data", IEEE JSTARS 8(6), 2015, doi:10.1109/JSTARS.2015.2440092.

    Attributes
    ----------
    weights : ndarray of shape (bands, MS bands)
        Weights, zero for bands without data.
    offset : ndarray of shape (bands,)
        Intercepts in the units of the HS image.
    """

    weights: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def fit(cls, spectra: NDArray[np.float64], degraded: NDArray[np.float64]) -> SynthesisedBands:
        """
        Return the least-squares regression of the HS bands on the MS bands.

        Parameters
        ----------
        spectra : ndarray of shape (bands, pixels)
            HS pixels, NaN where a band has no data.
        degraded : ndarray of shape (MS bands, pixels)
            MS image degraded to the HS grid.
        """
        weights = np.zeros((len(spectra), len(degraded)))
        offset = np.zeros(len(spectra))
        finite = np.isfinite(spectra)
        # Bands with the same pixels share a regression.
        for used in {row.tobytes(): row for row in finite if row.any()}.values():
            bands = (finite == used).all(axis=1)
            values, predictors = spectra[bands][:, used], degraded[:, used]
            level, mean = values.mean(axis=1), predictors.mean(axis=1)
            slopes = np.linalg.lstsq(
                (predictors - mean[:, None]).T, (values - level[:, None]).T, rcond=None
            )[0].T
            weights[bands], offset[bands] = slopes, level - slopes @ mean
        return cls(weights, offset)

    def of(self, bands: NDArray[np.intp]) -> SynthesisedBands:
        """Return the synthesis of some bands."""
        return SynthesisedBands(self.weights[bands], self.offset[bands])
