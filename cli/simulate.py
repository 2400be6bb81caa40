"""`hsfuse sample` and `hsfuse simulate`: pairs whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import overwrite_option, store_options, verbose_option

if TYPE_CHECKING:
    from hsfuse.synthetic.simulation import SimulatedFiles

__all__ = ["sample", "simulate"]

_seed = click.option(
    "--seed", type=int, default=0, show_default=True, help="Same seed, same values."
)
_ratio_help = "Fine pixels per HS pixel, a real number."


@click.command(no_args_is_help=True)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--hs-sensor", default="enmap", show_default=True, metavar="NAME|FILE", help="Of the scene."
)
@click.option(
    "--rgb-sensor",
    default="sentinel-2a:B2,B3,B4,B8",
    show_default=True,
    metavar="NAME[:BAND,BAND]",
    help="Of the fine image; some of its bands, or all.",
)
@click.option(
    "--size",
    type=click.IntRange(min=4),
    nargs=2,
    default=(120, 120),
    show_default=True,
    metavar="ROWS COLUMNS",
    help="Of the scene, in its own pixels.",
)
@click.option(
    "--ratio",
    type=float,
    metavar="NUMBER",
    help=f"{_ratio_help}  [default: that of the two sensors' pixel sizes]",
)
@click.option(
    "--snr-hs", type=float, default=40.0, show_default=True, help="Of the scene, in decibels."
)
@click.option("--snr-fine", type=float, default=45.0, show_default=True, help="Of the fine image.")
@_seed
@overwrite_option
@verbose_option
def sample(directory: Path, **choices: Any) -> None:
    """
    Make a small georeferenced pair and its truth in DIRECTORY.

    A landscape of fields, water, roads and roofs with real-looking spectra, seen by two
    sensors: scene.tif, rgb.tif and truth.tif.

    \b
    Examples:
      hsfuse sample demo
      hsfuse sample demo --hs-sensor prisma --rgb-sensor sentinel-2a:B2,B3,B4 --size 60 80
    """  # noqa: D301 - click reads the mark
    from hsfuse.synthetic.sample import write_sample

    _say(write_sample(directory, **choices))


@click.command(no_args_is_help=True)
@click.argument("cube", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    "directory",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of scene.tif, rgb.tif and truth.tif; is made when absent.",
)
@click.option(
    "--rgb-sensor",
    required=True,
    metavar="NAME[:BAND,BAND]",
    help="Sensor of the fine image; some of its bands, or all.",
)
@click.option("--ratio", type=float, required=True, metavar="NUMBER", help=_ratio_help)
@click.option(
    "--hs-sensor",
    metavar="NAME|FILE",
    help="Sensor of the scene: gives the blur, and the wavelengths that CUBE lacks.",
)
@click.option(
    "--fwhm",
    type=float,
    metavar="PIXELS",
    help="Width of the Gaussian blur in HS pixels.  [default: the sensor's, or 1]",
)
@click.option(
    "--psf",
    type=click.Choice(["gaussian", "average"]),
    default="gaussian",
    show_default=True,
    help="Blur; average is the mean over each HS pixel.",
)
@click.option("--snr-hs", type=float, help="Noise of the scene, in decibels.  [default: none]")
@click.option("--snr-fine", type=float, help="Noise of the fine image.  [default: none]")
@click.option(
    "--offset",
    type=float,
    nargs=2,
    default=(0.0, 0.0),
    show_default=True,
    metavar="DOWN RIGHT",
    help="Cube pixels from the cube's corner to the scene's.",
)
@_seed
@store_options
@overwrite_option
@verbose_option
def simulate(cube: Path, directory: Path, *, hs_sensor: str | None, **choices: Any) -> None:
    """
    From the high-resolution CUBE, make the pair that two sensors would have seen.

    CUBE itself, cut to what both see, becomes the truth. It may be larger than memory.

    \b
    Examples:
      hsfuse simulate cube.tif -o pair --rgb-sensor nikon-d700 --ratio 16
      hsfuse simulate cube.hdr -o pair --rgb-sensor sentinel-2a:B2,B3,B4,B8 --ratio 4 \\
          --snr-hs 30 --snr-fine 40
    """  # noqa: D301 - click reads the mark
    from hsfuse.io.read import open_raster
    from hsfuse.synthetic.simulation import simulate as make

    raster = open_raster(cube, sensor=hs_sensor)
    _say(make(raster, directory, hs_sensor=hs_sensor, **choices))


def _say(files: SimulatedFiles) -> None:
    for name, path in files._asdict().items():
        click.echo(f"{name:<12}{path}")
