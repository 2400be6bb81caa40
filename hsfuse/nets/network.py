"""Interfaces of networks and their architectures for training and inference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Protocol

from torch import Tensor, nn

__all__ = ["Architecture", "HSInput", "Network"]

# HS input of a network: the HS image on its own grid, interpolated to the MS grid, or the initial
# estimate of `dhsis`.
HSInput = Literal["coarse", "interpolated", "initial"]


class Architecture(Protocol):
    """The hyperparameters of a network."""

    @property
    def network(self) -> str:
        """Name of the network in :data:`hsfuse.nets.table.NETWORKS`."""

    @property
    def bands(self) -> int:
        """Bands of the result."""

    @property
    def fine_bands(self) -> int:
        """Channels of the fine input."""

    @property
    def ratio(self) -> int:
        """Fine pixels per coarse pixel."""

    @property
    def width(self) -> int:
        """Channels of a layer."""

    @property
    def level_ratios(self) -> tuple[int, ...]:
        """Pixels per coarse pixel of every level's output, coarsest first, the ratio last."""

    @property
    def reach(self) -> int:
        """Distance in fine pixels over which an output pixel depends on the inputs."""

    @property
    def hs_input(self) -> HSInput:
        """HS input of the network."""

    def for_inference(self) -> Architecture:
        """Return the architecture without parts that only training uses."""

    def to_dict(self) -> dict[str, int | str]:
        """Return the fields for a weights card."""


class Network(nn.Module, ABC):
    """A network that maps an HS and an MS image to one cube for each level."""

    architecture: Architecture
    # Whether the result is added to the HS input, so that zero output layers give that input.
    residual: bool = False

    @abstractmethod
    def all_levels(self, coarse: Tensor, fine: Tensor, *, auxiliary: bool = True) -> list[Tensor]:
        """
        Return the output of every level, coarsest first; the last alone without ``auxiliary``.

        Parameters
        ----------
        coarse : Tensor of shape (batch, channels, rows, columns)
            The HS input, on the grid of :attr:`Architecture.hs_input`.
        fine : Tensor of shape (batch, fine bands, fine rows, fine columns)
            The MS image.
        auxiliary : bool
            Whether to return the levels that only training uses.
        """

    @abstractmethod
    def heads(self) -> list[nn.Conv2d]:
        """Return the output layers, that of the result first."""

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return the fused cube, (batch, bands, fine rows, fine columns)."""
        return self.all_levels(coarse, fine, auxiliary=False)[-1]

    def exported(self) -> dict[str, Tensor]:
        """Return the weights that inference needs."""
        return dict(self.state_dict())
