"""`guided`: the local fit of a window, applied to any of its pixels."""

from dataclasses import replace

import numpy as np
import torch

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.psf import PSF
from hsfuse.methods import Window
from hsfuse.methods.guided.regression import GuidedFuser, fit
from hsfuse.methods.guided.settings import DEFAULT, Parameters
from hsfuse.pair.patch import Patch
from hsfuse.pair.survey import Survey

SIDE, RATIO, BANDS = 60, 4, 6


def prepared(components: int = 4) -> tuple[GuidedFuser, Window]:
    """Return the fuser and the whole window of a pair of noise with a hole in the MS image."""
    draw = np.random.default_rng(0)
    axis = Axis(SIDE, SIDE // RATIO, float(RATIO))
    geometry = Geometry(axis, axis)
    coarse = draw.random((BANDS, SIDE // RATIO, SIDE // RATIO)).astype(np.float32)
    fine = draw.random((3, SIDE, SIDE)).astype(np.float32)
    fine[:, 20:27, 30:33] = np.nan
    survey = Survey(
        (Patch(coarse, fine, geometry, (0, 0)),),
        PSF((1.0, 1.0)),
        np.ones(BANDS, bool),
        np.linspace(400, 900, BANDS),
    )
    window = Window(coarse, fine, geometry, (Span(0, SIDE), Span(0, SIDE)), (0, 0))
    return fit(survey, Parameters(components, radius=3, back_projections=2)), window


def test_the_local_fit_applied_to_parts_is_the_whole() -> None:
    """The result at an MS pixel is a function of the fit and of that pixel."""
    fuser, window = prepared()
    whole, local = fuser.components(window), fuser.local_fit(window)
    fine, _ = fuser.standardised(window.fine)
    _, wide = fuser.apply(window.geometry, local, fine, (Span(0, SIDE), Span(0, SIDE)))
    for area in ((Span(0, 60), Span(0, 60)), (Span(7, 20), Span(31, 60))):
        part = area[0].slice, area[1].slice
        fused, scene_wide = fuser.apply(window.geometry, local, fine[:, *part], area)
        assert torch.allclose(fused, whole[:, *part], atol=1e-5)
        assert torch.allclose(scene_wide, wide[:, *part], atol=1e-5)


def test_the_local_fit_does_not_depend_on_the_strips() -> None:
    """In which the fused image is degraded for back-projection."""
    fuser, window = prepared()
    several = replace(fuser, settings=replace(DEFAULT, strip=5 * SIDE)).local_fit(window)
    one = fuser.local_fit(window)
    assert one.correction.abs().max() > 0.01
    assert torch.allclose(one.correction, several.correction, atol=1e-5)
    assert torch.equal(one.coefficients, several.coefficients)


def test_few_components_are_fused_as_they_are_among_many() -> None:
    """So that the selection of their number fuses a pair once."""
    (few, window), (many, _) = prepared(2), prepared(4)
    found, wanted = few.components(window), many.components(window)
    assert found.shape == (2, SIDE, SIDE)
    assert found[0].abs().max() > 0.01
    assert torch.allclose(found, wanted[:2], atol=1e-5)
