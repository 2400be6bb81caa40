"""The model of a cell: weights of features, and the residual that they leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsfuse.core.grid import Axis, Span
from hsfuse.core.resample import interpolation_matrix
from hsfuse.methods import Window

__all__ = ["CellModel"]


@dataclass(frozen=True)
class CellModel:
    """
    What the first pass finds of a cell.

    Attributes
    ----------
    weights : Tensor of shape (processes, components, linear and random features)
        Of the features.
    residual : Tensor of shape (components, coarse rows, coarse columns)
        What the mean of the processes leaves of the cell's HS pixels, without noise.
    """

    weights: Tensor
    residual: Tensor

    def packed(self) -> NDArray[np.float32]:
        """Return all numbers as one array, (components, .)."""
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
        Return the model of a packed array.

        Parameters
        ----------
        array : ndarray
            From :meth:`packed`.
        shape : tuple of int
            Of the weights.
        coarse : tuple of Span
            The HS rows and columns of the cell.
        device : str
            Where it is used.
        """
        processes, components, features = shape
        values = torch.from_numpy(array).to(device)
        weights, residual = values.split((processes * features, len(coarse[0]) * len(coarse[1])), 1)
        weights = weights.reshape(components, processes, features).transpose(0, 1).contiguous()
        return cls(weights, residual.reshape(components, len(coarse[0]), len(coarse[1])))

    def parts(self, process: int, linear: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return a process's weights of the linear features, of the cosines and of the sines."""
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
            Whose MS pixels.
        coarse : tuple of Span
            The HS rows and columns of the cell in the scene.
        part : tuple of Span
            Rows and columns of the window.
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
    """Return the HS pixels of a cell over the MS pixels of a window."""
    origin = axis.origin + (cell.start - start) * axis.ratio
    return Axis(axis.fine, len(cell), axis.ratio, origin)
