"""
Response of the MS sensor to the components of a scene.

With ``Z = H U + m`` (H the loading of a subspace, m its mean, U the components), the MS image is
``Y = gain R Z + offset = A U + a``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.subspace import Subspace
from hsfuse.pair.radiometry import Radiometry

__all__ = ["ComponentResponse"]


@dataclass(frozen=True)
class ComponentResponse:
    """
    Response of the MS bands to the mean spectrum of a scene and to its components.

    Attributes
    ----------
    mean : ndarray of shape (MS bands,)
        a: values of the MS bands for the mean spectrum.
    matrix : ndarray of shape (MS bands, components)
        A: change of the MS bands per unit of each component.
    """

    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]

    @classmethod
    def of(cls, radiometry: Radiometry, subspace: Subspace) -> ComponentResponse:
        """
        Return the response that follows from R, gain and offset.

        Parameters
        ----------
        radiometry : Radiometry
            R, and gain and offset between the two sensors.
        subspace : Subspace
            Subspace of the scene; R counts in its good bands.
        """
        good = subspace.good
        bands = radiometry.gain[:, None] * radiometry.response[:, good]
        mean = bands @ subspace.mean[good] + radiometry.offset
        return cls(mean, bands @ subspace.loading[:, good].T)

    def residual(
        self, fine: NDArray[np.float64], components: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """
        Return ``Y - a - A U``, shape (MS bands, pixels).

        Parameters
        ----------
        fine : ndarray of shape (MS bands, pixels)
            Y.
        components : ndarray of shape (components, pixels)
            U.
        """
        return fine - self.mean[:, None] - self.matrix @ components
