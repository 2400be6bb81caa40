"""Bars of the functions of the library."""

from hsfuse.parallel import shown_progress


def test_a_callable_is_called_as_it_is():
    def called(*_: object) -> None: ...

    with shown_progress(called, "blocks") as shown:
        assert shown is called


def test_true_shows_a_bar_up_to_the_last_item(capsys):
    with shown_progress(True, "blocks") as shown:
        for done in (2, 3):
            shown(done, 3, "more")
    assert "3/3" in capsys.readouterr().err


def test_nothing_is_shown_unless_it_is_asked_for(capsys):
    for quiet in (None, False):
        with shown_progress(quiet, "blocks") as shown:
            assert shown is None
    assert not capsys.readouterr().err
