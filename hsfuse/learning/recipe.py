"""How a network is trained: everything that a training is free to choose, and two choices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hsfuse.errors import PlanError

__all__ = ["RECIPES", "Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    How a network is trained.

    Attributes
    ----------
    predicts : {"component", "cube"}
        See the module.
    steps, batch, patch : int
        Optimiser steps, patches a step, pixels a patch side on the network's coarse grid.
    rate : float
        Adam's learning rate at the start.
    schedule : {"cosine", "constant"}
        The rate falls to zero along a half cosine, or stays.
    loss : {"relative", "absolute", "squared"}
        Of which the mean is taken, and summed over levels (eq. 8-10); the relative one is a
        patch's squared error in units of that of the start.
    initial : float
        Standard deviation of Gaussian initial weights; 0 for Kaiming's, with last layers of
        zero where a correction is predicted.
    clip : float
        Largest norm of the gradient; 0 for none.
    average : float
        Decay of the running mean of the weights that is exported; 0 for none.
    ratio : tuple of float
        Range of the ratio; `cube` takes the architecture's.
    fwhm : tuple of float
        Range of the point spread function's width in HS pixels.
    belief : float
        Deviation of the log of the width that is believed from the true one, in half of the
        observations.
    snr : tuple of float
        Range of the HS image's signal-to-noise ratio in decibels; the fine image has 5 to 15
        more. Some observations are free of noise.
    clean : float
        Share of those.
    illuminant : float
        Strength of a smooth random gain along the spectrum, in units of log.
    zoom : float
        Scenes are made up to this many times smaller.
    dark : float
        Errors count in units of brightness plus this, the scene's mean being one.
    scenes, refresh : int
        Observations at hand at a time, and steps until one of them is replaced.
    seed : int
        Of everything that is random.
    """

    predicts: Literal["component", "cube"] = "component"
    steps: int = 8000
    batch: int = 12
    patch: int = 8
    rate: float = 1e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    loss: Literal["relative", "absolute", "squared"] = "relative"
    initial: float = 0.0
    clip: float = 1.0
    average: float = 0.998
    ratio: tuple[float, float] = (2.0, 32.0)
    fwhm: tuple[float, float] = (0.7, 1.9)
    belief: float = 0.1
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
                raise PlanError(f"{name} must be over 0, got {getattr(self, name)}")
        if min(self.steps, self.seed) < 0:
            raise PlanError(f"steps and seed must not be negative, got {self.steps}, {self.seed}")
        if not 0 <= self.clean <= 1:
            raise PlanError(f"clean must be a share in 0 to 1, got {self.clean:g}")
        for name, least in (("ratio", 1.0), ("fwhm", 0.0), ("snr", -math.inf)):
            low, high = getattr(self, name)
            if not least <= low <= high < math.inf:
                wanted = "two numbers, the smaller first" + f", from {least:g} on" * (least >= 0)
                raise PlanError(f"{name} must be {wanted}, got {low:g} and {high:g}")


# The paper leaves the learning rate and much of the simulation open; see its card.
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
        clean=1.0,
        illuminant=0.0,
        zoom=1.0,
    ),
}
