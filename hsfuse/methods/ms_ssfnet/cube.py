"""The paper's network for one pair: it takes both images and predicts the cube."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from hsfuse.core.grid import Axis, Span
from hsfuse.core.resample import interpolation_matrix
from hsfuse.methods import OnePass, Options, Window
from hsfuse.methods.inference import InputScaling, describe_network, run_network
from hsfuse.nets.weights import Card

__all__ = ["CubeFuser"]


@dataclass(frozen=True)
class CubeFuser(OnePass):
    """
    The paper's network for one pair: it takes both images and predicts the cube.

    Attributes
    ----------
    card : Card
        Of the weights, with their hash.
    scaling : InputScaling
        Of the pair.
    options : Options
        Device and precision.
    """

    card: Card
    scaling: InputScaling
    options: Options
    notes: tuple[str, ...] = ()
    name: str = "ms-ssfnet"
    gives_standard_error: bool = False

    @property
    def step(self) -> int:
        """See :class:`hsfuse.methods.Fuser`."""
        return self.card.architecture.ratio

    @property
    def reach(self) -> tuple[float, float]:
        """See :class:`hsfuse.methods.Fuser`."""
        own = math.ceil(self.card.architecture.reach / self.step) + 2.0
        return own, own

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.Fuser`: features of the last block."""
        a = self.card.architecture
        return 2 * a.bands + a.fine_bands + 5 * a.width

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {"method": self.name, **describe_network(self.card, self.options)}

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`; windows of one shape are batched."""
        prepared = [self._inputs(window) for window in windows]
        groups: dict[tuple[torch.Size, torch.Size], list[int]] = defaultdict(list)
        for index, (coarse, fine) in enumerate(prepared):
            groups[coarse.shape, fine.shape].append(index)
        results: dict[int, NDArray[np.float32]] = {}
        for members in groups.values():
            coarse, fine = (torch.stack([prepared[i][k] for i in members]) for k in (0, 1))
            cubes = run_network(self.card, coarse, fine, self.options) * self.scaling.unit
            for i, cube in zip(members, cubes, strict=True):
                rows, columns = windows[i].core
                results[i] = cube[:, rows.slice, columns.slice].cpu().numpy()
        return [results[i] for i in range(len(windows))]

    def _inputs(self, window: Window) -> tuple[Tensor, Tensor]:
        """
        Return the coarse and the fine input, in units of the scene.

        The MS image is padded to whole HS pixels by repeating its last ones, at the scene's end
        alone: elsewhere windows start and end on multiples of the ratio.
        """
        fine = self.scaling.fine(window.fine)
        rows, columns = (-size % self.step for size in fine.shape[1:])
        fine = pad(fine[None], (0, columns, 0, rows), mode="replicate")[0]
        shape = fine.shape[1] // self.step, fine.shape[2] // self.step
        onto = (
            torch.from_numpy(_onto_blocks(axis, count, self.step))
            for axis, count in zip((window.geometry.y, window.geometry.x), shape, strict=True)
        )
        coarse = next(onto) @ self.scaling.coarse(window.coarse).double() @ next(onto).mT
        return coarse.float(), fine


def _onto_blocks(axis: Axis, count: int, ratio: int) -> NDArray[np.float64]:
    """Return the weights that interpolate HS pixels at the centres of ``ratio``-pixel blocks."""
    # As an interpolation to a grid whose fine pixels are the blocks.
    blocks = Axis(count, axis.coarse, axis.ratio / ratio, axis.origin / ratio)
    return interpolation_matrix(blocks, Span(0, count))
