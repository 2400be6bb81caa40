"""How far a function of the library is, as a bar in a notebook or on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ShownProgress", "shown_progress"]

#: What is called with the items done and all; True for a bar.
ShownProgress = Callable[..., None] | bool


@contextmanager
def shown_progress(
    progress: ShownProgress | None, unit: str
) -> Iterator[Callable[..., None] | None]:
    """
    Give what is to be called with the number of items done and of all.

    Parameters
    ----------
    progress : callable, bool or None
        What the caller gave: True for a bar of tqdm, which is a widget in a notebook with
        ipywidgets and text elsewhere; None or False for nothing.
    unit : str
        Of the items.
    """
    if not isinstance(progress, bool):
        yield progress
        return
    bars: list[Any] = []

    def show(done: int, total: int, *_: object) -> None:
        if not bars:  # the total is known from the first item on
            from tqdm.auto import tqdm  # looks for a notebook, and loads its widgets

            bars.append(tqdm(total=total, unit=f" {unit}"))
        bars[0].update(done - bars[0].n)

    try:
        yield show if progress else None
    finally:
        for bar in bars:
            bar.close()
