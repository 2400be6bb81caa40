"""How far a run is: tqdm's bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any, Self, TextIO

from tqdm import tqdm

__all__ = ["Progress", "Stages"]

# On a terminal, and in a line elsewhere.
_ITEMS = (
    "{desc}{percentage:3.0f}%|{bar:24}| {rate_noinv_fmt}{left}{postfix}",
    "{desc}{percentage:3.0f}%, {rate_noinv_fmt}{left}{postfix}",
)
_STAGES = "{desc}|{bar:24}| {elapsed}", "{desc}{elapsed}"
_EVERY = 30.0  # seconds between lines where there is no terminal
_TICK = 1.0  # seconds between two looks at the clock on a terminal


class _Bar(tqdm):  # type: ignore[misc]  # tqdm states no types
    """A bar whose remaining time decreases between two items."""

    expected: float | None = None  # seconds that all the work takes
    parallel = 1  # items under way at a time
    items = 0  # finished in this run
    at = 0.0  # seconds after which the last of them was finished

    @property
    def format_dict(self) -> dict[str, Any]:
        """What the format may name."""
        facts: dict[str, Any] = super().format_dict
        left = self._left(facts["elapsed"])
        shown = left is not None and left > 0  # else the work takes longer than expected
        facts["left"] = f", {tqdm.format_interval(left)} left" if shown else ""
        return facts

    def _left(self, elapsed: float) -> float | None:
        """Return the seconds that remain, None where they are not known."""
        done, rest = self.n - self.initial, self.total - self.n
        # The first items end together, and would seem to take as long as all of them.
        if self.items >= self.parallel and done > 0:
            return float(self.at * rest / done - (elapsed - self.at))
        if self.expected is None:
            return None
        return self.expected * (self.total - self.initial) / self.total - elapsed


class _Lines(_Bar):
    """Whole lines: a log file has nothing to redraw."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write how far the work is."""
        self.fp.write(f"{self}\n")

    def close(self) -> None:
        """Write nothing more: the summary follows."""
        self.disable = True


class _Display:
    """A bar that is drawn while the work goes on; a context."""

    def __init__(
        self,
        total: float,
        forms: tuple[str, str],
        *,
        text: str,
        unit: str = "",
        hidden: bool,
        stream: TextIO | None,
        each: bool = False,
    ) -> None:
        stream = sys.stderr if stream is None else stream
        self._terminal = stream.isatty()
        kind, every = (_Bar, 0.1) if self._terminal else (_Lines, 0.0 if each else _EVERY)
        self._bar = kind(
            total=total,
            desc=f"{text} ",
            unit=f" {unit}",
            file=stream,
            disable=hidden,
            bar_format=self._form(forms),
            mininterval=every,
            delay=0 if self._terminal else every or 1e-9,  # nothing before the first item
            miniters=0,
            position=0,
            smoothing=0,  # the mean rate of the run
        )
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        """Return this object."""
        if self._terminal and not self._bar.disable:
            self._clock.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal on a new line."""
        self._ended.set()
        if self._clock.is_alive():
            self._clock.join()
        self._bar.close()

    def _form(self, forms: tuple[str, str]) -> str:
        return forms[0] if self._terminal else forms[1]

    def _tick(self) -> None:
        while not self._ended.wait(_TICK):
            self._bar.refresh()

    def _draw(self, text: str, amount: float) -> None:
        """Show a text and how much is done."""
        self._bar.set_description_str(f"{text} ", refresh=False)
        self._bar.update(amount - self._bar.n)
        if self._terminal:
            self._bar.refresh()


class Stages(_Display):
    """
    Shows stages of different length and the time since the first; call it with name and share.

    Parameters
    ----------
    title : str
        What the stages belong to.
    hidden : bool
        Show nothing.
    stream : text stream, optional
        Standard error by default.
    """

    def __init__(self, title: str, *, hidden: bool = False, stream: TextIO | None = None) -> None:
        super().__init__(1.0, _STAGES, text=title, hidden=hidden, stream=stream)
        self._title = title
        self._bar.leave = False

    def __call__(self, name: str, share: float) -> None:
        """Show what is done now, and which share of all was done before."""
        self._draw(f"{self._title}: {name}", share)


class Progress(_Display):
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
    expected : float, optional
        Seconds that all the work takes, shown until as many items as run in parallel are done.
    parallel : int
        Items that run in parallel.
    each : bool
        Write a line for each item where there is no terminal; otherwise one in half a minute.
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
        expected: float | None = None,
        parallel: int = 1,
        each: bool = False,
        hidden: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        super().__init__(
            amount, _ITEMS, text=f"first {item}", unit=unit, hidden=hidden, stream=stream, each=each
        )
        self._amount, self._item, self._closing = amount, item, closing
        self._bar.expected, self._bar.parallel = expected, parallel
        self._begun = self._closed = False

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show that so many items of all are finished, and a word on the last."""
        bar = self._bar
        if not self._begun:
            # An earlier run's items take no part in the rate.
            bar.n = bar.initial = self._amount * (done - 1) / total
            self._begun = True
        bar.items += 1
        bar.at = 0.0 if bar.disable else bar.format_dict["elapsed"]
        texts = [text for text in (note, self._closing if done == total else "") if text]
        bar.set_postfix_str(", ".join(texts), refresh=False)
        self._draw(f"{self._item} {done} of {total}", self._amount * done / total)

    def say(self, text: str) -> None:
        """Show on a terminal what is done before the first item."""
        if self._terminal:
            self._bar.set_description_str(f"{text} ")

    def close_with(self, name: str, share: float) -> None:
        """Show a stage after the last item, and which share of these stages was done before it."""
        bar = self._bar
        if not self._closed and not bar.disable:
            bar.bar_format, bar.start_t = self._form(_STAGES), bar._time()
            self._closed = True
        self._draw(f"{self._closing}: {name}", self._amount * share)
