"""
Adaptation to the scene: a network of components is tuned to the pair that it is to fuse.

Steps of two kinds take turns (`hsfuse.learning.lessons`): one scale down, where the HS image is the
truth, and at full scale, where the answer has to agree with both images. A quarter of the
trial is held out. The running mean of the weights that does best there is kept, and the
original weights where none does better: the adapted ones are never worse there.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from hsfuse.errors import OutputError, PlanError, WeightsError
from hsfuse.fusion.plan import Plan, survey_for
from hsfuse.learning.examples import Observed, draw_batch
from hsfuse.learning.lessons import Lessons, disagreement, held_loss, prepare_lessons
from hsfuse.learning.loop import batch_loss, descend, rate_at
from hsfuse.learning.recipe import Recipe
from hsfuse.methods.denoising import QuietFuser
from hsfuse.methods.ms_ssfnet.components import ComponentFuser
from hsfuse.nets.ms_ssfnet import MSSSFNet
from hsfuse.nets.weights import Card, find_weights, load_network, save_weights
from hsfuse.pair.survey import Survey

__all__ = [
    "adapt",
    "adapt_to",
    "adapted_path",
    "check_adaptable",
    "describe_adaptation",
    "find_adapted",
]

# The network knows its task: a tenth of the rate that it was trained with.
_RECIPE = Recipe(batch=4, rate=1e-4, average=0.99)
# What an error at full scale counts: agreement with both images is reached after the network as
# well, and at the weight of the trial it cost 0.1 degrees of spectral angle on two scenes.
_FULL_SCALE = 0.2
# Steps by which the time of one is measured, after a first that also warms up.
_TIMED = 4
# The held-out part is looked at this often, and for at most this share of the time.
_LOOKS, _LOOKING = 8, 0.2


@dataclass(frozen=True)
class _Tuned:
    """What came of it: loss on the held-out part, of ``steps`` those behind the kept weights."""

    before: float
    after: float
    steps: int
    kept_step: int
    seconds: float


def adapted_path(out: Path) -> Path:
    """
    Return where the adapted weights of an output lie.

    Examples
    --------
    >>> adapted_path(Path("out.tif")).as_posix()
    'out.tif.adapted.safetensors'
    """
    return out.with_name(f"{out.name}.adapted.safetensors")


def check_adaptable(plan: Plan) -> ComponentFuser:
    """
    Return the fuser of a plan that can be adapted.

    Raises
    ------
    PlanError
        If no network of components is to fuse the pair.
    """
    fuser = plan.fuser.inner if isinstance(plan.fuser, QuietFuser) else plan.fuser
    if isinstance(fuser, ComponentFuser):
        return fuser
    kind = " with weights that predict cubes" if plan.fuser.name == "ms-ssfnet" else ""
    raise PlanError(
        f"adapt tunes a network of components, and {plan.fuser.name}{kind} would fuse this pair; "
        "method ms-ssfnet with weights of components that fit the pair would be accepted"
    )


def find_adapted(plan: Plan, out: Path, minutes: float, *, overwrite: bool = False) -> Card | None:
    """
    Return the weights of an earlier adaptation to the same plan, or None where there are none.

    Parameters
    ----------
    plan : Plan
        Without adaptation.
    out : Path
        The output beside which they lie.
    minutes : float
        As asked for.
    overwrite : bool
        What is there and of another plan may be replaced.

    Raises
    ------
    OutputError
        If something else is there and must not be replaced.
    """
    path = adapted_path(out)
    if not (path.exists() or path.with_suffix(".json").exists()):
        return None
    try:
        card = find_weights(path)
        recipe = card.about["recipe"]
        known = recipe if isinstance(recipe, Mapping) else {}
        if known.get("pair") == plan.digest and known.get("minutes") == minutes:
            return card
        found = f"adapted for {known.get('minutes')} minutes to"
        same = known.get("pair") == plan.digest
        found += " this pair" if same else " another pair, or with other weights or settings"
    except WeightsError:
        found = "no weights with their card"
    if overwrite:
        return None
    raise OutputError(f"{path}: holds {found}; pass --overwrite to replace it")


def describe_adaptation(card: Card, *, reused: bool = False) -> str:
    """Return what adaptation did, a sentence."""
    recipe, scores = card.about["recipe"], card.about["scores"]
    if not (isinstance(recipe, Mapping) and isinstance(scores, Mapping)):
        raise WeightsError(f"{card.path}: its card does not tell of an adaptation")
    before, after = scores["held_out_before"], scores["held_out_after"]
    effort = f"{recipe['steps']} steps in {recipe['seconds'] / 60:.2g} minutes"
    effort += f"; reused from {card.path}" if reused else ""
    if not card.adapted:
        return (
            f"adaptation to this pair did not lower the loss of {before:.4g} on the quarter held "
            f"out one scale down, so the weights are the original ones ({effort})"
        )
    return (
        f"adapted to this pair: loss {before:.4g} -> {after:.4g} on the quarter held out one scale "
        f"down, of which the figures are ({effort})"
    )


def adapt(
    plan: Plan,
    out: Path,
    minutes: float,
    *,
    steps: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Card:
    """
    Tune the network of a plan to its pair, and write the weights and their card.

    Parameters
    ----------
    plan : Plan
        Without adaptation.
    out : Path
        The output beside which they go, as :func:`adapted_path` says; older ones are replaced.
    minutes : float
        Time for the steps, about; preparing comes on top.
    steps : int, optional
        Take so many instead, however long they last.
    progress : callable, optional
        Called with the finished steps and all of them.

    Raises
    ------
    PlanError
        If the pair is too small to be tried one scale down, or as :func:`check_adaptable`.
    OutputError
        If the weights cannot be written there.
    """
    fuser = check_adaptable(plan)
    survey, _ = survey_for(plan.pair)
    if isinstance(plan.fuser, QuietFuser):
        survey = plan.fuser.explained.survey(survey)
    return adapt_to(
        survey,
        fuser,
        adapted_path(out),
        minutes,
        steps=steps,
        pair=plan.digest,
        files=[
            Path(raster.attrs.get("source", "")).name for raster in (plan.pair.hs, plan.pair.rgb)
        ],
        progress=progress,
    )


def adapt_to(
    survey: Survey,
    fuser: ComponentFuser,
    path: Path,
    minutes: float,
    *,
    steps: int | None = None,
    pair: str = "",
    files: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Card:
    """
    Do what :func:`adapt` does for a survey; ``pair`` and ``files`` are for the card.

    Parameters
    ----------
    survey : Survey
        Of the pair, with its response.
    fuser : ComponentFuser
        Prepared for it.
    path : Path
        Of the weights; replaced when it exists.
    minutes, steps, progress
        As :func:`adapt`.
    pair : str
        Digest of the plan.
    files : sequence of str
        Names of the two rasters.
    """
    network = load_network(fuser.card.path, fuser.card.sha256).to(fuser.options.device)
    lessons = prepare_lessons(survey, fuser, network, _RECIPE)
    tuned = _tune(network, lessons, 60 * minutes, steps, fuser.options.device, progress)
    recipe = {
        "adapted_from": fuser.card.sha256,
        "weights": fuser.card.name,
        "pair": pair,
        "minutes": minutes,
        "steps": tuned.steps,
        "kept_step": tuned.kept_step,
        "seconds": round(tuned.seconds, 1),
        **{name: getattr(_RECIPE, name) for name in ("batch", "rate", "average", "seed")},
    }
    about = {
        "data": {"adapted_to": list(files), "trained_on": fuser.card.about.get("data")},
        "recipe": recipe,
        "scores": {"held_out_before": tuned.before, "held_out_after": tuned.after},
        "terms": fuser.card.about.get("terms"),
    }
    return _save(network.cpu(), path, fuser.card, about)


def _save(network: MSSSFNet, path: Path, base: Card, about: Mapping[str, object]) -> Card:
    """Write both files whole: whatever interrupts this leaves none, or a mismatch that is told."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".adapted-") as folder:
            part = Path(folder) / path.name
            save_weights(network, part, domain=base.domain, about=about)
            for suffix in (".safetensors", ".json"):
                os.replace(part.with_suffix(suffix), path.with_suffix(suffix))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    return find_weights(path)


