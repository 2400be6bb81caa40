"""
What a pair teaches a network of components that is tuned to it (:mod:`hsfuse.learning.adapt`).

One scale down the HS image is the truth (Wald's protocol, :mod:`hsfuse.methods.trial`): there
the pair is an example like those of training (`hsfuse.learning.examples`). At full scale the truth
is unknown, but not what the sensors see of it: D of the answer is the HS image and R of it is
the fine image, to within the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad, relu

from hsfuse.core.grid import Axis, Geometry, Span
from hsfuse.core.resample import blur_reach
from hsfuse.errors import PlanError
from hsfuse.learning.examples import Observed, observe_components
from hsfuse.learning.recipe import Recipe
from hsfuse.methods import Window
from hsfuse.methods.ms_ssfnet.components import ComponentFuser
from hsfuse.methods.ms_ssfnet.features import Estimators, gather, measure_units
from hsfuse.methods.trial import held_out, step_down
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet
from hsfuse.observe import Degrade
from hsfuse.pair.survey import Patch, Survey

__all__ = ["Lessons", "Place", "Scale", "disagreement", "held_loss", "prepare_lessons"]

# At full scale: places, each as dear to prepare as a block is to fuse; fine pixels a side of one,
# about; and components a step.
_PLACES, _SIDE, _TOGETHER = 4, 80, 4
# What the sensors would see is measured in units of noise, or of this much of the doubt where
# noise is less: units of noise alone would drown what is learned one scale down.
_FIRM = 0.3


@dataclass(frozen=True)
class Place:
    """
    A piece of the pair at full scale.

    Attributes
    ----------
    evidence : Tensor of shape (components, channels, rows, columns)
        What the network sees of each component.
    changes : Tensor of shape (components, rows, columns)
        What it answered last for each, in units of the component.
    degrade : Degrade
        D over the place.
    missing : Tensor of shape (components, coarse rows, coarse columns)
        What D of the start misses of the HS image.
    unseen : Tensor of shape (fine bands, rows, columns)
        What R of the start misses of the fine image.
    known : Tensor of shape (rows, columns)
        Fine pixels with data.
    weight, fine_weight : Tensor of shape (coarse rows, coarse columns), (rows, columns)
        How much an error counts, of mean one; zero where there is no data.
    """

    evidence: Tensor
    changes: Tensor
    degrade: Degrade
    missing: Tensor
    unseen: Tensor
    known: Tensor
    weight: Tensor
    fine_weight: Tensor


@dataclass(frozen=True)
class Scale:
    """
    What misses are measured in at full scale; what lies within the noise is no miss.

    Attributes
    ----------
    doubt, noise, unit : Tensor of shape (components, 1, 1)
        Of the components.
    seen : Tensor of shape (fine bands, components)
        R of the components.
    fine_noise, fine_unit : Tensor of shape (fine bands, 1, 1)
        How far the two sensors disagree on the HS grid, and the unit.
    chances : ndarray of shape (components,)
        How often each component is shown.
    """

    doubt: Tensor
    noise: Tensor
    unit: Tensor
    seen: Tensor
    fine_noise: Tensor
    fine_unit: Tensor
    chances: NDArray[np.float64]


@dataclass(frozen=True)
class Lessons:
    """What a network is tuned to: the trial's two parts, and places at full scale."""

    taught: Sequence[Observed]
    held: Sequence[Observed]
    places: Sequence[Place]
    scale: Scale


def prepare_lessons(
    survey: Survey, fuser: ComponentFuser, network: MSSSFNet, recipe: Recipe
) -> Lessons:
    """
    Return what a pair teaches, all on the CPU.

    Parameters
    ----------
    survey : Survey
        Of the pair, with its response.
    fuser : ComponentFuser
        Prepared for it.
    network : MSSSFNet
        That is to be tuned.
    recipe : Recipe
        Gives ``dark`` and ``seed``.

    Raises
    ------
    PlanError
        If the pair is too small for a trial, or holds no data in a part of it.
    """
    taught, held = _of_trial(survey, fuser, network.architecture, recipe.dark)
    if not (taught and held):
        rows, columns = survey.coarse_shape
        least = max(12, network.architecture.ratio)
        raise PlanError(
            f"a network is adapted one scale down, which takes {least} HS pixels a side that hold "
            f"data; this pair has {rows} x {columns}"
        )
    places = _places(survey, fuser, network, recipe)
    return Lessons(taught, held, places, _scale(survey, fuser))


