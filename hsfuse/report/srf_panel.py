"""Panel of the quicklook with the spectral response of each MS band."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from hsfuse.report.srf_curves import spectral_axis, srf_curves

if TYPE_CHECKING:
    from hsfuse.fusion.plan import Plan

__all__ = ["draw_srf", "srf_title"]

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
    axis, estimate = spectral_axis(plan.pair), plan.radiometry.estimate
    curves = srf_curves(plan.pair, plan.radiometry)
    for curve in curves:
        colour = colorsys.hls_to_rgb(curve.hue / 360, _LIGHTNESS, _SATURATION)
        if curve.weights:
            axes.plot(curve.place, curve.share, "--", color=colour, linewidth=0.9, alpha=0.8)
        else:
            axes.plot(curve.place, curve.share, color=colour, linewidth=1.6, label=curve.name)
    responses = [curve.place for curve in curves if not curve.weights]
    seen = np.concatenate(responses) if responses else np.empty(0)
    if estimate is not None:  # the weights may reach over all bands
        seen = np.append(seen, [estimate.lowest.min(), estimate.highest.max()])
    if seen.size:
        margin = 0.15 * max(float(np.ptp(seen)), 1.0)
        # The legend stands at the right.
        axes.set_xlim(seen.min() - margin, seen.max() + 3 * margin)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("wavelength [nm]" if axis.nanometres else "HS band", fontsize=text)
    axes.set_ylabel("response", fontsize=text)
    axes.tick_params(labelsize=text)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(loc="upper right", fontsize=text, ncols=-(-len(axes.get_lines()) // 12))
