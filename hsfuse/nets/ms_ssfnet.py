"""
MS-SSFNet: the multi-level and multi-scale spatial and spectral fusion network.

X.-H. Han, Y. Zheng, Y.-W. Chen, "Multi-level and Multi-scale Spatial and Spectral
Fusion CNN for Hyperspectral Image Super-resolution", ICCV Workshops 2019; equation
numbers below are the paper's. Two branches are fused at every scale::

    coarse (C, h, w) ─ block ─ up ┬ block ─ up ┬ … ─ up ┬ block ─ head ─ (C, 2^S h, 2^S w)
                                  │            │        │
    fine (M, 2^S h, 2^S w) ─ … ─ block ─ pool … block ─ pool ─ block

Assumptions where the paper is not explicit: a ratio of ``2^S`` takes S up-samplings and S
fusions, hence S + 1 spectral blocks and S spatial ones; the spatial features are taken before
pooling; ``stack`` is concatenation of channels; kernels are 3×3 with same padding.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from torch import Tensor, nn

from hsfuse.nets.network import HSInput, Network

__all__ = ["Architecture", "MSSSFNet", "reach"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """
    The hyperparameters of an MS-SSFNet.

    Attributes
    ----------
    bands : int
        C, channels of the result; in the paper also of the coarse input.
    fine_bands : int
        M, channels of the fine input.
    scales : int
        S, up-samplings by two from the coarse to the fine grid: the ratio is 2^S.
    width : int
        Feature maps of every layer; not given in the paper.
    levels : int
        L, outputs with a loss in training (eq. 8-10), the last included.
    coarse_bands : int
        Channels of the coarse input; 0 for those of the result.
    """

    bands: int
    fine_bands: int
    scales: int
    width: int = 32
    levels: int = 2
    coarse_bands: int = 0

    def __post_init__(self) -> None:
        if min(self.bands, self.fine_bands, self.scales, self.width, self.levels) < 1:
            raise ValueError(f"all numbers of an architecture must be positive, got {self}")
        if self.levels > self.scales:
            raise ValueError(f"levels must not exceed scales, got {self.levels=} {self.scales=}")
        if self.coarse_bands < 0:
            raise ValueError(f"coarse_bands must not be negative, got {self.coarse_bands}")

    @property
    def ratio(self) -> int:
        """Fine pixels per coarse pixel, 2^S."""
        return 2**self.scales

    @property
    def level_scales(self) -> tuple[int, ...]:
        """
        Up-samplings before each level's output, coarsest first; the last is S.

        Examples
        --------
        >>> Architecture(31, 3, scales=4, levels=2).level_scales
        (2, 4)
        """
        return tuple(
            round(self.scales * level / self.levels) for level in range(1, self.levels + 1)
        )

    @property
    def network(self) -> str:
        """See :class:`hsfuse.nets.network.Architecture`."""
        return "ms-ssfnet"

    @property
    def hs_input(self) -> HSInput:
        """See :class:`hsfuse.nets.network.Architecture`."""
        return "coarse"

    @property
    def level_ratios(self) -> tuple[int, ...]:
        """See :class:`hsfuse.nets.network.Architecture`."""
        return tuple(2**scale for scale in self.level_scales)

    @property
    def reach(self) -> int:
        """See :func:`reach`."""
        return reach(self)

    def for_inference(self) -> Architecture:
        """Return the architecture without auxiliary heads: a network of one level has none."""
        return replace(self, levels=1)

    def to_dict(self) -> dict[str, int | str]:
        """Return the fields for a weights card."""
        return asdict(self)


class Block(nn.Sequential):
    """Two 3×3 convolutions, each followed by a PReLU (sec. 3.2)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, width, 3, padding=1),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, padding=1),
            nn.PReLU(width),
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        """
        Return the features of one or more inputs, which are stacked.

        The first convolution is the sum of those of the inputs: their concatenation is as large as
        all other intermediate results and costs a fifth of the convolution.
        """
        first, *others = self
        assert isinstance(first, nn.Conv2d)
        weights = first.weight.split([each.shape[1] for each in inputs], dim=1)
        feature = nn.functional.conv2d(inputs[0], weights[0], first.bias, padding=1)
        for each, weight in zip(inputs[1:], weights[1:], strict=True):
            feature += nn.functional.conv2d(each, weight, padding=1)
        for layer in others:
            feature = layer(feature)
        return feature


