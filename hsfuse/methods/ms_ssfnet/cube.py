"""The network in its published form for one pair: it takes both images and predicts the cube."""

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
    The network in its published form for one pair.

    Attributes
    ----------
    card : Card
        Card of the weights, with their hash.
    scaling : InputScaling
        Units of both images.
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
        cubic = 2.0
        reach = math.ceil(self.card.architecture.reach / self.step) + cubic
        return reach, reach

    @property
    def channels(self) -> int:
        """See :class:`hsfuse.methods.OnePass`: features of the last block."""
        architecture = self.card.architecture
        return 2 * architecture.bands + architecture.fine_bands + 5 * architecture.width

    def describe(self) -> dict[str, object]:
        """See :class:`hsfuse.methods.Fuser`."""
        return {"method": self.name, **describe_network(self.card, self.options)}

    def fuse(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        """See :class:`hsfuse.methods.Fuser`; windows of one shape are batched."""
        inputs = [self._inputs(window) for window in windows]
        groups: dict[tuple[torch.Size, torch.Size], list[int]] = defaultdict(list)
        for index, (coarse, fine) in enumerate(inputs):
            groups[coarse.shape, fine.shape].append(index)
        results: dict[int, NDArray[np.float32]] = {}
        for indexes in groups.values():
            coarse, fine = (
                torch.stack(images) for images in zip(*(inputs[i] for i in indexes), strict=True)
            )
            cubes = run_network(self.card, coarse, fine, self.options) * self.scaling.unit
            for index, cube in zip(indexes, cubes, strict=True):
                rows, columns = windows[index].core
                results[index] = cube[:, rows.slice, columns.slice].cpu().numpy()
        return [results[index] for index in range(len(windows))]

    def _inputs(self, window: Window) -> tuple[Tensor, Tensor]:
        """
        Return the coarse and the fine input, in units of the scene.

        At the end of the scene the MS image is padded to complete HS pixels by replication of its
        last pixels; elsewhere windows start and end at multiples of the ratio.
        """
        fine = self.scaling.fine(window.fine)
        rows, columns = (-size % self.step for size in fine.shape[1:])
        fine = pad(fine[None], (0, columns, 0, rows), mode="replicate")[0]
        shape = fine.shape[1] // self.step, fine.shape[2] // self.step
        rows_matrix, columns_matrix = (
            torch.from_numpy(_block_interpolation(axis, count, self.step))
            for axis, count in zip((window.geometry.y, window.geometry.x), shape, strict=True)
        )
        coarse = self.scaling.coarse(window.coarse).double()
        coarse = rows_matrix @ coarse @ columns_matrix.mT
        return coarse.float(), fine


def _block_interpolation(axis: Axis, count: int, ratio: int) -> NDArray[np.float64]:
    """Return the weights of HS pixels at the centres of blocks of ``ratio`` MS pixels."""
    # Interpolation to a grid whose fine pixels are the blocks.
    blocks = Axis(count, axis.coarse, axis.ratio / ratio, axis.origin / ratio)
    return interpolation_matrix(blocks, Span(0, count))
