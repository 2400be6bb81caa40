"""What a command needs of the process: standard streams, and a working folder."""

from __future__ import annotations

import errno
import os
import sys

import click

__all__ = ["check_folder", "check_stdout", "open_streams"]


def open_streams() -> None:
    """
    Open the standard streams that are closed, so that what is written to them is discarded.

    Otherwise the next file that is opened takes their place, and messages are written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def check_folder() -> None:
    """Refuse a working folder that was removed, from which some libraries cannot be loaded."""
    try:
        os.getcwd()
    except OSError as error:
        raise click.ClickException(
            f"the working folder cannot be found ({error.strerror}); change to another folder"
        ) from error


def check_stdout(error: OSError) -> None:
    """Say in one line that standard output takes no more, if that is the error."""
    if error.errno == errno.EPIPE:  # its reader has ended, for which click ends quietly
        return
    try:
        os.write(1, b"\n")  # the buffer of Python is empty after an error
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is flushed at the end
        raise click.ClickException(
            f"standard output: cannot be written ({error.strerror})"
        ) from error
