"""
The `hsfuse` command: a group of commands, each of which parses and calls the library.

Results and summaries go to standard output; progress, log lines and errors to standard
error. Exit status: 0 success, 1 an error that the user can correct (one line), 2 usage,
130 interrupted from the keyboard, 141 the reader of the output has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from hsfuse.errors import HsfuseError

from .assess import assess
from .batch import batch
from .benchmark import benchmark
from .environment import check_folder, open_streams, raise_in_one_line
from .evaluate import evaluate
from .info import info, methods
from .interrupt import keep_command
from .report import report
from .run import run
from .sensors import sensors
from .simulate import sample, simulate
from .train import train
from .view import view

__all__ = ["main"]


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Print errors of hsfuse and of the system as one line, without a traceback."""
    try:
        yield
    except HsfuseError as error:
        raise click.ClickException(" ".join(error.message.split())) from error
    except OSError as error:
        raise_in_one_line(error)
        raise
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        raise click.exceptions.Exit(130) from None


class _Group(click.Group):
    """A group that prints errors of hsfuse as one line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Store the command line as typed, and parse it."""
        keep_command(ctx, args)
        with _in_one_line():  # --help prints here
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        open_streams()
        check_folder()
        with _in_one_line():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in order of first use instead of alphabetically."""
        return list(self.commands)


@click.group("hsfuse", cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hsfuse", message="hsfuse %(version)s")
def main() -> None:
    """
    Fuse a hyperspectral (HS) image with a high-resolution multispectral (MS) image.

    The output has the bands of the HS image and the pixels of the MS image. An RGB image is an MS
    image of three bands.

    \b
    Try it on a simulated pair:
      hsfuse sample demo
      hsfuse run demo/scene.tif demo/rgb.tif --hs-sensor enmap \\
          --rgb-sensor sentinel-2a:B2,B3,B4,B8
      hsfuse evaluate demo/truth.tif demo/scene_fused.tif --ratio 3
    """  # noqa: D301 - click reads the mark


_COMMANDS = (
    run,
    view,
    batch,
    sample,
    simulate,
    evaluate,
    assess,
    report,
    benchmark,
    info,
    methods,
    sensors,
    train,
)
for _command in _COMMANDS:
    main.add_command(_command)
