"""
`ms-ssfnet`: the network of :mod:`hsfuse.nets.ms_ssfnet` with weights that fit the pair.

Weights know what they were trained for; their card says it. They fit a pair of the same
HS bands, number of fine bands and ratio on aligned grids. Where none fit, `guided` fuses
the pair instead and the notes say why.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Axis, Span
from hsfuse.core.resample import interpolation_matrix
from hsfuse.errors import WeightsError
from hsfuse.methods import Fuser, Options, Window
from hsfuse.methods.guided import METHOD as GUIDED
from hsfuse.methods.guided import GuidedFuser
from hsfuse.nets.ms_ssfnet import MSSSFNet, reach
from hsfuse.survey import Survey
from hsfuse.weights import Card, find_weights, load_network, shipped_weights

__all__ = ["METHOD", "MSSSFNetFuser", "MSSSFNetMethod"]

_LOADING = Lock()


@dataclass(frozen=True)
class MSSSFNetFuser:
    """
    The network for one pair.

    Holds the name of the weights, not the weights: a plan travels to workers, and each
    process loads them once.

    Attributes
    ----------
    card : Card
        Of the weights, with their hash.
    guided : GuidedFuser
        What the network sees beside the fine bands and corrects.
    unit : float
        The scene's brightness: the network works in units of it.
    options : Options
        Device and precision.
    """

    card: Card
    guided: GuidedFuser
    unit: float
    options: Options
    notes: tuple[str, ...] = ()
    name: str = "ms-ssfnet"

    @property
    def step(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.card.architecture.ratio

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`: the network's, and guided's beyond it."""
        ratio = self.card.architecture.ratio
        own = math.ceil(reach(self.card.architecture) / ratio)
        along = [own + base for base in self.guided.reach]
        return along[0], along[1]

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`: the guided cube, and the last block's features."""
        a = self.card.architecture
        return self.guided.channels + 2 * a.bands + a.fine_bands + 5 * a.width

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {
            "method": self.name,
            "weights": self.card.name,
            "weights_sha256": self.card.sha256,
            **self.card.architecture.to_dict(),
            "precision": self.options.precision,
            "guided": self.guided.describe(),
        }

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`; windows of one shape go through as a batch."""
        prepared = [self._inputs(window) for window in windows]
        groups: dict[tuple[torch.Size, torch.Size], list[int]] = defaultdict(list)
        for index, (coarse, fine, _) in enumerate(prepared):
            groups[coarse.shape, fine.shape].append(index)
        network = _network(self.card, self.options.device)
        results: dict[int, NDArray[np.float32]] = {}
        for members in groups.values():
            coarse = torch.stack([prepared[i][0] for i in members])
            fine = torch.stack([prepared[i][1] for i in members])
            for i, correction in zip(members, self._forward(network, coarse, fine), strict=True):
                base = prepared[i][2]
                rows, columns = base.shape[1:]
                cube = (base + correction[:, :rows, :columns]) * self.unit
                core_rows, core_columns = windows[i].core
                results[i] = cube[:, core_rows.slice, core_columns.slice].cpu().numpy()
        return [results[i] for i in range(len(windows))]

    def _forward(self, network: MSSSFNet, coarse: Tensor, fine: Tensor) -> Tensor:
        device = self.options.device
        with (
            torch.inference_mode(),
            torch.autocast(
                device, dtype=torch.bfloat16, enabled=self.options.precision == "bfloat16"
            ),
        ):
            layout = torch.channels_last
            output = network(
                coarse.contiguous(memory_format=layout), fine.contiguous(memory_format=layout)
            )
        result: Tensor = output.float()
        return result

    def _inputs(self, window: Window) -> tuple[Tensor, Tensor, Tensor]:
        """
        Return the coarse input, the fine input and the guided cube, in units of the scene.

        The fine side is padded to whole coarse pixels by repeating its last ones, at the
        scene's end alone: windows start and end on multiples of the ratio elsewhere.
        """
        base = self.guided.expand(self.guided.components(window)) / self.unit
        ratio = self.card.architecture.ratio
        fine = torch.from_numpy(window.fine).to(base.device) / self.unit
        fine = torch.cat([torch.nan_to_num(fine), base])
        rows, columns = (-size % ratio for size in fine.shape[1:])
        fine = torch.nn.functional.pad(fine[None], (0, columns, 0, rows), mode="replicate")[0]
        shape = fine.shape[1] // ratio, fine.shape[2] // ratio
        coarse = self._coarse(window, shape).to(base.device) / self.unit
        return coarse, fine, base

    def _coarse(self, window: Window, shape: tuple[int, int]) -> Tensor:
        """Return the HS image on the network's own coarse grid, shape (bands, *shape)."""
        known = np.isfinite(window.coarse)
        mean = self.guided.subspace.mean.astype(np.float32)[:, None, None]
        filled = np.where(known, window.coarse, mean)
        rows, columns = (
            torch.from_numpy(_onto_blocks(axis, count, self.card.architecture.ratio))
            for axis, count in zip((window.geometry.y, window.geometry.x), shape, strict=True)
        )
        return (rows @ torch.from_numpy(filled).double() @ columns.mT).float()


