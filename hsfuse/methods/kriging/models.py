"""The model of a cell: weights of the features, and the remaining residual."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Axis, Span
from hsfuse.core.resample import interpolation_matrix
from hsfuse.methods import Window

__all__ = ["CellModel", "pack_models", "unpack_models"]


@dataclass(frozen=True)
class CellModel:
    """
    The model of a cell, computed in the first pass.

    Attributes
    ----------
    weights : Tensor of shape (processes, components, linear and random features)
        Weights of the features.
    residual : Tensor of shape (components, coarse rows, coarse columns)
        Residual of the HS pixels of the cell from the mean of the processes, less noise.
    """

    weights: Tensor
    residual: Tensor

    def packed(self) -> NDArray[np.float32]:
        """Return weights and residual as one array of shape (components, numbers)."""
        weights = self.weights.transpose(0, 1).flatten(1)
        return torch.cat([weights, self.residual.flatten(1)], dim=1).cpu().numpy()

    @classmethod
    def unpacked(
        cls,
        array: NDArray[np.float32],
        shape: tuple[int, int, int],
        coarse: tuple[Span, Span],
        device: str,
    ) -> CellModel:
        """
        Return the model from a packed array.

        Parameters
        ----------
        array : ndarray
            Result of :meth:`packed`.
        shape : tuple of int
            Shape of the weights.
        coarse : tuple of Span
            The HS rows and columns of the cell.
        device : str
            Device of the tensors.
        """
        processes, components, features = shape
        values = torch.from_numpy(array).to(device)
        weights, residual = values.split((processes * features, len(coarse[0]) * len(coarse[1])), 1)
        weights = weights.reshape(components, processes, features).transpose(0, 1).contiguous()
        return cls(weights, residual.reshape(components, len(coarse[0]), len(coarse[1])))

    def parts(self, process: int, linear: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the weights of a process for the linear features, the cosines and the sines."""
        fixed, random = self.weights[process].tensor_split([linear], dim=1)
        cosines, sines = random.chunk(2, dim=1)
        return fixed, cosines, sines

    def interpolate(
        self, window: Window, coarse: tuple[Span, Span], part: tuple[Span, Span]
    ) -> Tensor:
        """
        Return the residual at MS pixels, shape (components, rows, columns).

        Parameters
        ----------
        window : Window
            Window of the MS pixels.
        coarse : tuple of Span
            The HS rows and columns of the cell in the scene.
        part : tuple of Span
            Rows and columns of the window to interpolate.
        """
        rows, columns = (
            torch.from_numpy(interpolation_matrix(_cell_axis(axis, start, cell), span)).to(
                self.residual
            )
            for axis, start, cell, span in zip(
                (window.geometry.y, window.geometry.x), window.start, coarse, part, strict=True
            )
        )
        return rows @ self.residual @ columns.mT


def _cell_axis(axis: Axis, start: int, cell: Span) -> Axis:
    """Return the axis of the HS pixels of a cell relative to the MS pixels of a window."""
    origin = axis.origin + (cell.start - start) * axis.ratio
    return Axis(axis.fine, len(cell), axis.ratio, origin)


def pack_models(models: Sequence[CellModel]) -> NDArray[np.float32]:
    """Return the models of the cells of a unit as one array of shape (components, numbers)."""
    return np.concatenate([model.packed() for model in models], axis=1)


def unpack_models(
    packed: NDArray[np.float32],
    shape: tuple[int, int, int],
    areas: Sequence[tuple[Span, Span]],
    device: str,
) -> list[CellModel]:
    """
    Return the models of the cells of a unit from a packed array.

    Parameters
    ----------
    packed : ndarray
        Result of :func:`pack_models`.
    shape : tuple of int
        Shape of the weights of a model.
    areas : sequence of tuple of Span
        HS rows and columns of each cell.
    device : str
        Device of the tensors.
    """
    models, first = [], 0
    for area in areas:
        last = first + shape[0] * shape[2] + math.prod(map(len, area))
        models.append(CellModel.unpacked(packed[:, first:last], shape, area, device))
        first = last
    return models
