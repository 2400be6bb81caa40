"""
Networks with a single pathway on the MS grid: what MS-SSFNet is compared with.

`ssf-cnn` (X.-H. Han, B. Shi, Y. Zheng, "SSF-CNN: Spatial and Spectral Fusion with CNN for
Hyperspectral Image Super-Resolution", ICIP 2018): three convolutions on the interpolated HS image
stacked with the MS image. Kernels and widths are those of SRCNN, on which it is based: 9, 1 and 5,
half as many features in the second layer.

`ssf-resnet` and `spectral-resnet` (Han, Zheng, Chen, ICCV Workshops 2019, sec. 4.3): five residual
blocks of two convolutions, on the same stack and on the MS image alone. Not stated, and assumed as
in MS-SSFNet: 3×3 kernels, a PReLU after each convolution of a block.

`dhsis` (R. Dian, S. Li, A. Guo, L. Fang, "Deep Hyperspectral Image Sharpening", IEEE TNNLS 29(11),
2018): a residual network on the initial estimate, whose output is added to it. Depth and width are
assumed to be those of the very deep network for images (Kim 2016): twenty 3×3 convolutions of 64.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from hsfuse.nets.network import HSInput, Network

__all__ = ["DHSISNet", "ResNet", "SSFCNN", "SinglePathway"]

# Kernel sizes from input to output, given the depth: blocks of a ResNet, layers of the others.
_KERNELS: dict[str, Callable[[int], tuple[int, ...]]] = {
    "ssf-cnn": lambda _depth: (9, 1, 5),
    "ssf-resnet": lambda depth: (3,) * (2 * depth + 2),
    "spectral-resnet": lambda depth: (3,) * (2 * depth + 2),
    "dhsis": lambda depth: (3,) * depth,
}
_INPUTS: dict[str, HSInput] = {
    "ssf-cnn": "interpolated",
    "ssf-resnet": "interpolated",
    "spectral-resnet": "coarse",  # which it ignores
    "dhsis": "initial",
}


@dataclass(frozen=True, slots=True)
class SinglePathway:
    """
    The hyperparameters of a network with a single pathway.

    Attributes
    ----------
    network : {"ssf-cnn", "ssf-resnet", "spectral-resnet", "dhsis"}
        Its name.
    bands : int
        C, channels of the result.
    fine_bands : int
        M, channels of the MS image.
    ratio : int
        MS pixels per HS pixel that it is trained for; no layer depends on it.
    width : int
        Features of a layer; of the second of `ssf-cnn` half of them.
    depth : int
        Residual blocks; layers of `dhsis`, the first and the last included. `ssf-cnn` has three.
    """

    network: str
    bands: int
    fine_bands: int
    ratio: int
    width: int = 64
    depth: int = 5

    def __post_init__(self) -> None:
        if self.network not in _KERNELS:
            raise ValueError(f"network must be one of {', '.join(_KERNELS)}, got {self.network!r}")
        if min(self.bands, self.fine_bands, self.ratio, self.width, self.depth) < 1:
            raise ValueError(f"all numbers of an architecture must be positive, got {self}")
        if self.network == "ssf-cnn" and self.depth != 3:
            raise ValueError(f"ssf-cnn has three layers, got depth={self.depth}")
        if self.network == "dhsis" and self.depth < 2:
            raise ValueError(f"dhsis has two layers or more, got depth={self.depth}")

    @property
    def level_ratios(self) -> tuple[int, ...]:
        """See :class:`hsfuse.nets.network.Architecture`: one level."""
        return (self.ratio,)

    @property
    def hs_input(self) -> HSInput:
        """See :class:`hsfuse.nets.network.Architecture`."""
        return _INPUTS[self.network]

    @property
    def channels(self) -> int:
        """Channels of the first layer's input."""
        both = self.bands + self.fine_bands
        return {"interpolated": both, "coarse": self.fine_bands, "initial": self.bands}[
            self.hs_input
        ]

    @property
    def kernels(self) -> tuple[int, ...]:
        """Sizes of the kernels, from input to output."""
        return _KERNELS[self.network](self.depth)

    @property
    def reach(self) -> int:
        """
        How far, in MS pixels, an output pixel depends on the input on the MS grid.

        Examples
        --------
        >>> SinglePathway("ssf-resnet", 31, 3, 16).reach
        12
        """
        return sum(size // 2 for size in self.kernels)

    def for_inference(self) -> SinglePathway:
        """See :class:`hsfuse.nets.network.Architecture`: nothing serves training alone."""
        return self

    def to_dict(self) -> dict[str, int | str]:
        """Return the fields for a weights card."""
        return asdict(self)


def _convolution(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


class _SinglePathwayNetwork(Network):
    """A network whose layers all work on the MS grid."""

    head: nn.Conv2d

    def __init__(self, architecture: SinglePathway) -> None:
        super().__init__()
        self.architecture: SinglePathway = architecture

    def all_levels(self, coarse: Tensor, fine: Tensor, *, auxiliary: bool = True) -> list[Tensor]:
        """See :class:`hsfuse.nets.network.Network`: one level."""
        del auxiliary
        return [self.fused(coarse, fine)]

    @abstractmethod
    def fused(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return the cube, (batch, bands, rows, columns)."""

    def heads(self) -> list[nn.Conv2d]:
        """See :class:`hsfuse.nets.network.Network`."""
        return [self.head]

    def stacked(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return what the first layer takes."""
        if self.architecture.hs_input == "interpolated":
            return torch.cat([coarse, fine], dim=1)
        return coarse if self.architecture.hs_input == "initial" else fine


class SSFCNN(_SinglePathwayNetwork):
    """Three convolutions with ReLU between them, as in SRCNN."""

    def __init__(self, architecture: SinglePathway) -> None:
        super().__init__(architecture)
        a = architecture
        one, two, three = a.kernels
        half = max(a.width // 2, 1)
        self.first = _convolution(a.channels, a.width, one)
        self.second = _convolution(a.width, half, two)
        self.head = _convolution(half, a.bands, three)

    def fused(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return the cube, (batch, bands, rows, columns)."""
        feature = torch.relu(self.first(self.stacked(coarse, fine)))
        cube: Tensor = self.head(torch.relu(self.second(feature)))
        return cube


class ResNet(_SinglePathwayNetwork):
    """Residual blocks of two convolutions, each followed by a PReLU."""

    def __init__(self, architecture: SinglePathway) -> None:
        super().__init__(architecture)
        a = architecture
        self.first = _convolution(a.channels, a.width, 3)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                _convolution(a.width, a.width, 3),
                nn.PReLU(a.width),
                _convolution(a.width, a.width, 3),
                nn.PReLU(a.width),
            )
            for _ in range(a.depth)
        )
        self.head = _convolution(a.width, a.bands, 3)

    def fused(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return the cube, (batch, bands, rows, columns)."""
        feature = self.first(self.stacked(coarse, fine))
        for block in self.blocks:
            feature = feature + block(feature)
        cube: Tensor = self.head(feature)
        return cube


class DHSISNet(_SinglePathwayNetwork):
    """Convolutions with ReLU between them, whose output is added to their input."""

    residual = True

    def __init__(self, architecture: SinglePathway) -> None:
        super().__init__(architecture)
        a = architecture
        self.first = _convolution(a.channels, a.width, 3)
        self.layers = nn.ModuleList(_convolution(a.width, a.width, 3) for _ in range(a.depth - 2))
        self.head = _convolution(a.width, a.bands, 3)

    def fused(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return the cube, (batch, bands, rows, columns)."""
        initial = self.stacked(coarse, fine)
        feature = torch.relu(self.first(initial))
        for layer in self.layers:
            feature = torch.relu(layer(feature))
        cube: Tensor = initial + self.head(feature)
        return cube
