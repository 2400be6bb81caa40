"""What is kept of a correction: all that helps, little that harms."""

import numpy as np
import torch

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.methods import Window
from hsfuse.methods.guided.regression import Parameters, fit
from hsfuse.methods.ms_ssfnet.consistency import CANDIDATES, Observed
from hsfuse.methods.ms_ssfnet.shrinkage import expect
from hsfuse.methods.reduced_resolution import Trial, step_down
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Patch, Survey


def tried() -> Trial:
    """Return the trial of a small made pair."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96]
    spectra = 0.3 + draw.random((5, 8))
    cube = spectra[(rows // 11 + columns // 17) % 5].transpose(2, 0, 1).astype(np.float32)
    axis = Axis(96, 24, 4.0)
    geometry = Geometry(axis, axis)
    coarse = Degrade.between(geometry, (1.0, 1.0)).forward(torch.from_numpy(cube)).numpy()
    coarse += 0.003 * draw.normal(size=coarse.shape).astype(np.float32)
    fine = np.stack([cube[:4].mean(axis=0), cube[4:].mean(axis=0)])
    survey = Survey(
        (Patch(coarse, fine, geometry, (0, 0)),),
        (1.0, 1.0),
        np.ones(8, bool),
        np.linspace(400, 800, 8),
    )
    trial = step_down(survey)
    assert trial is not None
    return trial


def blind(window: Window, count: int) -> Observed:
    """Return what sensors saw that ask for nothing."""
    rows, columns = window.geometry.coarse_shape
    fine = window.geometry.fine_shape
    return Observed(
        window.geometry,
        (1.0, 1.0),
        torch.zeros(count, rows, columns),
        torch.zeros(rows, columns, dtype=torch.bool),
        torch.ones(fine, dtype=torch.bool),
        torch.zeros(1, *fine),
        torch.zeros(count),
        torch.ones(count),
        torch.zeros(1, count),
        torch.zeros(count, 1),
    )


def test_what_helps_is_kept_and_what_harms_is_not() -> None:
    """A step to the truth is taken whole, one away from it hardly, one of nothing is whole."""
    trial = tried()
    guided = fit(trial.survey, Parameters(components=3), subspace=trial.subspace)
    (window,) = trial.windows
    base = guided.components(window)
    wanted, _ = guided.subspace.project(trial.truths[0])
    truth = torch.from_numpy(wanted)
    away = base - 3 * (truth - base)
    corrected = torch.stack([truth[0], away[1], base[2]])
    seen = [blind(window, 3)]
    answers = [(base, corrected, torch.ones(base.shape[1:]))]
    found = expect(trial, guided, answers, seen, 3, trust=1.0)
    assert found.shares[0] == 1
    assert found.shares[1] < 0.4
    assert found.shares[2] == 1
    assert found.agreement == CANDIDATES[0], "nothing was seen that another would do better by"
    trusted = expect(trial, guided, answers, seen, 3, trust=50.0)
    assert trusted.shares[1] > 0.9
    assert found.kept[0] > found.corrected[0]
    assert "one scale down: guided" in found.sentence("ms-ssfnet")
    assert window.core == (Span(0, 24), Span(0, 24))
