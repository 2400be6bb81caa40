"""
The network of components at work: estimators, network, agreement with both inputs.

See :mod:`~hsfuse.methods.ms_ssfnet.features` for what it sees,
:mod:`~hsfuse.methods.ms_ssfnet.shrinkage` for how much of its corrections is kept,
:mod:`~hsfuse.methods.ms_ssfnet.consistency` for what follows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from hsfuse.core.grid import Geometry, Span
from hsfuse.core.resample import blur_reach
from hsfuse.methods import Options, Window
from hsfuse.methods.ms_ssfnet.consistency import (
    CANDIDATES,
    Agreement,
    Observed,
    agree,
)
from hsfuse.methods.ms_ssfnet.estimators import Estimators
from hsfuse.methods.ms_ssfnet.features import Evidence, gather
from hsfuse.methods.ms_ssfnet.inference import run_network
from hsfuse.methods.ms_ssfnet.uncertainty import REACH, Sureness, local_contrast
from hsfuse.methods.ms_ssfnet.units import Units
from hsfuse.nets.ms_ssfnet import reach
from hsfuse.nets.weights import Card

__all__ = ["Answers", "ComponentFuser"]

# Where all estimates are the same, some error is left.
_LEAST = 0.05


@dataclass(frozen=True)
class Answers:
    """
    What one pass of estimators and network says of a core.

    Attributes
    ----------
    guided, corrected : Tensor of shape (components, rows, columns)
        The components as `guided` and as the network has them.
    evidence : Evidence
        What the network saw, about the core too.
    inside : tuple of slice
        The core within the evidence.
    power : Tensor of shape (components,)
        What a unit of each component adds to the good bands, sum of squares.
    """

    guided: Tensor
    corrected: Tensor
    evidence: Evidence
    inside: tuple[slice, slice]
    power: Tensor

    def uncertainty(self, units: Units) -> Tensor:
        """
        Return how the variance of errors is spread over the core, shape (rows, columns).

        As the estimates disagree, in units of how they do over the scene.
        """
        here = self.evidence.disagreement[self.inside]
        return here / float((units.doubt**2) @ self.power.cpu().double().numpy()) + _LEAST

    def apart(self, final: Tensor, part: tuple[slice, slice]) -> Tensor:
        """
        Return how the estimates differ from a final one.

        Parameters
        ----------
        final : Tensor of shape (components, rows, columns)
            Over a part of the core.
        part : tuple of slice
            That part.

        Returns
        -------
        Tensor of shape (rows, columns)
            Mean over the estimates of the squares, summed over the good bands.
        """
        start, pull, disagreement = (
            values[..., self.inside[0], self.inside[1]][..., part[0], part[1]]
            for values in (self.evidence.start, self.evidence.pull, self.evidence.disagreement)
        )
        step = final - start
        more = self.power[:, None, None] * step * (step - 2 * pull)
        return (disagreement + more.sum(dim=0)).clamp_min(0)


@dataclass(frozen=True)
class ComponentFuser:
    """
    The network of components for one pair.

    Holds the name of the weights, not the weights: a plan travels to workers, and each
    process loads them once.

    Attributes
    ----------
    card : Card
        Of the weights, with their hash.
    estimators : Estimators
        Whose answers the network sees.
    units : Units
        Of the scene's components.
    returned : ndarray of shape (components, fine bands)
        The likeliest way from what the fine image shows to components.
    kept : int
        Components that `guided` keeps by itself, toward which corrections are mixed.
    shares : ndarray of shape (components,)
        Of each correction that is kept.
    options : Options
        Device and precision.
    hidden : float
        Variance of the HS spectra outside the subspace, but for noise, mean over the good bands.
    agreement : Agreement
        How far the cube is brought in line with the inputs.
    sureness : Sureness or None
        The error model, where Options ask how sure the fusion is.
    """

    card: Card
    estimators: Estimators
    units: Units
    returned: NDArray[np.float64]
    kept: int
    shares: NDArray[np.float32]
    options: Options
    notes: tuple[str, ...] = ()
    name: str = "ms-ssfnet"
    hidden: float = 0.0
    agreement: Agreement = CANDIDATES[0]
    sureness: Sureness | None = None

    @property
    def step(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.card.architecture.ratio

    @property
    def gives_standard_error(self) -> bool:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.sureness is not None

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: to consistency, the network, the estimators."""
        kriging = self.estimators.kriging
        along = [
            margin / ratio + base
            for margin, ratio, base in zip(
                self._margins(kriging.ratio), kriging.ratio, kriging.reach, strict=True
            )
        ]
        return along[0], along[1]

    def _margins(self, ratio: tuple[float, float]) -> tuple[int, int]:
        """Return the fine pixels about a core that agreement and the network need."""
        blur = self.estimators.kriging.guided.blur
        along = [
            math.ceil((reaches + blur_reach(width) + 1) * r)
            + reach(self.card.architecture)
            + self.step
            for width, r, reaches in zip(blur, ratio, self.agreement.reach(blur), strict=True)
        ]
        return along[0], along[1]

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`: the evidence, and one component's features."""
        a = self.card.architecture
        components = len(self.shares)
        sure = 2 * (1 + a.bands) if self.gives_standard_error else 0
        seen = (components + 1) * a.fine_bands + components + sure
        return self.estimators.kriging.channels + seen + 6 * a.width

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        sure = {"sureness": asdict(self.sureness)} if self.sureness else {}
        return {
            "method": self.name,
            "weights": self.card.name,
            "weights_sha256": self.card.sha256,
            "components": len(self.shares),
            "kept": float(self.shares.mean()),
            "agreement": self.agreement.sentence(),
            "precision": self.options.precision,
            "guided": self.estimators.kriging.guided.describe(),
            **sure,
        }

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`."""
        return [self._fuse(window) for window in windows]

    def _fuse(self, window: Window) -> NDArray[np.float32]:
        guided = self.estimators.kriging.guided
        components, disagreement = self.consistent(window)
        cube = guided.expand(components).cpu().numpy()
        if self.sureness is None:
            return cube
        error = self.sureness.predict(disagreement, self.contrast(window))
        return np.concatenate([cube, error[None]])

    def contrast(self, window: Window) -> NDArray[np.float64]:
        """Return the local contrast of the fine image over the core, shape (rows, columns)."""
        wide = [
            Span(max(core.start - REACH, 0), min(core.stop + REACH, axis.fine))
            for axis, core in zip((window.geometry.y, window.geometry.x), window.core, strict=True)
        ]
        fine, known = self.estimators.kriging.guided.standardised(
            window.fine[:, wide[0].slice, wide[1].slice]
        )
        inside = tuple(c.within(outer) for c, outer in zip(window.core, wide, strict=True))
        return local_contrast(fine.cpu().numpy(), known.cpu().numpy())[inside]

    def consistent(
        self, window: Window, answers: Answers | None = None
    ) -> tuple[Tensor, NDArray[np.float32]]:
        """
        Return the components over the core, in line with both inputs as far as was chosen.

        Parameters
        ----------
        window : Window
            With its halo.
        answers : Answers, optional
            Where they are known already: of a window that is core alone.

        Returns
        -------
        tuple
            The components, (components, rows, columns), and how much the estimates disagree
            with them in HS units, root mean square over the good bands, (rows, columns).
        """
        guided = self.estimators.kriging.guided
        region, coarse = self._region(window)
        answers = answers or self.answers(replace(window, core=region))
        observed = self.observed(window, region, coarse)
        whole = agree(
            self.mixed(answers), answers.uncertainty(self.units), observed, self.agreement
        )
        inside = window.core[0].within(region[0]), window.core[1].within(region[1])
        final = whole[:, inside[0], inside[1]]
        variance = answers.apart(final, inside) / int(guided.subspace.good.sum()) + self.hidden
        return final, variance.sqrt().cpu().numpy()

    def _region(self, window: Window) -> tuple[tuple[Span, Span], tuple[Span, Span]]:
        """Return the fine and the HS pixels of a window that agreement over its core needs."""
        blur = self.estimators.kriging.guided.blur
        axes = window.geometry.y, window.geometry.x
        region, coarse = [], []
        for axis, core, width, reaches in zip(
            axes, window.core, blur, self.agreement.reach(blur), strict=True
        ):
            wide = axis.coarse_span(core, reaches)
            coarse.append(wide)
            seen = axis.fine_span(wide, blur_reach(width))
            region.append(Span(min(seen.start, core.start), max(seen.stop, core.stop)))
        return (region[0], region[1]), (coarse[0], coarse[1])

    def observed(
        self, window: Window, region: tuple[Span, Span], coarse: tuple[Span, Span]
    ) -> Observed:
        """Return what both sensors saw of a region of the window."""
        kriging = self.estimators.kriging
        subspace, device = kriging.guided.subspace, self.options.device
        axes = window.geometry.y, window.geometry.x
        wanted, valid = subspace.project(window.coarse[:, coarse[0].slice, coarse[1].slice])
        fine = window.fine[:, region[0].slice, region[1].slice]
        known = np.isfinite(fine).all(axis=0)
        shown = np.where(known, fine - self.units.level[:, None, None], 0.0)
        return Observed(
            Geometry(*(a.cut(f, c) for a, f, c in zip(axes, region, coarse, strict=True))),
            kriging.guided.blur,
            torch.from_numpy(wanted).to(device),
            torch.from_numpy(valid).to(device),
            torch.from_numpy(known).to(device),
            *(
                torch.from_numpy(values.astype(np.float32)).to(device)
                for values in (
                    shown,
                    kriging.noise,
                    self.units.doubt,
                    self.units.seen,
                    self.returned,
                )
            ),
        )

    def mixed(self, answers: Answers) -> Tensor:
        """Return the corrected components, leaned toward `guided`."""
        base = answers.guided
        shares = torch.from_numpy(self.shares).to(base.device)[:, None, None]
        return base + shares * (answers.corrected - base)

    def answers(self, window: Window) -> Answers:
        """Return the components over the core as `guided` and as the network has them."""
        margin = reach(self.card.architecture)
        wide = []
        for axis, core in zip((window.geometry.y, window.geometry.x), window.core, strict=True):
            start = max(core.start - margin, 0) // self.step * self.step
            stop = -(-(core.stop + margin) // self.step) * self.step
            wide.append(Span(start, min(stop, axis.fine)))
        evidence = gather(replace(window, core=(wide[0], wide[1])), self.estimators, self.units)
        corrected = evidence.start + self._corrections(evidence)
        guided = evidence.guided
        guided[self.kept :] = 0
        inside = window.core[0].within(wide[0]), window.core[1].within(wide[1])
        cut = slice(None), *inside
        power = torch.from_numpy(self.estimators.kriging.guided.subspace.power).to(guided)
        return Answers(guided[cut], corrected[cut], evidence, inside, power)

    def _corrections(self, evidence: Evidence) -> Tensor:
        rows, columns = evidence.start.shape[1:]
        short = -columns % self.step, -rows % self.step
        result = torch.zeros_like(evidence.start)
        for component, doubt in enumerate(self.units.doubt):
            fine = evidence.of(component)[None]
            # At the scene's end alone: windows start and end on whole steps elsewhere.
            fine = pad(fine, (0, short[0], 0, short[1]), mode="replicate")
            answer = run_network(self.card, avg_pool2d(fine, self.step), fine, self.options)
            result[component] = answer[0, 0, :rows, :columns] * float(doubt)
        return result
