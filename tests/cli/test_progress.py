"""The progress bar, on a terminal and elsewhere."""

import io
import re

import pytest
from hsfuse.cli import progress as module
from hsfuse.cli.progress import Progress, Stages


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:  # noqa: D102
        return True


def test_a_terminal_sees_one_line_redrawn():
    """The last state says what is done after the last tile."""
    screen = Terminal()
    with Progress(4.0, stream=screen) as progress:
        for done in range(1, 5):
            progress(done, 4)
    text = screen.getvalue()
    assert text.count("\n") == 1
    last = text.rsplit("\r", 1)[1]
    assert last.startswith("tile 4 of 4 100%|")
    assert "pixels/s" in last
    assert "finishing the file" in last


def test_a_log_file_is_not_flooded():
    """Work that is done within half a minute writes no line there."""
    log = io.StringIO()
    with Progress(4.0, stream=log) as progress:
        for done in range(1, 101):
            progress(done, 100)
    assert log.getvalue() == ""


def test_a_log_file_gets_whole_lines(monkeypatch: pytest.MonkeyPatch):
    """Where the interval is over, one line each, without a carriage return."""
    monkeypatch.setattr(module, "_EVERY", 0.0)
    log = io.StringIO()
    with Progress(8.0, stream=log) as progress:
        for done in range(1, 4):
            progress(done, 4)
    text = log.getvalue()
    assert "\r" not in text
    assert [line[:12] for line in text.splitlines()][-3:] == [
        "tile 1 of 4 ", "tile 2 of 4 ", "tile 3 of 4 ",
    ]  # fmt: skip


def test_hidden_is_hidden():
    """Neither the bar nor a text before it."""
    screen = Terminal()
    with Progress(4.0, hidden=True, stream=screen) as progress:
        progress.show_preparation("beginning")
        progress(1, 2)
        progress(2, 2)
    assert screen.getvalue() == ""


def test_blocks_of_an_earlier_run_do_not_count_for_the_rate():
    """A resumed run that has done 1 of 100 pixels is as fast as a new one that has."""
    rates = []
    for first in (1, 91):
        screen = Terminal()
        with Progress(100.0, stream=screen) as progress:
            progress(first, 100)
            bar = progress._bar
            rates.append(bar.format_dict["n"] - bar.format_dict["initial"])
            bar.start_t -= 10.0  # as if ten seconds had passed
            (rate,) = re.findall(r"([\d.]+) pixels/s", str(bar))
            assert float(rate) == pytest.approx(0.1, abs=0.01)
    assert rates == [pytest.approx(1.0)] * 2


def test_what_comes_before_the_first_item_is_said_on_a_terminal_alone():
    """And the note of an item stands beside what follows the last one."""
    screen, log = Terminal(), io.StringIO()
    for stream in (screen, log):
        with Progress(4, item="step", unit="steps", closing="writing", stream=stream) as progress:
            progress.show_preparation("beginning")
            progress(4, 4, "loss 0.1")
    assert log.getvalue() == ""
    states = screen.getvalue().split("\r")
    assert any(state.startswith("beginning") for state in states)
    assert states[-1].startswith("step 4 of 4")
    assert "loss 0.1, writing" in states[-1]


def remaining(progress: Progress, seconds: float) -> str:
    """Return the remaining time that is shown so many seconds after the start."""
    bar = progress._bar
    bar._time = lambda: bar.start_t + seconds
    found = re.search(r"([\d:]+) left", str(bar))
    return found[1] if found else ""


def test_the_remaining_time_decreases_between_two_items():
    """It follows the mean rate until the last item, and is not shown once it has run out."""
    with Progress(10.0, stream=Terminal()) as progress:
        assert remaining(progress, 0) == ""
        progress._bar._time = lambda: progress._bar.start_t + 20
        progress(2, 10)
        assert remaining(progress, 20) == "02:40"
        assert remaining(progress, 50) == "02:10"
        assert remaining(progress, 200) == ""


def test_items_in_parallel_do_not_seem_to_be_as_slow_as_all_of_them():
    """Until one item of each worker is finished the expected time counts."""
    with Progress(8.0, stream=Terminal(), expected=100.0, parallel=2) as progress:
        assert remaining(progress, 10) == "01:30"
        progress._bar._time = lambda: progress._bar.start_t + 25
        progress(1, 8)
        assert remaining(progress, 25) == "01:15"
        progress(2, 8)
        assert remaining(progress, 25) == "01:15"
        progress._bar._time = lambda: progress._bar.start_t + 100
        progress(4, 8)
        assert remaining(progress, 100) == "01:40"


def test_stages_are_named_and_leave_the_terminal():
    """A bar with the name of the stage, cleared at the end; nothing in a short log."""
    screen, log = Terminal(), io.StringIO()
    for stream in (screen, log):
        with Stages("planning", stream=stream) as stage:
            stage("co-registration", 0.25)
    assert log.getvalue() == ""
    assert "planning: co-registration |######" in screen.getvalue()
    assert screen.getvalue().endswith("\r")
    assert "planning" not in screen.getvalue().rsplit("\r", 2)[1]


def test_finishing_is_a_bar_of_its_own(monkeypatch: pytest.MonkeyPatch):
    """After the last item: the stage's name and share, without a rate; in a log as lines."""
    monkeypatch.setattr(module, "_EVERY", 0.0)
    screen, log = Terminal(), io.StringIO()
    for stream in (screen, log):
        with Progress(4.0, stream=stream) as progress:
            progress(4, 4)
            progress.close_with("tiles", 0.25)
            progress.close_with("overviews", 0.5)
    last = screen.getvalue().rsplit("\r", 1)[1]
    assert last.startswith("finishing the file: overviews |############            |")
    assert "pixels/s" not in last
    lines = [line.rsplit(" ", 1)[0] for line in log.getvalue().splitlines()]
    assert lines[-2:] == ["finishing the file: tiles", "finishing the file: overviews"]


def test_a_line_for_each_item_where_it_is_wished():
    """In a log a long run leaves a line, however soon the next one follows."""
    log = io.StringIO()
    with Progress(3, item="run", unit="runs", each=True, stream=log) as progress:
        for done in (1, 2, 3):
            progress(done, 3, f"note {done}")
    lines = log.getvalue().splitlines()
    assert [line.split(" ")[:4] for line in lines] == [
        ["run", f"{n}", "of", "3"] for n in (1, 2, 3)
    ]
    assert all(f"note {n}" in line for n, line in enumerate(lines, start=1))
