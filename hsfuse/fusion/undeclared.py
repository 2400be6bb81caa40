"""
Detection of undeclared fill in blocks, which planning did not detect in its sample.

Planning searches a sample (:mod:`hsfuse.io.input.missing`); a small region of fill between its
windows and lines is fused as measured values. The input of every block is compared with the value
range of the sample, so that such a region is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from hsfuse.core.fill import find_unexpected
from hsfuse.fusion.block import BlockInput
from hsfuse.fusion.plan import Plan

__all__ = ["UndeclaredFill", "count_undeclared", "find_undeclared"]

FillValues = tuple[tuple[str, float | None], ...]


class UndeclaredFill(NamedTuple):
    """
    An undeclared fill that was fused as measured values.

    Attributes
    ----------
    image : str
        ``hs`` or ``rgb``, as in the names of options.
    number : float or None
        Value of the fill (scaled); None for a constant spectrum that differs between bands.
    blocks : int
        Number of blocks that contain it.
    """

    image: str
    number: float | None
    blocks: int

    @property
    def advice(self) -> str:
        """Description of the fill, and the option that declares it."""
        if self.number is None:
            return (
                f"pixels of the {self.image.upper()} image hold one and the same spectrum, unlike "
                "all others, and were fused as measured: if they have no data, give a mask "
                f"(`--{self.image}-mask FILE`)"
            )
        return (
            f"{self.number:.7g} in the {self.image.upper()} image is far from all other values or "
            "fills whole regions, and was fused as measured: state its stored number if it means "
            f"no data (`--{self.image}-nodata NUMBER`), otherwise `--{self.image}-nodata none`"
        )


def find_undeclared(plan: Plan, read: BlockInput) -> FillValues:
    """Return image and value of each undeclared fill in the input of a block."""
    return tuple(
        (image, number)
        for image, part, measured in zip(
            ("hs", "rgb"), (read.hs, read.fine), plan.measured, strict=True
        )
        if measured is not None
        for number in find_unexpected(part.values, measured)
    )


def count_undeclared(blocks: Iterable[FillValues]) -> tuple[UndeclaredFill, ...]:
    """Return each undeclared fill of some blocks, with the number of blocks that contain it."""
    counted = Counter(fill for block in blocks for fill in block)
    return tuple(UndeclaredFill(*fill, count) for fill, count in counted.items())