class _Clock:
    """Tells how many steps fill the time, once a few have been taken."""

    def __init__(self, seconds: float, looking: float) -> None:
        self.seconds, self.looking = seconds, looking
        self.started = self.warm = time.monotonic()

    def tick(self, step: int) -> None:
        """Note when the first step, which is slower, is over."""
        if step == 1:
            self.warm = time.monotonic()

    def plan(self, taken: int) -> tuple[int, int]:
        """Return all steps, and after how many the held-out part is looked at."""
        now = time.monotonic()
        each = max((now - self.warm) / (taken - 1), 1e-6)
        left = max(self.seconds - (now - self.started), 0.0)
        looks = min(max(int(_LOOKING * left / max(self.looking, 1e-6)), 1), _LOOKS)
        steps = taken + max(int((left - looks * self.looking) / each), 0)
        return steps, math.ceil(steps / looks)


class _Watched:
    """The running mean of a network's weights, and the best it was on the held-out part."""

    def __init__(self, network: MSSSFNet, held: Sequence[Observed], device: str) -> None:
        self.held, self.judged = held, MSSSFNet(network.architecture).to(device).eval()
        self.mean = {name: value.clone() for name, value in network.state_dict().items()}
        self.best, self.kept, self.kept_step = math.inf, dict(network.state_dict()), 0
        self.look(0)
        self.before = self.best

    def follow(self, network: MSSSFNet, step: int) -> None:
        """Take the weights after a step into the mean."""
        decay = min(_RECIPE.average, step / (9 + step))
        for name, value in network.state_dict().items():
            self.mean[name].lerp_(value, 1 - decay)

    def look(self, step: int) -> None:
        """Keep the mean if it is the best so far."""
        self.judged.load_state_dict(self.mean)
        loss = held_loss(self.judged, self.held)
        if loss < self.best:
            self.best, self.kept_step = loss, step
            self.kept = {name: value.clone() for name, value in self.mean.items()}


