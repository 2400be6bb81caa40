"""The point spread function (PSF) of a sensor: its widths, and their origin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hsfuse.core.resample import psf_reach
from hsfuse.errors import SensorError

__all__ = ["ASSUMED_PSF", "PSF", "DefinedStatus", "PSFStatus"]

# Status of the widths.
DefinedStatus = Literal["measured", "specification", "convention", "assumed"]
PSFStatus = DefinedStatus | Literal["given", "estimated from the pair"]


@dataclass(frozen=True, slots=True)
class PSF:
    """
    A Gaussian point spread function, separable along y and x.

    Attributes
    ----------
    fwhm : tuple of float
        Full width at half maximum along y and x (along and across track), in pixels of the sensor:
        HS pixels in a pair. 0 is the mean over the area of the pixel.
    status : str
        Origin of the widths: measured, specification, convention or assumed in the definition of a
        sensor; given by a caller; or estimated from the pair by the co-registration.
    source : str
        The publication that states the widths, as one line.
    standard_error : tuple of float or None
        Standard error of ``fwhm``; None where unknown.

    Raises
    ------
    SensorError
        If a width is negative or not finite.
    """

    fwhm: tuple[float, float]
    status: PSFStatus = "given"
    source: str = ""
    standard_error: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not all(0 <= width < math.inf for width in self.fwhm):
            raise SensorError(
                f"the FWHM of a PSF is {self.fwhm[0]:g} and {self.fwhm[1]:g} pixels along y and "
                "x; expected positive numbers, or 0 for the mean over the pixel"
            )

    @property
    def reach(self) -> tuple[float, float]:
        """Radius along y and x beyond which the PSF is zero, in the pixels of ``fwhm``."""
        return psf_reach(self.fwhm[0]), psf_reach(self.fwhm[1])

    def describe(self, pixels: str = "HS pixels") -> str:
        """
        Return the widths along both axes, and their larger standard error, as text.

        Examples
        --------
        >>> PSF((1.435, 1.2481)).describe()
        'FWHM 1.44 × 1.25 HS pixels (y × x)'
        >>> PSF((2.1, 2.0), standard_error=(0.01, 0.02)).describe()
        'FWHM 2.10 × 2.00 HS pixels (y × x), standard error 0.020'
        """
        y, x = self.fwhm
        text = f"FWHM {y:.2f} × {x:.2f} {pixels} (y × x)"
        if self.standard_error is not None:
            text += f", standard error {max(self.standard_error):.3f}"
        return text


ASSUMED_PSF = PSF((1.0, 1.0), "assumed", "one pixel, hsfuse's default")
