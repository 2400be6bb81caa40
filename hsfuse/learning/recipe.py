"""Recipes: the settings of a training run, and the two named recipes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hsfuse.errors import PlanError

__all__ = ["RECIPES", "Recipe", "default_recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    The settings of a training run.

    Attributes
    ----------
    predicts : {"component", "cube"}
        Target of the network: the correction of one principal component, or the cube
        (:mod:`hsfuse.learning.examples`).
    steps, batch, patch : int
        Number of optimiser steps, patches in a batch, side of a patch in pixels of the coarse grid
        of the network.
    rate : float
        Initial learning rate of Adam.
    schedule : {"cosine", "constant"}
        Decay of the learning rate: to zero along half a cosine, or none.
    decay_from : int
        Step from which the learning rate decays to zero at ``steps``; constant before.
    loss : {"relative", "absolute", "squared"}
        Error, averaged and summed over levels (eq. 8-10); ``relative`` is the squared error of a
        patch divided by that of a zero correction.
    initial : float
        Standard deviation of Gaussian initial weights; 0 for Kaiming initialisation, with zero
        output layers where a correction is predicted.
    clip : float
        Largest norm of the gradient; 0 for no limit.
    average : float
        Decay of the exponential moving average of the weights, which are exported; 0 for none.
    ratio : tuple of float
        Range of the ratio, MS pixels per HS pixel; for `cube` that of the architecture.
    fwhm : tuple of float
        Range of the FWHM of the PSF in HS pixels.
    belief : float
        Standard deviation of the error in log(FWHM) of the FWHM given to the method, in half of
        the scenes.
    shift : float
        Standard deviation in HS pixels of the shift of the HS image along each axis from the
        stated grid.
    response_shift : float
        Standard deviation in nanometres of the shift of the MS bands from the stated response,
        where one is stated.
    snr : tuple of float
        Range of the signal-to-noise ratio of the HS image in decibels; that of the MS image is 5
        to 15 higher.
    clean : float
        Fraction of the scenes without noise.
    illuminant : float
        Standard deviation of each term of a smooth random spectral log gain.
    zoom : float
        Largest factor by which a window of a cube is downsampled to the reference.
    dark : float
        Errors are weighted by 1 / (brightness + ``dark``), relative to the mean brightness of the
        scene.
    scenes, refresh : int
        Number of simulated scenes in memory, and steps after which one of them is replaced.
    seed : int
        Random seed.
    """

    predicts: Literal["component", "cube"] = "component"
    steps: int = 8000
    batch: int = 12
    patch: int = 8
    rate: float = 1e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    decay_from: int = 0
    loss: Literal["relative", "absolute", "squared"] = "relative"
    initial: float = 0.0
    clip: float = 1.0
    average: float = 0.998
    ratio: tuple[float, float] = (2.0, 32.0)
    fwhm: tuple[float, float] = (0.7, 1.9)
    belief: float = 0.1
    shift: float = 0.03
    response_shift: float = 1.5
    snr: tuple[float, float] = (25.0, 45.0)
    clean: float = 0.3
    illuminant: float = 0.2
    zoom: float = 3.0
    dark: float = 0.5
    scenes: int = 24
    refresh: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch", "patch", "rate", "scenes", "refresh"):
            if not getattr(self, name) > 0:
                raise PlanError(f"{name} must be greater than 0, got {getattr(self, name)}")
        for name in ("steps", "seed", "shift", "response_shift", "decay_from"):
            if not getattr(self, name) >= 0:
                raise PlanError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.decay_from and (self.schedule == "constant" or self.decay_from >= self.steps):
            raise PlanError(
                f"decay_from must be less than the {self.steps} steps of a schedule that decays, "
                f"got {self.decay_from} with the schedule {self.schedule}"
            )
        if not 0 <= self.clean <= 1:
            raise PlanError(f"clean must be a fraction from 0 to 1, got {self.clean:g}")
        for name, minimum in (("ratio", 1.0), ("fwhm", 0.0), ("snr", -math.inf)):
            low, high = getattr(self, name)
            if not minimum <= low <= high < math.inf:
                expected = "two numbers, the smaller first" + f", at least {minimum:g}" * (
                    minimum >= 0
                )
                raise PlanError(f"{name} must be {expected}, got {low:g} and {high:g}")


# The paper does not state the learning rate and parts of the simulation, which are chosen here.
RECIPES: dict[str, Recipe] = {
    "component": Recipe(),
    "paper": Recipe(
        predicts="cube",
        batch=16,
        loss="squared",
        rate=1e-4,
        schedule="constant",
        initial=1e-3,
        clip=0.0,
        average=0.0,
        fwhm=(1.0, 1.0),
        belief=0.0,
        shift=0.0,
        response_shift=0.0,
        clean=1.0,
        illuminant=0.0,
        zoom=1.0,
    ),
}


def default_recipe(network: str) -> str:
    """Return the name of the default recipe of a network."""
    return "component" if network == "ms-ssfnet" else "paper"