def _tune(
    network: MSSSFNet,
    lessons: Lessons,
    seconds: float,
    steps: int | None,
    device: str,
    progress: Callable[[int, int], None] | None,
) -> _Tuned:
    """Leave the best averaged weights in the network."""
    started = time.monotonic()
    sizes = [n // network.architecture.ratio for o in lessons.taught for n in o.weight.shape]
    recipe = replace(_RECIPE, patch=min(_RECIPE.patch, *sizes), steps=steps or _TIMED + 1)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    watched = _Watched(network, lessons.held, device)
    clock = _Clock(seconds, time.monotonic() - started)
    every, step = math.ceil(recipe.steps / _LOOKS), 0
    while step < recipe.steps:
        _take_step(network, optimiser, lessons, recipe, step, device)
        step += 1
        watched.follow(network, step)
        clock.tick(step)
        if steps is None and step == _TIMED + 1:
            total, every = clock.plan(step)
            recipe = replace(recipe, steps=total)
        if step % every == 0 or step == recipe.steps:
            watched.look(step)
        if progress is not None and step > _TIMED:
            progress(step, recipe.steps)
    network.load_state_dict(watched.kept)
    seconds = time.monotonic() - started
    return _Tuned(watched.before, watched.best, recipe.steps, watched.kept_step, seconds)


def _take_step(
    network: MSSSFNet,
    optimiser: torch.optim.Optimizer,
    lessons: Lessons,
    recipe: Recipe,
    step: int,
    device: str,
) -> None:
    """Take one step: one scale down, or at full scale in turn."""
    draw = np.random.default_rng([recipe.seed, 3, step])
    for group in optimiser.param_groups:
        group["lr"] = rate_at(recipe, step)
    if step % 2 == 0 or not lessons.places:
        batch = draw_batch(lessons.taught, network.architecture, recipe, draw)
        loss = batch_loss(network, batch, recipe, device)
    else:
        place = lessons.places[int(draw.integers(len(lessons.places)))]
        loss = _FULL_SCALE * disagreement(network, place, lessons.scale, draw)
    descend(network, optimiser, loss, recipe.clip)
