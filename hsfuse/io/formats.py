"""
The formats of an output: one row each, which says all in which they differ.

An output grows as a zarr store (:mod:`hsfuse.io.journal`) whatever its format is. A new
format is one more row: what its files are called, which options it takes, and how a
finished store becomes one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hsfuse.core.stages import Stage, StageCount, ignore_stage
from hsfuse.errors import OutputError, PlanError
from hsfuse.io.band_labels import shown_bands
from hsfuse.io.envi import divides_reflectance, envi_files, export_envi
from hsfuse.io.geotiff import check_options, export_geotiff
from hsfuse.io.layout import OutputLayout
from hsfuse.io.planes import Piece
from hsfuse.io.pyramid import write_pyramid
from hsfuse.io.qgis_style import ShownValues, write_style
from hsfuse.io.replacement import move_folder
from hsfuse.io.url import AnyPath
from hsfuse.io.zarr_layout import consolidate, read_layout
from hsfuse.parallel import local_workers

__all__ = ["FORMATS", "Finishing", "OutputFormat", "find_format"]

_SIDECARS = (".aux.xml", ".ovr", ".msk")  # GDAL would read an older file's into the new one


@dataclass(frozen=True, slots=True)
class Finishing:
    """
    How a complete store becomes an output.

    Attributes
    ----------
    options : mapping of str to str
        Creation options.
    hashes : mapping of str to str or None
        SHA-256 of the store's chunks by their path inside; None where there is no file.
    workers : int, optional
        Threads; one per core by default.
    stage : callable
        Called with the name of each stage and the share of all done before it.
    uploaded : bool
        Whether the file goes to an object store, where nobody looks for a style beside it.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str | None] = field(default_factory=dict)
    workers: int | None = None
    stage: Stage = ignore_stage
    uploaded: bool = False


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """
    A format of an output.

    Attributes
    ----------
    name : str
        For messages.
    suffixes : tuple of str
        With which the names of its files end; the first is the usual one.
    space : float
        Bytes of disk per stored byte before compression, at the peak.
    effort : float
        Seconds on one core per such byte, in which a complete store becomes the output.
    parallel : bool
        Whether more threads take less.
    check_options : callable
        Takes creation options and the stored number type; raises PlanError for those that
        the format does not accept.
    refusal : callable
        Takes a path that exists; says why it is not replaced, or nothing.
    finish : callable
        Takes a complete store, the final path and how it is done; gives the output its name.
    companions : callable
        Takes the final path; returns the files that may belong to it, the one without which it is
        none last.
    """

    name: str
    suffixes: tuple[str, ...]
    space: float
    effort: float
    parallel: bool
    check_options: Callable[[Mapping[str, str], str], object]
    refusal: Callable[[AnyPath], str]
    finish: Callable[[AnyPath, AnyPath, Finishing], object]
    companions: Callable[[AnyPath], list[AnyPath]] = lambda path: []

    def seconds(self, stored: int, workers: int) -> float:
        """Return how long so many stored bytes take to become the output, on an idle machine."""
        return self.effort * stored / (workers if self.parallel else 1)


def find_format(path: AnyPath) -> OutputFormat:
    """
    Return the format of an output, by the end of its name.

    Raises
    ------
    OutputError
        If there is none.

    Examples
    --------
    >>> find_format(Path("fused.TIF")).name
    'GeoTIFF'
    """
    for row in FORMATS:
        if path.suffix.lower() in row.suffixes:
            return row
    accepted = ", ".join(suffix for row in FORMATS for suffix in row.suffixes)
    raise OutputError(f"{path}: an output ends in {accepted}, not in {path.suffix!r}")


def _finish_geotiff(store: AnyPath, path: AnyPath, how: Finishing) -> None:
    layout, shown = _shown_values(store)
    export_geotiff(
        Path(store),  # on this machine, wherever it goes then
        Path(path),
        creation_options=how.options,
        hashes=how.hashes,
        seen=shown.add,
        workers=how.workers,
        stage=how.stage,
    )
    _finish_file(Path(path), shown, layout.scale, layout.offset, how)


