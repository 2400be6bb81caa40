"""Progress of a run: a tqdm bar on a terminal, a line at intervals elsewhere."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any, Self, TextIO

from tqdm import tqdm

__all__ = ["Progress", "Stages"]

# Formats on a terminal, and in a line elsewhere.
_ITEMS = (
    "{desc}{percentage:3.0f}%|{bar:24}| {rate_noinv_fmt}{left}{postfix}",
    "{desc}{percentage:3.0f}%, {rate_noinv_fmt}{left}{postfix}",
)
_STAGES = "{desc}|{bar:24}| {elapsed}", "{desc}{elapsed}"
_EVERY = 30.0  # seconds between lines without a terminal
_TICK = 1.0  # seconds between updates of the time on a terminal


class _Bar(tqdm):  # type: ignore[misc]  # tqdm states no types
    """A bar whose remaining time also decreases between two items."""

    expected: float | None = None  # expected seconds of all the work
    parallel = 1  # items processed at a time
    items = 0  # items finished in this run
    at = 0.0  # seconds from the start to the end of the last finished item

    @property
    def format_dict(self) -> dict[str, Any]:
        """Variables of the format."""
        variables: dict[str, Any] = super().format_dict
        left = self._left(variables["elapsed"])
        positive = left is not None and left > 0  # else the work takes longer than expected
        variables["left"] = f", {tqdm.format_interval(left)} left" if positive else ""
        return variables

    def _left(self, elapsed: float) -> float | None:
        """Return the remaining seconds, None if unknown."""
        done, rest = self.n - self.initial, self.total - self.n
        # The first parallel items end together: their rate would be underestimated.
        if self.items >= self.parallel and done > 0:
            return float(self.at * rest / done - (elapsed - self.at))
        if self.expected is None:
            return None
        return self.expected * (self.total - self.initial) / self.total - elapsed


class _Lines(_Bar):
    """Progress in whole lines, for log files, which cannot be redrawn."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write the progress as one line."""
        self.fp.write(f"{self}\n")

    def close(self) -> None:
        """Write nothing more: the summary follows."""
        self.disable = True


class _Display:
    """Context manager that draws a bar while the work goes on."""

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
            unit_scale=True,
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
        """Start drawing."""
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
        """Show a text and the amount done."""
        self._bar.set_description_str(f"{text} ", refresh=False)
        self._bar.update(amount - self._bar.n)
        if self._terminal:
            self._bar.refresh()


class Stages(_Display):
    """
    Show stages of different length and the elapsed time; call it with name and share.

    Parameters
    ----------
    title : str
        Name of the task that consists of the stages.
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
        """Show the current stage, and the share of all work done before it."""
        self._draw(f"{self._title}: {name}", share)


class Progress(_Display):
    """
    Show progress with rate and remaining time; call it with the items done and their total.

    Parameters
    ----------
    amount : float
        Amount of all the work, in ``unit``.
    item, unit : str
        Name of an item, and the unit of the rate.
    closing : str
        Text shown after the last item.
    expected : float, optional
        Expected seconds of all the work, used until ``parallel`` items are done.
    parallel : int
        Number of items that run in parallel.
    each : bool
        Without a terminal, write a line for each item instead of one per half minute.
    hidden : bool
        Show nothing.
    stream : text stream, optional
        Standard error by default.
    """

    def __init__(
        self,
        amount: float,
        *,
        item: str = "tile",
        unit: str = "pixels",
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
        """Show that ``done`` of ``total`` items are finished, and a note on the last one."""
        bar = self._bar
        if not self._begun:
            # Items of an earlier run do not count for the rate.
            bar.n = bar.initial = self._amount * (done - 1) / total
            self._begun = True
        bar.items += 1
        bar.at = 0.0 if bar.disable else bar.format_dict["elapsed"]
        texts = [text for text in (note, self._closing if done == total else "") if text]
        bar.set_postfix_str(", ".join(texts), refresh=False)
        self._draw(f"{self._item} {done} of {total}", self._amount * done / total)

    def show_preparation(self, text: str) -> None:
        """Show on a terminal the work done before the first item."""
        if self._terminal:
            self._bar.set_description_str(f"{text} ")

    def close_with(self, name: str, share: float) -> None:
        """Show a stage after the last item, and the share of these stages done before it."""
        bar = self._bar
        if not self._closed and not bar.disable:
            bar.bar_format, bar.start_t = self._form(_STAGES), bar._time()
            self._closed = True
        self._draw(f"{self._closing}: {name}", self._amount * share)
