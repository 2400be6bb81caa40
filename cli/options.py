"""Options shared by several commands, and their parameter types."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

__all__ = [
    "FileOrUrl",
    "FromLibrary",
    "KeyValue",
    "align_option",
    "device_option",
    "input_options",
    "json_option",
    "overwrite_option",
    "pair_options",
    "quiet_option",
    "run_options",
    "store_options",
    "verbose_option",
]

_MOST_CHOICES = 8  # that the help of an option lists

Command = TypeVar("Command", bound=Callable[..., Any])


class FromLibrary(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    """
    A choice whose names are loaded from the library when they are needed.

    A plain :class:`click.Choice` would import the library for ``hsfuse --help``.
    """

    name = "choice"

    def __init__(self, load: Callable[[], Iterable[str]]) -> None:
        self.load = load

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Show the choices in the help, if they are few."""
        choices = tuple(self.load())
        return f"[{'|'.join(choices)}]" if len(choices) <= _MOST_CHOICES else "NAME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value, if it is one of the choices."""
        accepted = tuple(self.load())
        if value not in accepted:
            near = difflib.get_close_matches(value, accepted, n=1)
            hint = f"did you mean {near[0]}? Accepted are" if near else "expected one of"
            self.fail(f"found {value!r}; {hint} {', '.join(accepted)}.", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete a name in the shell."""
        return [CompletionItem(name) for name in self.load() if name.startswith(incomplete)]


class FileOrUrl(click.Path):
    """The path of a file or folder, or a URL."""

    name = "path"

    def __init__(self) -> None:
        super().__init__(path_type=str)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return a pathlib path, or a URL of the library."""
        from hsfuse.io.files.url import as_path

        return as_path(str(super().convert(value, param, ctx)))


class KeyValue(click.ParamType):  # type: ignore[type-arg]
    """``KEY=VALUE``, the form of creation options in the tools of GDAL."""

    name = "key=value"

    def convert(
        self,
        value: str | tuple[str, str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        """Return the two parts."""
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not (equals and key.strip() and text.strip()):
            self.fail(f"{value!r} is not of the form KEY=VALUE.", param, ctx)
        return key.strip(), text.strip()


class NumberOrNone(click.ParamType):  # type: ignore[type-arg]
    """A number, or the word ``none``."""

    name = "number|none"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        """Return the number, or ``none``."""
        if isinstance(value, str) and value.strip().lower() == "none":
            return "none"
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor none.", param, ctx)


def _methods() -> Iterable[str]:
    from hsfuse.methods import list_methods

    return list_methods()


def _stored_types() -> Iterable[str]:
    from typing import get_args

    from hsfuse.io.settings import StoredType

    return get_args(StoredType)


def _output_types() -> Iterable[str]:
    return ("input", *_stored_types())


def _together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return one decorator that applies several, in the order of the help text."""

    def apply(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


def _set_level(ctx: click.Context, param: click.Parameter, count: int) -> int:
    logger = logging.getLogger("hsfuse")
    if not any(isinstance(handler, _Echo) for handler in logger.handlers):
        logger.addHandler(_Echo())
    levels = {0: logging.WARNING, 1: logging.INFO}
    logger.setLevel(levels.get(count, logging.DEBUG))
    return count


class _Echo(logging.Handler):
    """Write log lines to the current standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        click.echo(f"{record.levelname.lower()}: {record.getMessage()}", err=True)


verbose_option = click.option(
    "-v",
    "--verbose",
    count=True,
    expose_value=False,
    callback=_set_level,
    help="Show what the library logs; twice for more.",
)
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Show no plan, no progress and no summary."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of text."
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace outputs that exist already."
)

_scale_option = click.option(
    "--scale",
    type=float,
    metavar="NUMBER",
    help="Value of one stored step of an integer type, such as 0.0001 for reflectance.",
)

store_options = _together(
    click.option(
        "--dtype",
        type=FromLibrary(_stored_types),
        default="float32",
        show_default=True,
        help="Stored number type; integers need --scale.",
    ),
    _scale_option,
)

device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device that computes; auto is a GPU where there is one.",
)

#: Options for reading the two images of a pair.
input_options = _together(
    click.option(
        "--hs-sensor",
        metavar="NAME|FILE",
        help="Sensor of the HS image: one of `hsfuse sensors list`, or a TOML file. Gives "
        "wavelengths that the file lacks, and the PSF; its bands have to be the file's.",
    ),
    click.option(
        "--rgb-sensor",
        metavar="NAME[:BAND,BAND]|FILE",
        help="Sensor of the MS image; NAME:BAND,BAND selects the bands that the file has, in its "
        "order, as in sentinel-2a:B2,B3,B4. Gives the spectral response, which is otherwise "
        "estimated from the pair where the file does not state it.",
    ),
    click.option(
        "--hs-mask",
        type=click.Path(path_type=str),
        metavar="FILE",
        help="Raster on the grid of the HS image; pixels where it is 0 or has no data are masked.",
    ),
    click.option(
        "--rgb-mask",
        type=click.Path(path_type=str),
        metavar="FILE",
        help="The same for the MS image, such as a mask of clouds.",
    ),
    click.option(
        "--hs-nodata",
        type=NumberOrNone(),
        metavar="NUMBER|none",
        help="Stored number that means no data in the HS image, in place of what the file "
        "declares; none if every number is a measurement.",
    ),
    click.option(
        "--rgb-nodata",
        type=NumberOrNone(),
        metavar="NUMBER|none",
        help="The same for the MS image, where all its bands hold the number.",
    ),
)

align_option = click.option(
    "--align/--no-align",
    default=True,
    show_default=True,
    help="Estimate the co-registration of both images from the pair, to a fraction of an HS "
    "pixel, and the PSF where it is unknown; or use the georeferencing as it is.",
)

#: Options for the output of a pair.
pair_options = _together(
    click.option(
        "--method",
        type=FromLibrary(_methods),
        default="ms-ssfnet",
        show_default=True,
        help="Fusion method, one of `hsfuse methods`.",
    ),
    input_options,
    click.option(
        "--bbox",
        type=float,
        nargs=4,
        metavar="LEFT BOTTOM RIGHT TOP",
        help="Fuse the MS pixels whose centres lie in this box, in the CRS of the MS image.",
    ),
    click.option(
        "--bbox-crs",
        metavar="CRS",
        help="CRS of --bbox, such as EPSG:4326 (longitude before latitude).",
    ),
    click.option(
        "--bands",
        metavar="BANDS",
        help="Fuse these bands of the HS image: numbers from 1, ranges, and wavelength ranges, as "
        "in 1-50,60,900-1000nm.",
    ),
    click.option(
        "--weights",
        type=click.Path(path_type=str),
        metavar="FILE",
        help="Network weights of a method that takes them; ms-ssfnet alone has some without.",
    ),
    device_option,
    click.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16"]),
        default="auto",
        show_default=True,
        help="Arithmetic of networks; auto is bfloat16 with the weights of hsfuse on processors "
        "with AMX, otherwise float32.",
    ),
    click.option(
        "--uncertainty",
        is_flag=True,
        help="Also write the standard error of each pixel: a variable of a zarr store, a band of a "
        "GeoTIFF after the others. For ms-ssfnet.",
    ),
    click.option(
        "--fwhm",
        type=float,
        nargs=2,
        metavar="Y X",
        help="FWHM of the PSF of the HS image along y and x, in HS pixels, where it is known "
        "better than by the sensor's definition or by an estimate from the pair.",
    ),
    align_option,
    click.option(
        "--tile",
        type=click.IntRange(min=1),
        metavar="PIXELS",
        help="Side in MS pixels of a tile, the square part of the output that a worker fuses at a "
        "time.  [default: chosen for the method]",
    ),
    click.option(
        "--overlap",
        type=click.IntRange(min=0),
        metavar="PIXELS",
        help="Tile overlap: MS pixels that a tile reads beyond its edge.  [default: the method's "
        "reach]",
    ),
    click.option(
        "--dtype",
        type=FromLibrary(_output_types),
        default="input",
        show_default=True,
        help="Stored number type. input: int16 or uint16 where the HS image is stored so, with its "
        "scale, else float32; the plan says which. Another integer type needs --scale.",
    ),
    _scale_option,
    click.option(
        "--max-error",
        type=click.FloatRange(min=0, min_open=True),
        metavar="NUMBER",
        callback=lambda _context, _parameter, number: number or 0.0,
        help="Round float32 values by at most this, in the unit of the HS image, such as 0.00005 "
        "for reflectance: they compress better.",
    ),
    click.option(
        "--co",
        "creation_options",
        type=KeyValue(),
        multiple=True,
        callback=lambda _context, _parameter, pairs: dict(pairs),
        help="GeoTIFF creation option, such as COMPRESS=DEFLATE; may be repeated.",
    ),
)

run_options = _together(
    pair_options,
    click.option(
        "--scheduler",
        default="local",
        show_default=True,
        metavar="local|processes|tcp://HOST:PORT",
        help="Threads or processes of this machine, or the address of a dask scheduler.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="Threads or processes on this machine.  [default: one per core, two for a GPU]",
    ),
    click.option(
        "--temporary",
        type=click.Path(path_type=str),
        metavar="FOLDER",
        help="Where a GeoTIFF is written that is then uploaded to a URL.  [default: the working "
        "folder]",
    ),
    overwrite_option,
    click.option(
        "--resume",
        is_flag=True,
        help="Continue an interrupted run with the same inputs and options.",
    ),
)
