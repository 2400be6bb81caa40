"""Panel of the quicklook with the spectral response of each MS band."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from hsfuse.core.colours import band_hues
from hsfuse.io.input.labels import raster_band_labels

if TYPE_CHECKING:
    from hsfuse.fusion.plan import Plan

__all__ = ["draw_srf", "srf_title"]

# Largest number of bands drawn; responses below this share of their maximum are not.
_MOST_BANDS = 12
_LEAST = 0.01
# Lightness and saturation of the lines, legible on white.
_LIGHTNESS, _SATURATION = 0.42, 0.75


def srf_title(plan: Plan) -> str:
    """Return the title of the panel, which says what the lines are."""
    radiometry = plan.radiometry
    if radiometry.estimate is None:
        return f"SRF of the MS bands: {plan.pair.response_source}"
    doubt = "; not reliable, see the warning in report and record" if radiometry.warning else ""
    return (
        "SRF of the MS bands, estimated from the pair (lines), and the weights of the HS bands as "
        f"used (dashed){doubt}"
    )


def draw_srf(axes: Axes, plan: Plan, text: float) -> None:
    """
    Draw the response of each MS band, in its colour, over wavelength or HS band.

    Parameters
    ----------
    axes : Axes
        The panel.
    plan : Plan
        Plan of the run.
    text : float
        Font size in points.
    """
    radiometry, wavelength = plan.radiometry, plan.pair.hs["wavelength"].values
    good = radiometry.good
    nanometres = bool(np.isfinite(wavelength[good]).all())
    along = wavelength if nanometres else np.arange(1.0, len(wavelength) + 1)
    order = np.flatnonzero(good)[np.argsort(along[good], kind="stable")]
    estimate = radiometry.estimate
    shown = radiometry.response if estimate is None else estimate.response
    names = raster_band_labels(plan.pair.rgb)
    centres = shown @ np.nan_to_num(along) if nanometres else np.full(len(names), np.nan)
    hues = band_hues(names, centres)
    for band in range(min(len(names), _MOST_BANDS)):
        colour = colorsys.hls_to_rgb(hues[band] / 360, _LIGHTNESS, _SATURATION)
        line = _share(shown[band])[order]
        axes.plot(along[order], line, color=colour, linewidth=1.6, label=names[band])
        if estimate is not None:
            used = _share(radiometry.response[band])[order]
            axes.plot(along[order], used, "--", color=colour, linewidth=0.9, alpha=0.8)
    seen = along[np.nonzero((shown > _LEAST * shown.max(axis=1, keepdims=True)).any(axis=0))[0]]
    if estimate is not None:  # the weights may reach over all bands
        seen = np.append(seen, [estimate.lowest.min(), estimate.highest.max()])
    if seen.size:
        margin = 0.15 * max(float(np.ptp(seen)), 1.0)
        # The legend stands at the right.
        axes.set_xlim(seen.min() - margin, seen.max() + 3 * margin)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("wavelength [nm]" if nanometres else "HS band", fontsize=text)
    axes.set_ylabel("response", fontsize=text)
    axes.tick_params(labelsize=text)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(loc="upper right", fontsize=text, ncols=-(-len(axes.get_lines()) // 12))


def _share(response: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a response with a maximum of one, NaN where it is negligible."""
    share = response / max(float(response.max()), 1e-12)
    # One value beyond each end is kept, so that lines reach zero.
    near = share > _LEAST
    near[1:] |= share[:-1] > _LEAST
    near[:-1] |= share[1:] > _LEAST
    return np.where(near, share, np.nan)
