"""
`kriging`: area-to-point regression by Gaussian processes of appearance and position.

Each principal component of the HS image is a Gaussian process over brightness, chromaticity,
texture and position of an MS pixel. HS pixels are its weighted means by D, so the process is
conditioned on areas and predicted at points (area-to-point kriging, Kyriakidis 2004,
doi:10.1111/j.1538-4632.2004.tb01135.x; with an MS image as covariate, Wang, Shi and Atkinson
2015, doi:10.1016/j.rse.2015.02.003). Its covariance is a sum of squared exponentials with long
and short length scales, approximated by random features (Rahimi and Recht
2007, "Random features for large-scale kernel machines") in pairs of cosine and sine (Sutherland
and Schneider 2015, "On the error of random Fourier features"), which D degrades like any
image; the noise is selected per component by generalised cross-validation (Golub, Heath and Wahba
1979, doi:10.1080/00401706.1979.10489751) on some cells.
Several processes are averaged, because their errors differ. Their residual on the HS image, less
the share of noise, is interpolated and added.

Position makes the process local, and a large scene does not fit in one window. The scene is
therefore divided into cells of HS pixels, each conditioned on itself and its surroundings and
blended with its neighbours. A cell is conditioned once, in the first pass, and then applied to
individual MS pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.noise import signal_components
from hsfuse.methods import Options, Window
from hsfuse.methods.conditioning import middle_window
from hsfuse.methods.guided.regression import fit
from hsfuse.methods.guided.selection import select_parameters
from hsfuse.methods.kriging.appearance import Appearance
from hsfuse.methods.kriging.conditioning import CellRegression
from hsfuse.methods.kriging.features import RandomFeatures
from hsfuse.methods.kriging.fuser import KrigingFuser
from hsfuse.methods.kriging.regression import cross_validation, noise_levels
from hsfuse.methods.kriging.settings import DEFAULT, KrigingSettings
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "Kriging", "SampledScene"]


@dataclass(frozen=True)
class SampledScene:
    """
    The centre of a surveyed window as a separate scene, with its regression.

    Attributes
    ----------
    window : Window
        The window.
    regression : CellRegression
        Its regression, with the designs of all processes.
    """

    window: Window
    regression: CellRegression


@dataclass(frozen=True)
class Kriging:
    """Method: the subspace of `guided`, with Gaussian processes conditioned per cell."""

    settings: KrigingSettings = DEFAULT

    def prepare(self, survey: Survey, options: Options) -> KrigingFuser:
        """See :class:`hsfuse.methods.Method`."""
        return self.prepare_with_scenes(survey, options)[0]

    def prepare_with_scenes(
        self, survey: Survey, options: Options
    ) -> tuple[KrigingFuser, list[SampledScene]]:
        """Return the fuser, and the scenes on which the noise of the components was selected."""
        settings = self.settings
        parameters = select_parameters(survey, settings.guided)
        # `guided` fuses few components, because its noise grows with their number; here the noise
        # is selected per component, and all components above the noise are fused.
        spectra = survey.spectra[survey.good].astype(np.float64)
        noise = survey.noise[survey.good]
        count = min(settings.components, signal_components(spectra, noise))
        parameters = replace(parameters, components=max(parameters.components, count))
        guided = fit(survey, parameters, settings=settings.guided, device=options.device)
        fuser = KrigingFuser(
            guided,
            Appearance.measure(survey, settings),
            RandomFeatures.draw(len(guided.offset), settings),
            np.sqrt(guided.subspace.basis**2 @ noise**2),
            np.empty(0),
            survey.coarse_shape,
            survey.ratio,
            settings,
        )
        scenes = list(_sampled_scenes(survey, fuser))
        return replace(fuser, ridge=_select_ridge(scenes, fuser)), scenes


def _sampled_scenes(survey: Survey, fuser: KrigingFuser) -> Iterator[SampledScene]:
    """Yield the centre of some surveyed windows, each conditioned as one cell."""
    settings = fuser.settings
    for patch in survey.spread(settings.validation_cells):
        window = middle_window(patch, settings.validation_side)
        yield SampledScene(window, fuser.regression(window).in_memory())


def _select_ridge(scenes: Sequence[SampledScene], fuser: KrigingFuser) -> NDArray[np.float64]:
    """Select the noise of each process and component by cross-validation on a few cells."""
    settings = fuser.settings
    scores: list[list[Tensor]] = [[] for _ in settings.processes]
    for regression in (scene.regression for scene in scenes):
        weight = regression.weight.double()
        if not len(weight):
            continue
        target = regression.observed[:, regression.used].double() * weight
        for design, score in zip(regression.designs, scores, strict=True):
            score.append(cross_validation(design * weight[:, None], target, settings))
    if not scores[0]:
        return np.ones((len(scores), len(fuser.noise)))
    means = (torch.stack(score).mean(dim=0).cpu().numpy() for score in scores)
    return np.stack([noise_levels(mean, settings) for mean in means])


METHOD = Kriging()
