"""How far a run is: tqdm's bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self, TextIO

from tqdm import tqdm

__all__ = ["Progress"]

_FORMAT = "{desc}{percentage:3.0f}%|{bar:24}| {rate_noinv_fmt}, {remaining} left{postfix}"
_EVERY = 30.0  # seconds between lines where there is no terminal


class _Lines(tqdm):  # type: ignore[misc]  # tqdm states no types
    """A bar that writes whole lines: a log file has nothing to redraw."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write how far the work is."""
        self.fp.write(f"{self}\n")

    def close(self) -> None:
        """Write nothing more: the summary follows."""
        self.disable = True


class Progress:
    """
    Shows progress with its rate and the time that remains; call it with items done and all.

    Parameters
    ----------
    amount : float
        Of all the work, in ``unit``.
    item, unit : str
        What is counted, and the unit of the rate.
    closing : str
        What happens after the last item.
    hidden : bool
        Show nothing.
    stream : text stream, optional
        Standard error by default.
    """

    def __init__(
        self,
        amount: float,
        *,
        item: str = "block",
        unit: str = "Mpx",
        closing: str = "finishing the file",
        hidden: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        stream = sys.stderr if stream is None else stream
        self._terminal = stream.isatty()
        self._amount, self._item, self._closing = amount, item, closing
        self._begun = False
        kind, every = (tqdm, 0.1) if self._terminal else (_Lines, _EVERY)
        self._bar = kind(
            total=amount,
            file=stream,
            disable=hidden,
            unit=f" {unit}",
            bar_format=_FORMAT,
            mininterval=every,
            delay=0 if self._terminal else every,
            miniters=0,
            smoothing=0,  # the mean rate of the run
        )

    def __enter__(self) -> Self:
        """Return this object."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal on a new line."""
        self._bar.close()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show that so many items of all are finished, and a word on the last."""
        if not self._begun:
            # An earlier run's items take no part in the rate.
            self._bar.n = self._bar.initial = self._amount * (done - 1) / total
            self._begun = True
        last = done == total
        self._bar.set_description_str(f"{self._item} {done} of {total} ", refresh=False)
        texts = [text for text in (note, self._closing if last else "") if text]
        self._bar.set_postfix_str(", ".join(texts), refresh=False)
        self._bar.update(self._amount * done / total - self._bar.n)
        if last and self._terminal:
            self._bar.refresh()

    def say(self, text: str) -> None:
        """Show on a terminal what is done before the first item."""
        if self._terminal:
            self._bar.set_description_str(f"{text} ")
