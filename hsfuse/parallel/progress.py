"""Progress bars of functions of the library, for notebooks and terminals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ShownProgress", "shown_progress"]

#: Callback with the number of finished items and of all items; True for a progress bar.
ShownProgress = Callable[..., None] | bool


@contextmanager
def shown_progress(
    progress: ShownProgress | None, unit: str
) -> Iterator[Callable[..., None] | None]:
    """
    Yield the callback for the number of finished items and of all items, or None.

    Parameters
    ----------
    progress : callable, bool or None
        Argument of the caller: True for a bar of tqdm, a widget in notebooks with ipywidgets and
        text elsewhere; None or False for none.
    unit : str
        Unit of the items.
    """
    if not isinstance(progress, bool):
        yield progress
        return
    bars: list[Any] = []

    def show(done: int, total: int, *_: object) -> None:
        if not bars:  # the total is known with the first item
            from tqdm.auto import tqdm  # detects a notebook, and loads its widgets

            bars.append(tqdm(total=total, unit=f" {unit}"))
        bars[0].update(done - bars[0].n)

    try:
        yield show if progress else None
    finally:
        for bar in bars:
            bar.close()
