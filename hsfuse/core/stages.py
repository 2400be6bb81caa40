"""Report of the stages of a long piece of work."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Stage", "StageCount", "ignore_stage"]

#: Called with the name of a stage, and the share of all the work that was done before it.
Stage = Callable[[str, float], None]


def ignore_stage(name: str, share: float) -> None:
    """Report a stage to nobody."""


class StageCount:
    """
    The share of a stage that is done, in values.

    Parameters
    ----------
    stage : callable
        Is called with the name and the share before each part.
    name : str
        Of the stage.
    total : float
        Values of all parts.
    """

    def __init__(self, stage: Stage, name: str, total: float) -> None:
        self.stage, self.name, self.total, self.done = stage, name, total, 0
        stage(name, 0.0)

    def add(self, values: int) -> None:
        """Report what was done before a part of so many values."""
        self.stage(self.name, min(self.done / self.total, 1.0))
        self.done += values
