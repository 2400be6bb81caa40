"""The progress line, on a terminal and elsewhere."""

import io

from hsfuse.cli.progress import Progress


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:  # noqa: D102
        return True


def test_a_terminal_sees_one_line_redrawn():
    screen = Terminal()
    with Progress(4.0, stream=screen) as progress:
        for done in range(1, 5):
            progress(done, 4)
    text = screen.getvalue()
    assert text.count("\n") == 1
    assert text.count("\r") == 4
    assert "Mpx/s" in text
    assert "left" in text
    assert "finishing the file" in text.rsplit("\r", 1)[1]


def test_a_log_file_is_not_flooded():
    log = io.StringIO()
    with Progress(4.0, stream=log) as progress:
        for done in range(1, 101):
            progress(done, 100)
    assert log.getvalue() == ""


def test_hidden_is_hidden():
    screen = Terminal()
    with Progress(4.0, hidden=True, stream=screen) as progress:
        progress(1, 2)
    assert screen.getvalue() == ""


def test_blocks_of_an_earlier_run_do_not_count_for_the_rate():
    fresh, resumed = Progress(100.0), Progress(100.0)
    fresh(1, 100)
    resumed(91, 100)
    assert "  0.1 Mpx/s" in fresh.line(1, 100, 10.0)
    line = resumed.line(92, 100, 10.0)
    assert "  0.2 Mpx/s" in line
    assert "0:40 left" in line


def test_what_comes_before_the_first_item_is_said_on_a_terminal_alone():
    screen, log = Terminal(), io.StringIO()
    for stream in (screen, log):
        with Progress(4, item="step", unit="steps", closing="writing", stream=stream) as progress:
            progress.say("beginning")
            progress(4, 4, "loss 0.1")
    assert log.getvalue() == ""
    before, after = screen.getvalue().split("\r")[1:]
    assert before.startswith("beginning")
    assert "step 4 of 4" in after
    assert "loss 0.1  writing" in after
