"""Progress of the stages of a long operation."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Stage", "StageCount", "ignore_stage"]

#: Called with the name of a stage and the share of the work done before it.
Stage = Callable[[str, float], None]


def ignore_stage(name: str, share: float) -> None:
    """Do nothing: the default callback."""


class StageCount:
    """
    Progress of a stage by the number of values.

    Parameters
    ----------
    stage : callable
        Called with the name and the finished share before each part.
    name : str
        Name of the stage.
    total : float
        Number of values of all parts.
    """

    def __init__(self, stage: Stage, name: str, total: float) -> None:
        self.stage, self.name, self.total, self.done = stage, name, total, 0
        stage(name, 0.0)

    def add(self, values: int) -> None:
        """Report the finished share, then add a part with a number of values."""
        self.stage(self.name, min(self.done / self.total, 1.0))
        self.done += values
