"""Parameters of `guided`, and settings of their selection and application."""

from __future__ import annotations

from dataclasses import dataclass

from hsfuse.methods.guided.reduced_resolution import ReducedResolutionSettings

__all__ = ["GuidedSettings", "Parameters", "SelectionSettings"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """
    Parameters that are selected on the pair.

    Attributes
    ----------
    components : int
        Number of principal components K.
    radius : int
        Distance in HS pixels from the centre of the window to its edge, three standard deviations.
    ridge : float
        Weight of the scene-wide fit relative to the local one, in variances of the MS bands.
    quadratic : float
        Weight of the quadratic scene-wide regression relative to the linear one, 0 to 1.
    back_projections : int
        Rounds of step 3.
    """

    components: int = 8
    radius: int = 4
    ridge: float = 1e-2
    quadratic: float = 0.5
    back_projections: int = 1


@dataclass(frozen=True, slots=True)
class SelectionSettings:
    """The candidates for each parameter, and the order of the coordinate search."""

    order: tuple[str, ...] = (
        "components", "quadratic", "back_projections", "ridge", "radius", "components",
    )  # fmt: skip
    components: tuple[int, ...] = (3, 4, 5, 6, 8, 10, 12, 16, 20, 24)
    quadratic: tuple[float, ...] = (0.0, 0.5, 1.0)
    back_projections: tuple[int, ...] = (0, 1, 2, 4)
    ridge: tuple[float, ...] = (1e-3, 1e-2, 1e-1)
    radius: tuple[int, ...] = (3, 4, 6)
    # A scene too small for the reduced-resolution test: with fewer HS pixels than this, a linear
    # regression of few components is all they determine. Four dozen support the defaults: 0.4 dB
    # better on EnMAP at ratio 8.33 (benchmarks/degraded_pair.py).
    few_pixels: int = 48
    for_few_pixels: Parameters = Parameters(components=3, ridge=1.0, quadratic=0.0)


@dataclass(frozen=True, slots=True)
class GuidedSettings:
    """Settings of `guided` that are not selected on the pair."""

    # The Gaussian window ends at three standard deviations, where the weight is 0.01.
    window_deviations: float = 3.0
    # Ridge in variances of the MS bands: far below any signal, but sufficient for collinear bands.
    scene_wide_ridge: float = 1e-4
    # Ridge of the mean relative to that of a slope: the mean of a window is known much better.
    mean_ridge: float = 0.1
    # Smallest share of the PSF of an HS pixel on MS pixels with data.
    minimum_coverage: float = 0.5
    # Number of MS pixels of which components are computed at a time: those of 2^16 stay in the
    # cache of a core, which halves the time.
    strip: int = 2**16
    selection: SelectionSettings = SelectionSettings()
    reduced_resolution: ReducedResolutionSettings = ReducedResolutionSettings()  # noqa: RUF009


DEFAULT = GuidedSettings()