def _onto_blocks(axis: Axis, count: int, ratio: int) -> NDArray[np.float64]:
    """Return the weights that interpolate HS pixels at the centres of ``ratio``-pixel blocks."""
    # In a grid whose fine pixels are the blocks, interpolation is what it always is.
    blocks = Axis(count, axis.coarse, axis.ratio / ratio, axis.origin / ratio)
    return interpolation_matrix(blocks, Span(0, count))


@lru_cache(maxsize=4)
def _cached_network(name: str, sha256: str, device: str) -> MSSSFNet:
    return load_network(name, sha256).to(device).eval()


def _network(card: Card, device: str) -> MSSSFNet:
    # Two threads that both miss the cache would load twice.
    with _LOADING:
        return _cached_network(card.path, card.sha256, device)


@dataclass(frozen=True)
class MSSSFNetMethod:
    """The method: weights that fit, or `guided`."""

    def prepare(self, survey: Survey, options: Options) -> Fuser:
        """See :class:`hsfuse.methods.Method`."""
        guided = GUIDED.prepare(survey, options)
        cards = [find_weights(options.weights)] if options.weights else shipped_weights()
        reasons = []
        for card in cards:
            reason = misfit(card, survey)
            if reason is None:
                return MSSSFNetFuser(card, guided, survey.brightness, options)
            reasons.append(f"{card.name} {reason}")
        if options.weights:
            raise WeightsError(f"{options.weights}: these weights do not fit: {reasons[0]}")
        why = "; ".join(reasons) if reasons else "none are installed"
        note = f"no ms-ssfnet weights fit this pair, so `guided` fuses it ({why})"
        return replace(guided, notes=(*guided.notes, note))


def misfit(card: Card, survey: Survey) -> str | None:
    """Return why weights do not fit a pair, or None where they do."""
    architecture = card.architecture
    bands = len(survey.wavelength)
    if bands != architecture.bands or not survey.good.all():
        return f"take {architecture.bands} good HS bands, the pair has {int(survey.good.sum())}"
    fine = survey.patches[0].fine.shape[0]
    if fine != card.fine_bands:
        return f"take {card.fine_bands} fine bands, the pair has {fine}"
    wanted = np.asarray(card.wavelength)
    if not np.all(np.abs(survey.wavelength - wanted) <= card.tolerance):
        return f"take bands at {wanted[0]:.0f} to {wanted[-1]:.0f} nm within {card.tolerance:g} nm"
    ratios = survey.ratio
    if any(abs(ratio / architecture.ratio - 1) > 0.01 for ratio in ratios):
        return f"take ratio {architecture.ratio}, the pair has {ratios[0]:.3g} by {ratios[1]:.3g}"
    return None


METHOD = MSSSFNetMethod()
