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
    Shows progress with its rate and the time that remains; call it with blocks done and all.

    Parameters
    ----------
    megapixels : float
        Of the whole output.
    hidden : bool
        Show nothing.
    stream : text stream, optional
        Standard error by default.
    """

    def __init__(
        self, megapixels: float, *, hidden: bool = False, stream: TextIO | None = None
    ) -> None:
        self._megapixels = megapixels
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

    def __call__(self, done: int, total: int) -> None:
        """Show that so many blocks of all are finished."""
        if self._before is None:
            self._before = done - 1  # an earlier run's
        now = time.monotonic()
        if self._hidden or not (self._terminal or now - self._shown >= _EVERY):
            return
        self._shown = now
        line = self.line(done, total, now - self._started)
        if self._terminal:
            self._stream.write(f"\r{line}\x1b[K")
            self._drawn = True
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def line(self, done: int, total: int, seconds: float) -> str:
        """
        Return what is shown.

        Examples
        --------
        >>> Progress(100.0).line(30, 100, 60.0)
        '[#######.................]  30 %  block 30 of 100  0.5 Mpx/s  2:20 left'
        """
        share = done / total
        filled = int(_WIDTH * share)
        bar = "#" * filled + "." * (_WIDTH - filled)
        rate = self._megapixels * (done - (self._before or 0)) / total / max(seconds, 1e-6)
        left = self._megapixels * (1 - share) / rate if rate else 0.0
        state = f"{duration(left)} left" if done < total else "finishing the file"
        return f"[{bar}] {share:4.0%}".replace("%", " %") + (
            f"  block {done} of {total}  {rate:.3g} Mpx/s  {state}"
        )


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
