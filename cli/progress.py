"""How far a run is: a line that is redrawn on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

__all__ = ["Progress", "duration"]

_WIDTH = 24  # characters of the bar
_EVERY = 30.0  # seconds between lines where there is no terminal


class Progress:
    """
    Shows progress with its rate and the time that remains; call it with items done and all.

    Parameters
    ----------
    amount : float
        Of all the work, in ``unit``.
    item, unit : str
        What is counted, and what the rate is told in.
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
        self._amount = amount
        self._item, self._unit, self._closing = item, unit, closing
        self._stream = sys.stderr if stream is None else stream
        self._hidden = hidden
        self._terminal = self._stream.isatty()
        self._started = self._shown = time.monotonic()
        self._before: int | None = None
        self._drawn = False

    def __enter__(self) -> Self:
        """Start the clock."""
        self._started = self._shown = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal on a new line."""
        if self._drawn:
            self._stream.write("\n")
            self._stream.flush()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show that so many items of all are finished, and a word on the last."""
        if self._before is None:
            self._before = done - 1  # an earlier run's
        now = time.monotonic()
        if self._hidden or not (self._terminal or now - self._shown >= _EVERY):
            return
        self._shown = now
        line = self.line(done, total, now - self._started, note)
        if self._terminal:
            self._redraw(line)
        else:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def say(self, text: str) -> None:
        """Show on a terminal what is done before the first item."""
        if self._terminal and not self._hidden:
            self._redraw(text)

    def _redraw(self, line: str) -> None:
        self._stream.write(f"\r{line}\x1b[K")
        self._stream.flush()
        self._drawn = True

    def line(self, done: int, total: int, seconds: float, note: str = "") -> str:
        """
        Return what is shown.

        Examples
        --------
        >>> Progress(100.0).line(30, 100, 60.0)
        '[#######.................]  30 %  block 30 of 100  0.5 Mpx/s  2:20 left'
        >>> Progress(8, item="step", unit="steps").line(2, 8, 4.0, "loss 0.3")
        '[######..................]  25 %  step 2 of 8  0.5 steps/s  loss 0.3  0:12 left'
        """
        share = done / total
        filled = int(_WIDTH * share)
        bar = "#" * filled + "." * (_WIDTH - filled)
        rate = self._amount * (done - (self._before or 0)) / total / max(seconds, 1e-6)
        left = self._amount * (1 - share) / rate if rate else 0.0
        parts = [
            f"[{bar}] {share:4.0%}".replace("%", " %"),
            f"{self._item} {done} of {total}",
            f"{rate:.3g} {self._unit}/s",
            note,
            f"{duration(left)} left" if done < total else self._closing,
        ]
        return "  ".join(part for part in parts if part)


def duration(seconds: float) -> str:
    """
    Return a time as a clock shows it.

    Examples
    --------
    >>> duration(59.6), duration(7325)
    ('1:00', '2:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
