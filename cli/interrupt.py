"""Exit after an interrupt from the keyboard, with the command that resumes the work."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NoReturn

import click

__all__ = ["keep_command", "stop"]

_KEY = "hsfuse.command"


def keep_command(context: click.Context, words: Sequence[str]) -> None:
    """Store the words of the command line in the context of the group."""
    program = shlex.split(context.command_path)
    context.meta[_KEY] = [*program, *words]


def stop(*more: str) -> NoReturn:
    """
    Print the command that resumes the work, quoted for a POSIX shell, and exit with status 130.

    Parameters
    ----------
    *more : str
        Options to add to the command.
    """
    words = list(click.get_current_context().meta.get(_KEY, ()))
    words += [option for option in more if option not in words]
    click.echo("stopped; to continue, run", err=True)
    click.echo(f"  {shlex.join(words)}", err=True)
    raise click.exceptions.Exit(130) from None
