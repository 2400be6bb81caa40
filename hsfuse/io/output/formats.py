"""
The table of output formats: file names, creation options, cost and export function of each.

Every output is first written as a zarr store (:mod:`hsfuse.io.output.journal`), whatever its
format; the export function converts the finished store. A new format is one more row of
:data:`FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hsfuse.core.stages import Stage, StageCount, ignore_stage
from hsfuse.errors import OutputError, PlanError
from hsfuse.io.files.replacement import move_folder
from hsfuse.io.files.url import AnyPath
from hsfuse.io.output.band_labels import styled_bands
from hsfuse.io.output.envi import divides_reflectance, envi_files, export_envi
from hsfuse.io.output.geotiff import check_options, export_geotiff
from hsfuse.io.output.layout import OutputLayout
from hsfuse.io.output.planes import Piece
from hsfuse.io.output.pyramid import write_pyramid
from hsfuse.io.output.qgis_style import StretchSample, write_style
from hsfuse.io.output.zarr_layout import consolidate, read_layout
from hsfuse.parallel import local_workers

__all__ = ["FORMATS", "ExportOptions", "OutputFormat", "find_format"]

_SIDECARS = (".aux.xml", ".ovr", ".msk")  # GDAL would apply those of a replaced file


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """
    Options of the export of a complete store.

    Attributes
    ----------
    creation_options : mapping of str to str
        GDAL creation options.
    hashes : mapping of str to str or None
        SHA-256 of the chunks of the store by their path inside it; None for a chunk without a file.
    workers : int, optional
        Number of threads; one per core by default.
    stage : callable
        Called with the name of each stage and the share of the work done before it.
    uploaded : bool
        Whether the file is then uploaded to an object store, where no QGIS style is written.
    """

    creation_options: Mapping[str, str] = field(default_factory=dict)
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
        Name in messages.
    suffixes : tuple of str
        Suffixes of its files; the first is the usual one.
    space : float
        Peak disk space, as a multiple of the stored bytes before compression.
    effort : float
        Time of the export with one worker, in seconds per stored byte before compression.
    parallel : float
        Share of it that several workers divide.
    check_options : callable
        Takes creation options and the stored number type; raises PlanError for options that the
        format does not accept.
    refusal : callable
        Takes an existing path; returns the reason why it is not replaced, or an empty string.
    finish : callable
        Takes a complete store, the final path and the export options; writes the output to that
        path.
    companions : callable
        Takes the final path; returns the files that may accompany it, the indispensable one last.
    """

    name: str
    suffixes: tuple[str, ...]
    space: float
    effort: float
    parallel: float
    check_options: Callable[[Mapping[str, str], str], object]
    refusal: Callable[[AnyPath], str]
    finish: Callable[[AnyPath, AnyPath, ExportOptions], object]
    companions: Callable[[AnyPath], list[AnyPath]] = lambda path: []

    def seconds(self, stored: int, workers: int) -> float:
        """Return the estimated time of the export in seconds, on an idle machine."""
        return self.effort * stored * (1 - self.parallel + self.parallel / workers)


def find_format(path: AnyPath) -> OutputFormat:
    """
    Return the format of an output by the suffix of its name.

    Raises
    ------
    OutputError
        If no format has the suffix.

    Examples
    --------
    >>> find_format(Path("fused.TIF")).name
    'GeoTIFF'
    """
    for row in FORMATS:
        if path.suffix.lower() in row.suffixes:
            return row
    accepted = ", ".join(suffix for row in FORMATS for suffix in row.suffixes)
    found = f"not in {path.suffix!r}" if path.suffix else "and this name has no suffix"
    if path.is_dir():
        found += f"; expected the name of a file in the folder {path}"
    raise OutputError(f"{path}: an output must end in {accepted}, {found}")