class MSSSFNet(Network):
    """The network of an :class:`Architecture`; auxiliary heads serve training only."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture: Architecture = architecture
        a = architecture
        self.spatial = nn.ModuleList(
            Block(a.fine_bands if scale == 0 else a.width, a.width) for scale in range(a.scales)
        )
        self.spectral = nn.ModuleList(
            Block((a.coarse_bands or a.bands) if scale == 0 else 2 * a.width, a.width)
            for scale in range(a.scales + 1)
        )
        # Kernel 4, stride 2, padding 1 doubles the size and overlaps evenly: no checkerboard.
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a.width, a.width, 4, stride=2, padding=1) for _ in range(a.scales)
        )
        self.head = nn.Conv2d(a.width, a.bands, 3, padding=1)
        self.auxiliary = nn.ModuleDict(
            {str(s): nn.Conv2d(a.width, a.bands, 3, padding=1) for s in a.level_scales[:-1]}
        )

    def all_levels(self, coarse: Tensor, fine: Tensor, *, auxiliary: bool = True) -> list[Tensor]:
        """
        Return the output of every level, coarsest first (eq. 8-10).

        Parameters
        ----------
        coarse : Tensor of shape (batch, coarse bands, h, w)
        fine : Tensor of shape (batch, M, 2^S h, 2^S w)
        auxiliary : bool
            Whether levels before the last are wanted.

        Returns
        -------
        list of Tensor of shape (batch, C, 2^s h, 2^s w)
            The last of S.
        """
        skips: list[Tensor] = []
        feature = fine  # (batch, M, 2^S h, 2^S w)
        for scale, block in enumerate(self.spatial):
            if scale:
                feature = nn.functional.max_pool2d(feature, 2)  # halves both (eq. 6)
            feature = block(feature)  # (batch, width, 2^(S-scale) h, ·) (eq. 5)
            skips.append(feature)

        outputs: list[Tensor] = []
        feature = self.spectral[0](coarse)  # (batch, width, h, w) (eq. 3)
        for scale, (up, block) in enumerate(zip(self.up, self.spectral[1:], strict=True), start=1):
            skip = skips[self.architecture.scales - scale]
            feature = block(up(feature), skip)  # ×2 (eq. 4, 7, 3)
            key = str(scale)
            if auxiliary and key in self.auxiliary:
                outputs.append(self.auxiliary[key](feature))  # (batch, C, 2^scale h, ·)
        outputs.append(self.head(feature))
        return outputs

    def heads(self) -> list[nn.Conv2d]:
        """See :class:`hsfuse.nets.network.Network`: the auxiliary ones included."""
        auxiliary = (self.auxiliary[key] for key in self.auxiliary)
        return [self.head, *(head for head in auxiliary if isinstance(head, nn.Conv2d))]

    def exported(self) -> dict[str, Tensor]:
        """Return the weights that inference needs: all but the auxiliary heads."""
        return {k: v for k, v in self.state_dict().items() if not k.startswith("auxiliary.")}


def reach(architecture: Architecture) -> int:
    """
    Return how far, in fine pixels, an output pixel depends on the inputs.

    The interval of pixels that an output pixel depends on is propagated from layer to layer
    back to both inputs, for every position of the pixel within its coarse one. The nearest edge
    of a coarse pixel counts: windows contain whole coarse pixels.

    Examples
    --------
    >>> reach(Architecture(31, 3, scales=4))
    78
    """
    ratio = architecture.ratio
    farthest = 0
    for position in range(ratio):
        first, last = position - 1, position + 1  # the head's 3×3
        for scale in range(architecture.scales, -1, -1):
            first, last = first - 2, last + 2  # the spectral block's two 3×3
            if scale == 0:
                break
            low, high = _through_spatial(first, last, architecture.scales - scale)
            farthest = max(farthest, position - low, high - position)
            # Output o of the up-sampling depends on inputs ceil((o - 2) / 2) to floor((o + 1) / 2).
            first, last = -((2 - first) // 2), (last + 1) // 2
        nearest = (first + 1) * ratio - 1, last * ratio
        farthest = max(farthest, position - nearest[0], nearest[1] - position)
    return farthest


def _through_spatial(first: int, last: int, depth: int) -> tuple[int, int]:
    """Return the fine pixels that an interval of the spatial block at ``depth`` depends on."""
    for level in range(depth, -1, -1):
        first, last = first - 2, last + 2
        if level:
            first, last = 2 * first, 2 * last + 1  # max-pooling's 2×2 cells
    return first, last
