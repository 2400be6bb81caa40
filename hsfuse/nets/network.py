"""What training and inference need of a network, whatever it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Protocol

from torch import Tensor, nn

__all__ = ["Architecture", "HSInput", "Network"]

# What a network takes as its HS input: the HS image on its own grid, interpolated to the MS grid,
# or fused with the MS image already (the initial estimate of `dhsis`).
HSInput = Literal["coarse", "interpolated", "initial"]


class Architecture(Protocol):
    """The hyperparameters of a network."""

    @property
    def network(self) -> str:
        """Its name in :data:`hsfuse.nets.table.NETWORKS`."""

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
        """How far, in fine pixels, an output pixel depends on the inputs on their own grids."""

    @property
    def hs_input(self) -> HSInput:
        """What the network takes as its HS input."""

    def for_inference(self) -> Architecture:
        """Return the architecture without what serves training alone."""

    def to_dict(self) -> dict[str, int | str]:
        """Return the fields for a weights card."""


class Network(nn.Module, ABC):
    """A network of the table: from an HS and an MS image to one cube a level."""

    architecture: Architecture
    # Whether the result is added to the HS input: zeros in the last layer give that input itself.
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
            Whether the levels that serve training are wanted.
        """

    @abstractmethod
    def heads(self) -> list[nn.Conv2d]:
        """Return the layers that give the outputs."""

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return the fused cube, (batch, bands, fine rows, fine columns)."""
        return self.all_levels(coarse, fine, auxiliary=False)[-1]

    def exported(self) -> dict[str, Tensor]:
        """Return the weights that inference needs."""
        return dict(self.state_dict())