def _export_geotiff(store: AnyPath, path: AnyPath, options: ExportOptions) -> None:
    layout, sample = _stretch_sample(store)
    export_geotiff(
        Path(store),  # local, also where the output is uploaded afterwards
        Path(path),
        creation_options=options.creation_options,
        hashes=options.hashes,
        on_piece=sample.add,
        workers=options.workers,
        stage=options.stage,
    )
    _finish_export(Path(path), sample, layout.scale, layout.offset, options)


def _export_envi(store: AnyPath, path: AnyPath, options: ExportOptions) -> None:
    layout, sample = _export_pieces(export_envi, store, path, options)
    scale = 1.0 if divides_reflectance(layout) else layout.scale
    _finish_export(Path(path), sample, scale, layout.offset, options)


def _export_netcdf(store: AnyPath, path: AnyPath, options: ExportOptions) -> None:
    from hsfuse.io.output.netcdf import export_netcdf  # imports h5py, which a plan does not need

    layout, sample = _export_pieces(export_netcdf, store, path, options)
    _finish_export(Path(path), sample, layout.scale, layout.offset, options)


def _export_pieces(
    export: Callable[..., object], store: AnyPath, path: AnyPath, options: ExportOptions
) -> tuple[OutputLayout, StretchSample]:
    """Export a store piece by piece, with progress; return its layout and the stretch sample."""
    layout, sample = _stretch_sample(store)
    count = StageCount(options.stage, "export", layout.planes * layout.rows * layout.columns)

    def add_piece(piece: Piece, values: NDArray[Any]) -> None:
        sample.add(piece, values)
        count.add(piece.size)

    export(Path(store), Path(path), hashes=options.hashes, on_piece=add_piece)
    return layout, sample


def _stretch_sample(store: AnyPath) -> tuple[OutputLayout, StretchSample]:
    layout = read_layout(store)
    return layout, StretchSample(styled_bands(layout), layout.shape[1:], layout.fill)


def _finish_export(
    path: Path, sample: StretchSample, scale: float, offset: float, options: ExportOptions
) -> None:
    """Remove sidecar files of a replaced output, and write a QGIS style."""
    for suffix in _SIDECARS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if not options.uploaded:
        write_style(path, sample, scale, offset)


def _export_zarr(store: AnyPath, path: AnyPath, options: ExportOptions) -> None:
    layout = read_layout(store)
    count = StageCount(
        options.stage, "overviews", 4 / 3 * layout.planes * layout.rows * layout.columns
    )
    write_pyramid(
        store,
        layout,
        workers=local_workers(options.workers, "cpu"),
        advance=count.add,
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
    # Space: store, overviews and file exist at the same time; the first two compress to about three
    # quarters, the file perhaps not at all, and overviews add a third of the image.
    # Effort: of float32 (benchmarks/export.py, benchmarks/outputs.py). GeoTIFF of int16 takes 12e-9
    # to 15e-9 with one worker, whose store is read by threads of zarr, and 11e-9 to 14e-9 with two.
    OutputFormat(
        "GeoTIFF",
        (".tif", ".tiff"),
        space=2.4,
        effort=15e-9,
        parallel=0.5,
        check_options=check_options,
        refusal=_is_folder,
        finish=_export_geotiff,
    ),
    OutputFormat(
        "zarr",
        (".zarr",),
        space=1.5,
        effort=4.5e-9,
        parallel=1.0,
        check_options=_no_options("zarr"),
        refusal=_is_no_store,
        finish=_export_zarr,
    ),
    OutputFormat(
        "ENVI",
        (".dat", ".bsq"),  # no .img, the suffix of Erdas Imagine
        space=2.1,
        effort=2.5e-9,
        parallel=0.0,
        check_options=_no_options("ENVI"),
        refusal=_is_folder,
        finish=_export_envi,
        companions=envi_files,
    ),
    OutputFormat(
        "netCDF",
        (".nc",),
        space=2.1,
        effort=26e-9,
        parallel=0.0,
        check_options=_no_options("netCDF"),
        refusal=_is_folder,
        finish=_export_netcdf,
    ),
)
