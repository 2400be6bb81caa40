"""Report of the stages of a long piece of work."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Stage", "ignore_stage"]

#: Called with the name of a stage, and the share of all the work that was done before it.
Stage = Callable[[str, float], None]


def ignore_stage(name: str, share: float) -> None:
    """Report a stage to nobody."""