def _of_trial(
    survey: Survey, fuser: ComponentFuser, architecture: Architecture, dark: float
) -> tuple[list[Observed], list[Observed]]:
    """Return the trial's evidence and answers, twice: errors count in one part or the other."""
    trial = step_down(survey)
    if trial is None:
        return [], []
    # The parameters that `guided` has at full scale were chosen on this trial.
    chosen = fuser.estimators.kriging.guided.parameters
    estimators = Estimators.prepare(trial.survey, replace(chosen, components=fuser.kept))
    units = measure_units(trial.survey, estimators)
    parts: tuple[list[Observed], list[Observed]] = ([], [])
    for patch, truth in zip(trial.survey.patches, trial.truths, strict=True):
        if min(patch.geometry.fine_shape) < architecture.ratio:
            continue
        whole = observe_components(
            torch.from_numpy(truth),
            patch,
            estimators,
            units,
            architecture=architecture,
            dark=dark,
            fwhm=max(survey.blur),
        )
        for part, mask in zip(parts, _masks(*patch.geometry.fine_shape), strict=True):
            weight = whole.weight * mask[: whole.weight.shape[0], : whole.weight.shape[1]]
            if weight.any():
                part.append(replace(whole, weight=weight / weight.mean()))
    return parts


def _masks(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Return where errors count, 0 or 1: in what is taught, and in what is held out."""
    held = torch.from_numpy(held_out(rows, columns)).float()
    # What lies next to the held-out blocks would tell of them.
    gap = min(rows, columns) // 32
    return 1 - max_pool2d(held[None], 2 * gap + 1, stride=1, padding=gap)[0], held


def _scale(survey: Survey, fuser: ComponentFuser) -> Scale:
    units, noise = fuser.units, fuser.estimators.kriging.noise
    fine_noise = _fine_noise(survey, fuser)
    expected = _FIRM * np.sqrt(units.seen**2 @ units.doubt**2)
    chances = np.sqrt(units.doubt)
    return Scale(
        _column(units.doubt),
        _column(noise),
        _column(np.hypot(noise, _FIRM * units.doubt)),
        torch.from_numpy(units.seen.astype(np.float32)),
        _column(fine_noise),
        _column(np.hypot(fine_noise, expected) + 1e-30),
        chances / chances.sum(),
    )


def _fine_noise(survey: Survey, fuser: ComponentFuser) -> NDArray[np.float64]:
    """Return the root mean square by which the sensors disagree, shape (fine bands,)."""
    units, subspace = fuser.units, fuser.estimators.kriging.guided.subspace
    squares, count = np.zeros(len(units.level)), 0
    for patch in survey.patches:
        seen, used = survey.degraded(patch)
        components, _ = subspace.project(patch.coarse)
        expected = np.tensordot(units.seen, components, axes=1) + units.level[:, None, None]
        squares += np.square(seen - expected)[:, used].sum(axis=1)
        count += int(used.sum())
    root: NDArray[np.float64] = np.sqrt(squares / max(count, 1))
    return root


def _column(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))[:, None, None]


def _places(
    survey: Survey, fuser: ComponentFuser, network: MSSSFNet, recipe: Recipe
) -> list[Place]:
    draw = np.random.default_rng([recipe.seed, 2])
    places = []
    for _ in range(_PLACES):
        patch = survey.patches[int(draw.integers(len(survey.patches)))]
        axes = patch.geometry.y, patch.geometry.x
        blocks = [_block(axis, blur, draw) for axis, blur in zip(axes, survey.blur, strict=True)]
        (coarse_rows, rows), (coarse_columns, columns) = blocks
        place = _place(patch, fuser, (coarse_rows, coarse_columns), (rows, columns), recipe.dark)
        if not place.weight.any():
            continue
        doubt = _column(fuser.units.doubt)
        with torch.inference_mode():
            for index, evidence in enumerate(place.evidence):
                place.changes[index] = _answer(network, evidence[None])[0] * doubt[index]
        places.append(place)
    return places


def _block(axis: Axis, blur: float, draw: np.random.Generator) -> tuple[Span, Span]:
    """Return a few HS pixels, drawn at random, and the fine pixels that they see."""
    beyond = blur_reach(blur) - 0.5
    count = min(axis.coarse, max(2, round(_SIDE / axis.ratio - 2 * beyond)))
    first = int(draw.integers(axis.coarse - count + 1))
    coarse = Span(first, first + count)
    return coarse, axis.fine_span(coarse, beyond)


def _place(
    patch: Patch,
    fuser: ComponentFuser,
    coarse: tuple[Span, Span],
    core: tuple[Span, Span],
    dark: float,
) -> Place:
    """Return a place of some HS pixels and the fine pixels that they see, nothing answered yet."""
    guided, units = fuser.estimators.kriging.guided, fuser.units
    window = Window(patch.coarse, patch.fine, patch.geometry, core)
    evidence = gather(window, fuser.estimators, units)
    start = evidence.start.cpu()
    axes = zip((patch.geometry.y, patch.geometry.x), core, coarse, strict=True)
    degrade = Degrade.between(Geometry(*(axis.cut(*spans) for axis, *spans in axes)), guided.blur)
    wanted, valid = guided.subspace.project(patch.coarse[:, coarse[0].slice, coarse[1].slice])
    fine = torch.from_numpy(patch.fine[:, core[0].slice, core[1].slice])
    known = torch.isfinite(fine).all(dim=0)
    seen, share = degrade.forward_masked(start, known)
    used = torch.from_numpy(valid) & (share > 0.5)
    _, bright = fuser.estimators.kriging.appearance.relative(fine)
    expected = torch.tensordot(torch.from_numpy(units.seen.astype(np.float32)), start, dims=1)
    return Place(
        torch.stack([evidence.of(index).cpu() for index in range(len(start))]),
        torch.zeros_like(start),
        degrade,
        torch.from_numpy(wanted) - seen,
        torch.where(known, fine - _column(units.level) - expected, 0.0),
        known,
        _weight(degrade.forward_masked(bright, known)[0], used, dark),
        _weight(bright, known, dark),
    )


def _weight(brightness: Tensor, used: Tensor, dark: float) -> Tensor:
    """Return how much errors count, as in training: less where it is bright."""
    weight = used / (brightness + dark)
    return weight / weight.mean().clamp_min(1e-6)


def _answer(network: MSSSFNet, evidence: Tensor) -> Tensor:
    """Return the network's corrections of components, in units of their doubt, on the CPU."""
    step = network.architecture.ratio
    rows, columns = evidence.shape[2:]
    fine = pad(evidence, (0, -columns % step, 0, -rows % step), mode="replicate")
    fine = fine.to(next(network.parameters()).device)
    answer: Tensor = network(avg_pool2d(fine, step), fine)[:, 0, :rows, :columns].cpu()
    return answer


def disagreement(
    network: MSSSFNet, place: Place, scale: Scale, draw: np.random.Generator
) -> Tensor:
    """
    Return how far beyond the noise D and R of the answer are from the two images.

    Parameters
    ----------
    network : MSSSFNet
        Is asked for a few components of the place, drawn at random.
    place : Place
        Its ``changes`` take what is answered.
    scale : Scale
        The units of the error.
    draw : Generator
        Draws the components.
    """
    total = len(place.changes)
    chosen = draw.choice(total, min(total, _TOGETHER), replace=False, p=scale.chances)
    which = torch.from_numpy(chosen)
    change = _answer(network, place.evidence[which]) * scale.doubt[which]
    seen, _ = place.degrade.forward_masked(change, place.known)
    error = relu((place.missing[which] - seen).abs() - scale.noise[which]) / scale.unit[which]
    # R sees all components at once: the others are as they were when last asked for.
    others = place.changes.clone()
    others[which] = 0
    expected = torch.tensordot(scale.seen, others, dims=1)
    expected = expected + torch.tensordot(scale.seen[:, which], change, dims=1)
    unseen = relu((place.unseen - expected).abs() - scale.fine_noise) / scale.fine_unit
    place.changes[which] = change.detach()
    return (error * place.weight).mean() + (unseen * place.fine_weight).mean()


def held_loss(network: MSSSFNet, held: Sequence[Observed]) -> float:
    """Return the mean error in units of doubt on the held-out part, components by their chance."""
    losses = []
    with torch.inference_mode():
        for observed in held:
            if observed.own is None:
                raise ValueError("what is held out tells of components, got an example of a cube")
            answers = (
                _answer(network, torch.cat([observed.fine, own])[None])[0] for own in observed.own
            )
            for answer, target, chance in zip(
                answers, observed.targets[-1], observed.chances, strict=True
            ):
                error = ((answer - target).abs() * observed.weight).mean()
                losses.append(float(chance) * float(error))
    return sum(losses) / len(held)
