"""A method of two passes that costs nothing: interpolation plus blended means of the units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hsfuse.core.grid import Axis, Span
from hsfuse.core.local_models import LocalModelAxis, LocalModelGrid
from hsfuse.methods import MethodSpec, Options, Window
from hsfuse.methods.bicubic import BicubicFuser
from hsfuse.pair.survey import Survey

# A row for the table of methods.
SPEC = MethodSpec("two_passes:METHOD", "for tests", wants_denoised_bands=False)

# An edge is within a ramp of where a block of 64 pixels ends at ratio 4.
UNIT, RAMP = 9, 2.5


@dataclass(frozen=True)
class TwoPassFuser(BicubicFuser):
    """Interpolation plus the mean spectrum of each unit times that of its MS pixels, blended."""

    name: str = "two-passes"
    shape: tuple[int, int] = (1, 1)
    size: int = 0

    @property
    def local_models(self) -> LocalModelGrid:
        """Return units of about 9 HS pixels."""
        y, x = (
            LocalModelAxis((*map(float, range(0, length - UNIT // 2, UNIT)), length), 3, RAMP, 1.0)
            for length in self.shape
        )
        return LocalModelGrid(y, x, self.size)

    def condition(self, window: Window) -> np.ndarray:
        """Return what is added about a unit."""
        rows, columns = window.core
        seen = window.fine[:, rows.slice, columns.slice]
        return np.nanmean(window.coarse, axis=(1, 2)) * (1 + np.nanmean(seen))

    def fuse(self, windows: Sequence[Window]) -> list[np.ndarray]:
        """Return the interpolated bands plus the models."""
        cubes = super().fuse(windows)
        return [cube + self.blended(window) for cube, window in zip(cubes, windows, strict=True)]

    def blended(self, window: Window) -> np.ndarray:
        """Return the weighted sum of the models over the core."""
        grid, geometry = self.local_models, window.geometry
        total = 0.0
        for (row, column), models in window.models.items():
            down = weights(grid.y, row, geometry.y, window.core[0], window.start[0])
            across = weights(grid.x, column, geometry.x, window.core[1], window.start[1])
            total = total + models[:, None, None] * np.outer(down, across)
        return np.float32(total)


def weights(units: LocalModelAxis, index: int, axis: Axis, span: Span, first: int) -> np.ndarray:
    """Return a unit's weights over pixels of a window: ramps, but at the ends of the scene."""
    position = (np.arange(span.start, span.stop) + 0.5 - axis.origin) / axis.ratio + first
    rise, fall = 1.0, 0.0
    if index > 0:
        rise = np.clip((position - units.edges[index]) / (2 * RAMP) + 0.5, 0, 1)
    if index < units.count - 1:
        fall = np.clip((position - units.edges[index + 1]) / (2 * RAMP) + 0.5, 0, 1)
    return (rise - fall) * np.ones(len(span))


@dataclass(frozen=True)
class TwoPasses:
    """The method."""

    size: int = 0

    def prepare(self, survey: Survey, options: Options) -> TwoPassFuser:
        """Return the fuser for the surveyed pair."""
        return TwoPassFuser(options.device, shape=survey.coarse_shape, size=self.size)


METHOD = TwoPasses()
