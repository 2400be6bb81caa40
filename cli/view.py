"""`hsfuse view`: a fused raster of any size in the browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from .options import FileOrUrl, verbose_option

if TYPE_CHECKING:
    from hsfuse.io.files.url import AnyPath

__all__ = ["view"]


@click.command(no_args_is_help=True, short_help="Show a fused raster in the browser.")
@click.argument("fused", type=FileOrUrl())
@click.argument("inputs", type=FileOrUrl(), nargs=-1, metavar="[SCENE MS]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="NUMBER",
    help="Port of this machine to listen on; any that is free by default.",
)
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open a browser.")
@verbose_option
def view(fused: AnyPath, inputs: tuple[AnyPath, ...], *, port: int, browser: bool) -> None:
    """
    Show the raster FUSED in the browser, with its two input images if they are known.

    Of any size: what is looked at is read, and no more. SCENE and MS are by default the images that
    the JSON record beside FUSED names. The server listens on this machine alone (127.0.0.1) and
    needs the random token in the printed address. Ctrl-C stops it.

    \b
    Examples:
      hsfuse view scene_fused.tif
      hsfuse view other.zarr scene.tif rgb.tif --no-browser --port 8000
    """  # noqa: D301 - click reads the mark
    if len(inputs) not in (0, 2):
        raise click.UsageError(
            f"expected FUSED alone, or FUSED SCENE MS; got {1 + len(inputs)} files."
        )
    from hsfuse.viewer.opening import open_scene
    from hsfuse.viewer.server import ViewServer

    scene = open_scene(fused, (inputs[0], inputs[1]) if inputs else None)
    server = ViewServer(scene, port)
    click.echo(server.url)
    for note in scene.notes:
        click.echo(f"note: {note}", err=True)
    if browser and _has_screen():
        webbrowser.open(server.url)
    with suppress(KeyboardInterrupt):  # the regular way to stop the server
        server.run()
    click.echo("stopped", err=True)


def _has_screen() -> bool:
    """Return whether a browser can open a window instead of taking over the terminal."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in names)
