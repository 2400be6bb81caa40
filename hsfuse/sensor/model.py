"""
Model of a sensor: bands, spectral responses and PSF.

Wavelengths are in nanometres. Metadata of a raster take precedence over a definition
(:meth:`Sensor.with_bands`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hsfuse.core.psf import ASSUMED_PSF, PSF
from hsfuse.core.text import listed
from hsfuse.errors import SensorError

__all__ = ["Kind", "ResponseCurves", "Sensor", "Source", "sensor_from_bands"]

_NAMES = 20  # largest number of band names in a message

Kind = Literal["hs", "ms", "rgb", "pan"]
Vector = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False, slots=True)
class ResponseCurves:
    """
    Relative spectral responses, linear between samples and zero outside them.

    Attributes
    ----------
    wavelength : ndarray of shape (samples,)
        Nanometres, increasing.
    response : ndarray of shape (bands, samples)
        Relative; only the shape of each curve matters.
    status : str
        measured, specification, nominal, convention, derived or assumed.
    """

    wavelength: Vector
    response: NDArray[np.float64]
    status: str = "assumed"


@dataclass(frozen=True, slots=True)
class Source:
    """Origin, licence and notes of the tables of a definition."""

    url: str = ""
    licence: str = ""
    note: str = ""


@dataclass(frozen=True, eq=False)
class Sensor:
    """
    One sensor, its bands in the order of its product.

    Attributes
    ----------
    id, title : str
        Name for :func:`load_sensor`, and a longer name for display.
    kind : {"hs", "ms", "rgb", "pan"}
        Kind of image.
    band_names : tuple of str
    wavelength, fwhm : ndarray of shape (bands,)
        Centre and full width at half maximum in nanometres, NaN where unknown.
    good : ndarray of bool, shape (bands,)
        False for bad bands (water vapour, uncalibrated).
    curves : ResponseCurves or None
        Response curves; without them a band is a Gaussian.
    gsd : float
        Ground sampling distance in metres, NaN when it depends on the flight.
    psf : PSF
        PSF in pixels of this sensor.
    bad_windows : tuple of (float, float)
        Ranges in nanometres in which bands are bad.
    bands_status, gsd_status : str
        measured, specification, nominal, convention, derived, assumed, unknown, or file (from the
        metadata of a raster).
    source : Source
    """

    id: str
    title: str
    kind: Kind
    band_names: tuple[str, ...]
    wavelength: Vector
    fwhm: Vector
    good: NDArray[np.bool_]
    curves: ResponseCurves | None = None
    gsd: float = math.nan
    psf: PSF = ASSUMED_PSF
    bad_windows: tuple[tuple[float, float], ...] = ()
    bands_status: str = "unknown"
    gsd_status: str = "unknown"
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise SensorError(
                f"sensor {self.id}: kind must be one of {', '.join(get_args(Kind))}, "
                f"got {self.kind!r}"
            )
        if not (all(width > 0 for width in self.psf.fwhm) or self.psf.fwhm == (0.0, 0.0)):
            raise SensorError(
                f"sensor {self.id}: the FWHM of its PSF must be positive, or 0 along both axes, "
                f"got {self.psf.fwhm[0]:g} and {self.psf.fwhm[1]:g} pixels along y and x"
            )
        bands = len(self.band_names)
        if bands == 0:
            raise SensorError(f"sensor {self.id}: it has no bands")
        arrays = {"wavelength": self.wavelength, "fwhm": self.fwhm, "good": self.good}
        for name, array in arrays.items():
            if array.shape != (bands,):
                raise SensorError(
                    f"sensor {self.id}: {name} must have one value for each of its {bands} "
                    f"bands, got an array of shape {array.shape}"
                )
        for name, lengths in (("wavelength", self.wavelength), ("fwhm", self.fwhm)):
            if np.any(lengths <= 0):
                raise SensorError(
                    f"sensor {self.id}: {name} must be positive nanometres, or NaN where "
                    f"unknown, got {float(np.nanmin(lengths))}"
                )

    def select(self, names: Sequence[str]) -> Sensor:
        """
        Return the sensor with some of its bands, in the given order.

        Raises
        ------
        SensorError
            If a name is not a band of this sensor.
        """
        unknown = [name for name in names if name not in self.band_names]
        if unknown or not names:
            raise SensorError(
                f"sensor {self.id} has no band {', '.join(map(repr, unknown))}; "
                f"its bands are {listed(self.band_names, _NAMES)}"
            )
        return self._take([self.band_names.index(name) for name in names])

    def match(self, wavelength: ArrayLike) -> Sensor:
        """
        Return the sensor with the bands nearest to the band centres of a raster.

        For a multispectral raster that states its centres and has some of the bands; curves are
        kept. A centre may differ by 10 nm or half the width of the band, since nominal centres of
        broad bands are rounded.

        Raises
        ------
        SensorError
            If a centre has no such band, or two centres share one.
        """
        index: list[int] = []
        for centre in np.asarray(wavelength, dtype=float):
            distance = np.abs(self.wavelength - centre)
            near = np.flatnonzero(distance <= self._reach())
            if near.size == 0:
                pairs = zip(self.band_names, self.wavelength, strict=True)
                raise SensorError(
                    f"sensor {self.id} has no band at {centre:g} nm among "
                    f"{listed([f'{name} ({place:.0f} nm)' for name, place in pairs], _NAMES)}"
                )
            index.append(int(near[np.argmin(distance[near])]))
        if len(set(index)) < len(index):
            raise SensorError(
                f"two of the raster's bands are the same band of sensor {self.id}: "
                f"{listed([self.band_names[i] for i in index], _NAMES)}"
            )
        return self._take(index)

    def contains(self, wavelength: ArrayLike) -> bool:
        """
        Return whether the band centres of a raster may be bands of this sensor.

        Each needs a separate band within the distance of :meth:`match`; where detectors overlap, it
        need not be the nearest one.
        """
        # Slow to import, and rarely needed.
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import maximum_bipartite_matching

        centre = np.asarray(wavelength, dtype=float)
        near = np.abs(centre[:, None] - self.wavelength) <= self._reach()
        matched = maximum_bipartite_matching(csr_array(near), perm_type="column")
        return bool((matched >= 0).all())

    def _reach(self) -> Vector:
        """Return the largest distance (bands,) of a centre of a raster from each band, in nm."""
        reach: Vector = np.maximum(10.0, self._widths() / 2)
        return reach

    def _widths(self) -> Vector:
        """Return the widths of the bands, from their curves where the FWHM is unknown, or 0."""
        widths = np.nan_to_num(self.fwhm)
        if self.curves is not None:
            for band, curve in enumerate(self.curves.response):
                support = self.curves.wavelength[curve >= curve.max() / 2]
                widths[band] = widths[band] or float(support[-1] - support[0])
        return widths

    def with_bands(
        self,
        wavelength: ArrayLike,
        fwhm: ArrayLike | None = None,
        names: Sequence[str] | None = None,
    ) -> Sensor:
        """
        Return the sensor with the bands that the metadata of a raster state.

        An unknown FWHM is interpolated from the definition. Bands are good outside the bad windows
        of the sensor and, if the raster has as many bands as the definition, where that flags them
        as good. Curves are removed: use :meth:`match` to keep them.

        Parameters
        ----------
        wavelength, fwhm : array_like of shape (bands,)
            Nanometres, NaN where unknown.
        names : sequence of str, optional
            Band names; numbered when absent.
        """
        bare = sensor_from_bands(wavelength, fwhm, names, kind=self.kind)
        width = bare.fwhm.copy()
        complete = np.isfinite(self.fwhm) & np.isfinite(self.wavelength)
        if complete.any():
            order = np.argsort(self.wavelength[complete])
            table = self.wavelength[complete][order], self.fwhm[complete][order]
            interpolated = np.interp(bare.wavelength, *table, left=math.nan, right=math.nan)
            width = np.where(np.isfinite(width), width, interpolated)
        good = np.ones(width.size, dtype=bool)
        for low, high in self.bad_windows:
            good &= ~((bare.wavelength >= low) & (bare.wavelength <= high))
        if width.size == self.good.size:
            good &= self.good
        return replace(
            self,
            band_names=bare.band_names,
            wavelength=bare.wavelength,
            fwhm=frozen(width),
            good=frozen(good),
            curves=None,
            bands_status="file",
        )

    def _take(self, index: list[int]) -> Sensor:
        curves = self.curves
        if curves is not None:
            curves = replace(curves, response=frozen(curves.response[index]))
        return replace(
            self,
            band_names=tuple(self.band_names[i] for i in index),
            wavelength=frozen(self.wavelength[index]),
            fwhm=frozen(self.fwhm[index]),
            good=frozen(self.good[index]),
            curves=curves,
        )


def sensor_from_bands(
    wavelength: ArrayLike,
    fwhm: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    *,
    kind: Kind = "ms",
) -> Sensor:
    """
    Return an unnamed sensor with the bands that the metadata of a raster state.

    Parameters
    ----------
    wavelength, fwhm : array_like of shape (bands,)
        Nanometres, NaN where unknown.
    names : sequence of str, optional
        Band names; ``B1``, ``B2``, ... when absent.
    kind : {"hs", "ms", "rgb", "pan"}
        Kind of image.
    """
    centre = np.array(wavelength, dtype=np.float64)
    width = one_per_band(fwhm, centre, "fwhm")
    numbered = tuple(names) if names else tuple(f"B{i + 1}" for i in range(centre.size))
    return Sensor(
        id="",
        title="the raster's own bands",
        kind=kind,
        band_names=numbered,
        wavelength=frozen(centre),
        fwhm=frozen(width),
        good=frozen(np.ones(centre.shape, dtype=bool)),
        bands_status="file",
    )


def one_per_band(values: ArrayLike | None, centre: Vector, name: str) -> Vector:
    """Return one value for each band, NaN where unknown."""
    if values is None:
        return np.full(centre.shape, math.nan)
    array = np.array(values, dtype=np.float64)
    if array.shape != centre.shape:
        raise SensorError(
            f"{name} must have one value for each of {centre.size} bands, got shape {array.shape}"
        )
    return array


def frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return a read-only copy, since sensors are shared."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy
