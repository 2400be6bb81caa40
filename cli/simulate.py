"""`hsfuse sample` and `hsfuse simulate`: simulated pairs with their reference."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

from .options import json_option, overwrite_option, store_options, verbose_option

if TYPE_CHECKING:
    from hsfuse.synthetic.simulated_files import SimulatedFiles

__all__ = ["sample", "simulate"]

_seed = click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
_ratio_help = "MS pixels per HS pixel, a real number greater than 1."


class _FormerNames(click.Command):
    """A command that also accepts former names of its options, which the help does not show."""

    _NAMES: ClassVar = {"--snr-hs": "--hs-snr", "--snr-rgb": "--ms-snr"}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line under the present names."""
        parts = (word.partition("=") for word in args)
        return super().parse_args(
            ctx, [self._NAMES.get(name, name) + equals + value for name, equals, value in parts]
        )


@click.command(
    cls=_FormerNames,
    no_args_is_help=True,
    short_help="Write a small synthetic pair and its reference.",
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--hs-sensor",
    default="enmap",
    show_default=True,
    metavar="NAME|FILE",
    help="Sensor of the HS image.",
)
@click.option(
    "--rgb-sensor",
    default="sentinel-2a:B2,B3,B4,B8",
    show_default=True,
    metavar="NAME[:BAND,BAND]",
    help="Sensor of the MS image; all of its bands, or those named.",
)
@click.option(
    "--size",
    type=click.IntRange(min=4),
    nargs=2,
    default=(120, 120),
    show_default=True,
    metavar="ROWS COLUMNS",
    help="Size of the HS image in pixels.",
)
@click.option(
    "--ratio",
    type=float,
    metavar="NUMBER",
    help=f"{_ratio_help}  [default: ratio of the sensors' pixel sizes]",
)
@click.option(
    "--hs-snr",
    type=float,
    default=40.0,
    show_default=True,
    help="Signal-to-noise ratio of the HS image in decibels.",
)
@click.option(
    "--ms-snr",
    type=float,
    default=45.0,
    show_default=True,
    help="The same of the MS image.",
)
@_seed
@overwrite_option
@json_option
@verbose_option
def sample(directory: Path, *, as_json: bool, **choices: Any) -> None:
    """
    Write a small synthetic pair and its reference to DIRECTORY.

    A landscape of fields, water, roads and roofs, observed by two sensors: scene.tif (HS),
    rgb.tif (MS) and truth.tif (reference), georeferenced, in reflectance.

    \b
    Examples:
      hsfuse sample demo
      hsfuse sample demo --hs-sensor prisma --size 60 80 \\
          --rgb-sensor sentinel-2a:B2,B3,B4
    """  # noqa: D301 - click reads the mark
    from hsfuse.synthetic.sample import write_sample

    files = write_sample(directory, **choices)
    _print_paths(files, as_json)
    if not as_json:
        words = ["hsfuse", "run", str(files.scene), str(files.rgb)]
        for option in ("hs_sensor", "rgb_sensor"):
            words += [f"--{option.replace('_', '-')}", choices[option]]
        click.echo(f"{'fuse them':<12}{shlex.join(words)}")


@click.command(
    cls=_FormerNames, no_args_is_help=True, short_help="Simulate the pair that two sensors observe."
)
@click.argument("cube", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    "directory",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder for scene.tif, rgb.tif and truth.tif (the reference); created if absent.",
)
@click.option(
    "--rgb-sensor",
    required=True,
    metavar="NAME[:BAND,BAND]",
    help="Sensor of the MS image; all of its bands, or those named.",
)
@click.option("--ratio", type=float, required=True, metavar="NUMBER", help=_ratio_help)
@click.option(
    "--hs-sensor",
    metavar="NAME|FILE",
    help="Sensor of the HS image: gives the PSF, and the wavelengths where CUBE has none.",
)
@click.option(
    "--fwhm",
    type=float,
    metavar="PIXELS",
    help="FWHM of the Gaussian PSF in HS pixels.  [default: the sensor's, or 1]",
)
@click.option(
    "--psf",
    type=click.Choice(["gaussian", "average"]),
    default="gaussian",
    show_default=True,
    help="Point spread function; average is the mean over each HS pixel.",
)
@click.option(
    "--hs-snr",
    type=float,
    help="Signal-to-noise ratio of the HS image in decibels.  [default: no noise]",
)
@click.option(
    "--ms-snr",
    type=float,
    help="The same of the MS image.  [default: no noise]",
)
@click.option(
    "--offset",
    type=float,
    nargs=2,
    default=(0.0, 0.0),
    show_default=True,
    metavar="DOWN RIGHT",
    help="Cube pixels from the upper left corner of CUBE to that of the HS image.",
)
@_seed
@store_options
@overwrite_option
@json_option
@verbose_option
def simulate(
    cube: Path, directory: Path, *, hs_sensor: str | None, as_json: bool, **choices: Any
) -> None:
    """
    Simulate the pair that two sensors observe of the high-resolution CUBE.

    CUBE, cut to the area that both cover, is the reference. It may be larger than memory.

    \b
    Examples:
      hsfuse simulate cube.tif -o pair --rgb-sensor nikon-d700 --ratio 16
      hsfuse simulate cube.hdr -o pair --rgb-sensor sentinel-2a:B2,B3,B4,B8 \\
          --ratio 4 --hs-snr 30 --ms-snr 40
    """  # noqa: D301 - click reads the mark
    from hsfuse.io.read import open_raster
    from hsfuse.synthetic.simulated_files import simulate as make

    raster = open_raster(cube, sensor=hs_sensor)
    _print_paths(make(raster, directory, hs_sensor=hs_sensor, **choices), as_json)


def _print_paths(files: SimulatedFiles, as_json: bool) -> None:
    from hsfuse.report.beside import styles_of

    if as_json:
        click.echo(
            json.dumps({name: str(path) for name, path in files._asdict().items()}, indent=2)
        )
        return
    for label, path in zip(("HS image", "MS image", "reference"), files, strict=True):
        click.echo(f"{label:<12}{path}")
    names = ", ".join(style.name for style in styles_of(*files))
    click.echo(f"{'beside them':<12}{names} (styles for QGIS)\n" if names else "", nl=False)