def _finish_envi(store: AnyPath, path: AnyPath, how: Finishing) -> None:
    layout, shown = _exported(export_envi, store, path, how)
    scale = 1.0 if divides_reflectance(layout) else layout.scale
    _finish_file(Path(path), shown, scale, layout.offset, how)


def _finish_netcdf(store: AnyPath, path: AnyPath, how: Finishing) -> None:
    from hsfuse.io.netcdf_output import export_netcdf  # h5py, which a plan does not need

    layout, shown = _exported(export_netcdf, store, path, how)
    _finish_file(Path(path), shown, layout.scale, layout.offset, how)


def _exported(
    export: Callable[..., object], store: AnyPath, path: AnyPath, how: Finishing
) -> tuple[OutputLayout, ShownValues]:
    """Write a file that is exported piece by piece, each counted and seen for its style."""
    layout, shown = _shown_values(store)
    count = StageCount(how.stage, "export", layout.planes * layout.rows * layout.columns)

    def see(piece: Piece, values: NDArray[Any]) -> None:
        shown.add(piece, values)
        count.add(piece.size)

    export(Path(store), Path(path), hashes=how.hashes, seen=see)
    return layout, shown


def _shown_values(store: AnyPath) -> tuple[OutputLayout, ShownValues]:
    layout = read_layout(store)
    return layout, ShownValues(shown_bands(layout), layout.shape[1:], layout.fill)


def _finish_file(
    path: Path, shown: ShownValues, scale: float, offset: float, how: Finishing
) -> None:
    """Remove what GDAL would read of an older file into the new one, and write a QGIS style."""
    for suffix in _SIDECARS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if not how.uploaded:
        write_style(path, shown, scale, offset)


def _finish_zarr(store: AnyPath, path: AnyPath, how: Finishing) -> None:
    layout = read_layout(store)
    count = StageCount(how.stage, "overviews", 4 / 3 * layout.planes * layout.rows * layout.columns)
    write_pyramid(
        store,
        layout,
        hashes=how.hashes,
        workers=local_workers(how.workers, "cpu"),
        done=count.add,
    )
    consolidate(store)
    if isinstance(store, Path) and isinstance(path, Path):
        move_folder(store, path)


def _no_options(name: str) -> Callable[[Mapping[str, str], str], None]:
    def check(options: Mapping[str, str], dtype: str) -> None:
        del dtype
        if options:
            raise PlanError(
                f"a {name} output takes no creation options, got {', '.join(options)}; "
                "a GeoTIFF does"
            )

    return check


def _is_folder(path: AnyPath) -> str:
    return "is a folder" if path.is_dir() else ""


def _is_no_store(path: AnyPath) -> str:
    is_store = any((path / name).exists() for name in ("zarr.json", ".zgroup"))
    return "" if is_store else "is not a zarr store"


FORMATS = (
    # Store, overviews and file exist for a moment: the first two compressed to about three
    # quarters, the file perhaps not at all; overviews are a third of their image.
    # Efforts are those of float32 (benchmarks/export.py, benchmarks/outputs.py).
    OutputFormat(
        "GeoTIFF",
        (".tif", ".tiff"),
        space=2.4,
        effort=12e-9,
        parallel=True,
        check_options=check_options,
        refusal=_is_folder,
        finish=_finish_geotiff,
    ),
    OutputFormat(
        "zarr",
        (".zarr",),
        space=1.5,
        effort=4.5e-9,
        parallel=True,
        check_options=_no_options("zarr"),
        refusal=_is_no_store,
        finish=_finish_zarr,
    ),
    OutputFormat(
        "ENVI",
        (".dat", ".bsq"),  # no .img, by which Erdas Imagine is known
        space=2.1,
        effort=2.5e-9,
        parallel=False,
        check_options=_no_options("ENVI"),
        refusal=_is_folder,
        finish=_finish_envi,
        companions=envi_files,
    ),
    OutputFormat(
        "netCDF",
        (".nc",),
        space=2.1,
        effort=26e-9,
        parallel=False,
        check_options=_no_options("netCDF"),
        refusal=_is_folder,
        finish=_finish_netcdf,
    ),
)
