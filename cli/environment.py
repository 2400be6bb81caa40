"""Preconditions of a command in its process: standard streams and a working folder."""

from __future__ import annotations

import errno
import os
import sys

import click

__all__ = ["CLOSED_PIPE", "check_folder", "open_streams", "raise_in_one_line"]

#: Exit status where the reader of an output has ended, as `head` does: that of a process which
#: SIGPIPE ends in a shell, such as `ls` or `gdalinfo`; Python ignores the signal.
CLOSED_PIPE = 141


def open_streams() -> None:
    """
    Open closed standard streams on the null device.

    Otherwise the next file to be opened gets their descriptor, and messages are written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def check_folder() -> None:
    """Raise if the working folder was removed: some libraries cannot be imported from it."""
    try:
        os.getcwd()
    except OSError as error:
        raise click.ClickException(
            f"the working folder cannot be found ({error.strerror}); change to another folder"
        ) from error


def raise_in_one_line(error: OSError) -> None:
    """
    Report an error of a file, or of standard output, in one line; return for others.

    A closed pipe is no error: the command ends without a message.
    """
    if error.filename is not None:
        raise click.ClickException(f"{error.filename}: {error.strerror or error}") from error
    if error.errno == errno.EPIPE:
        _discard_unread()
        raise click.exceptions.Exit(CLOSED_PIPE) from error
    try:
        os.write(1, b"\n")  # the buffer of Python is empty after an error
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for the flush at exit
        raise click.ClickException(
            f"standard output: cannot be written ({error.strerror})"
        ) from error


def _discard_unread() -> None:
    """Replace standard streams without a reader by the null device, for the flush at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
