"""
`ms-ssfnet`: the network of :mod:`hsfuse.nets.ms_ssfnet` with weights that fit the pair.

Weights know what they were trained for; their card says it. Those of the paper's kind see
the pair and answer the cube: they fit one sensor and one ratio. The others see a scene's
own principal components one at a time (:mod:`hsfuse.methods.ms_ssfnet.features`) and answer a
correction: they fit any sensor. How much of a correction is kept is tried one scale down
(:mod:`hsfuse.methods.ms_ssfnet.shrinkage`), and the cube is brought in line with the HS image.
Where no weights fit, `guided` fuses the pair and the notes say why.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from hsfuse.core.grid import Axis, Span
from hsfuse.core.resample import interpolation_matrix
from hsfuse.errors import WeightsError
from hsfuse.methods import Fuser, Options, Window
from hsfuse.methods.guided import fit
from hsfuse.methods.ms_ssfnet.components import prepare_components
from hsfuse.methods.ms_ssfnet.inference import run_network
from hsfuse.methods.trial import choose
from hsfuse.nets.ms_ssfnet import reach
from hsfuse.nets.weights import Card, find_weights, shipped_weights
from hsfuse.pair.survey import Survey

__all__ = ["METHOD", "CubeFuser", "MSSSFNetMethod"]

_ROUNDING = 1e-6  # of float32, and some more


@dataclass(frozen=True)
class CubeFuser:
    """
    The paper's network for one pair: it sees the pair alone and answers the cube.

    Attributes
    ----------
    card : Card
        Of the weights, with their hash.
    mean : ndarray of shape (bands,)
        Spectrum that stands for HS pixels without data.
    unit : float
        The scene's brightness: the network works in units of it.
    options : Options
        Device and precision.
    """

    card: Card
    mean: NDArray[np.float32]
    unit: float
    options: Options
    notes: tuple[str, ...] = ()
    name: str = "ms-ssfnet"
    sure: bool = False

    @property
    def step(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.card.architecture.ratio

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`."""
        own = math.ceil(reach(self.card.architecture) / self.step) + 2.0
        return own, own

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`: the last block's features."""
        a = self.card.architecture
        return 2 * a.bands + a.fine_bands + 5 * a.width

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "weights": self.card.name,
            "weights_sha256": self.card.sha256,
            **self.card.architecture.to_dict(),
            "precision": self.options.precision,
        }

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`; windows of one shape go through as a batch."""
        prepared = [self._inputs(window) for window in windows]
        groups: dict[tuple[torch.Size, torch.Size], list[int]] = defaultdict(list)
        for index, (coarse, fine) in enumerate(prepared):
            groups[coarse.shape, fine.shape].append(index)
        results: dict[int, NDArray[np.float32]] = {}
        for members in groups.values():
            coarse, fine = (torch.stack([prepared[i][k] for i in members]) for k in (0, 1))
            cubes = run_network(self.card, coarse, fine, self.options) * self.unit
            for i, cube in zip(members, cubes, strict=True):
                rows, columns = windows[i].core
                results[i] = cube[:, rows.slice, columns.slice].cpu().numpy()
        return [results[i] for i in range(len(windows))]

    def _inputs(self, window: Window) -> tuple[Tensor, Tensor]:
        """
        Return the coarse and the fine input, in units of the scene.

        The fine side is padded to whole coarse pixels by repeating its last ones, at the
        scene's end alone: windows start and end on multiples of the ratio elsewhere.
        """
        fine = torch.nan_to_num(torch.from_numpy(window.fine) / self.unit)
        rows, columns = (-size % self.step for size in fine.shape[1:])
        fine = pad(fine[None], (0, columns, 0, rows), mode="replicate")[0]
        shape = fine.shape[1] // self.step, fine.shape[2] // self.step
        known = np.isfinite(window.coarse)
        filled = torch.from_numpy(np.where(known, window.coarse, self.mean[:, None, None]))
        onto = (
            torch.from_numpy(_onto_blocks(axis, count, self.step))
            for axis, count in zip((window.geometry.y, window.geometry.x), shape, strict=True)
        )
        coarse = next(onto) @ filled.double() @ next(onto).mT
        return coarse.float() / self.unit, fine


def _onto_blocks(axis: Axis, count: int, ratio: int) -> NDArray[np.float64]:
    """Return the weights that interpolate HS pixels at the centres of ``ratio``-pixel blocks."""
    # In a grid whose fine pixels are the blocks, interpolation is what it always is.
    blocks = Axis(count, axis.coarse, axis.ratio / ratio, axis.origin / ratio)
    return interpolation_matrix(blocks, Span(0, count))


@dataclass(frozen=True)
class MSSSFNetMethod:
    """The method: weights that fit, or `guided`."""

    def prepare(self, survey: Survey, options: Options) -> Fuser:
        """See :class:`hsfuse.methods.Method`."""
        cards = [find_weights(options.weights)] if options.weights else shipped_weights()
        if _flat(survey):
            return _guided(survey, options, "the HS image is the same everywhere")
        reasons = []
        for card in cards:
            fine = survey.patches[0].fine.shape[0]
            reason = card.domain.misfit(survey.wavelength, survey.good, fine, survey.ratio)
            if reason is None:
                return _prepared(card, survey, options)
            reasons.append(f"{card.name} {reason}")
        if options.weights:
            raise WeightsError(f"{options.weights}: these weights do not fit: {reasons[0]}")
        why = "; ".join(reasons) if reasons else "none are installed"
        return _guided(survey, options, f"no ms-ssfnet weights fit this pair: {why}")


def _guided(survey: Survey, options: Options, why: str) -> Fuser:
    """Return `guided`, and say why."""
    guided = fit(survey, choose(survey), device=options.device)
    return replace(guided, notes=(*guided.notes, f"`guided` fuses this pair; {why}"))


def _flat(survey: Survey) -> bool:
    """Tell whether nothing but rounding differs from pixel to pixel of the HS image."""
    spectra = survey.spectra[survey.good]
    return bool(np.ptp(spectra, axis=1).max() <= _ROUNDING * np.abs(spectra).max())


def _prepared(card: Card, survey: Survey, options: Options) -> Fuser:
    if not card.domain.wavelength:
        return prepare_components(card, survey, options)
    mean = np.nanmean(survey.spectra, axis=1).astype(np.float32)
    return CubeFuser(card, mean, survey.brightness, options)


METHOD = MSSSFNetMethod()
