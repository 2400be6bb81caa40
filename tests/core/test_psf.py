"""The point spread function as one value."""

import pytest

from hsfuse.core.grid import Axis
from hsfuse.core.psf import PSF
from hsfuse.core.resample import degrade_matrix
from hsfuse.errors import SensorError


@pytest.mark.parametrize("fwhm", [(-1.0, 1.0), (1.0, float("inf")), (float("nan"), 1.0)])
def test_a_width_that_no_psf_has_is_refused(fwhm: tuple[float, float]) -> None:
    """Neither negative nor infinite nor unknown widths make an operator."""
    with pytest.raises(SensorError, match="along y and x; expected positive numbers"):
        PSF(fwhm)


@pytest.mark.parametrize("fwhm", [(0.0, 1.0), (1.0, 2.0), (2.5, 0.7)])
def test_the_weights_lie_within_the_reach(fwhm: tuple[float, float]) -> None:
    """Along each axis, whichever the other is; the outermost pixel may lie partly within."""
    psf, axis = PSF(fwhm), Axis(fine=160, coarse=20, ratio=8.0)
    for width, radius in zip(psf.fwhm, psf.reach, strict=True):
        weighted = degrade_matrix(axis, width)[10].nonzero()[0]
        half = (weighted[-1] + 1 - weighted[0]) / 2 / axis.ratio
        assert radius - 0.2 <= half <= radius + 1 / axis.ratio
