"""The subject of a report: a fused raster with its pair and the record of its run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.assessment.comparison import observed_for, record_of
from hsfuse.assessment.observation import ObservedPair
from hsfuse.core.grid import Geometry
from hsfuse.errors import RasterError
from hsfuse.io.files.url import AnyPath
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.io.output.records import record_path, recorded_images
from hsfuse.io.read import open_raster
from hsfuse.pair.lattice import common_bands, lattice_offset
from hsfuse.report.cost import HELD_VALUES
from hsfuse.report.page.pixels import read_pixels
from hsfuse.report.record import outcome_as_dict

if TYPE_CHECKING:
    from hsfuse.fusion.job import Outcome

__all__ = ["Subject", "file_subject", "outcome_subject"]


@dataclass(frozen=True)
class Subject:
    """
    A fused raster, its pair, and the record of its run.

    Attributes
    ----------
    path : Path or Url
        The fused raster.
    fused : DataArray
        The fused raster (band, y, x), in memory if it is small, otherwise lazy; with the
        coordinate ``standard_error`` if the file has one.
    held : bool
        Whether ``fused`` is in memory, so that the tiles of its file are decoded only once.
    observed : ObservedPair
        The pair with PSF, response, gain and offset.
    row, column : int
        Position of the first pixel of the fused raster on the MS grid (``observed.pair.rgb``).
    good : ndarray of bool, shape (bands,)
        Bands to show: good in both the fused raster and the HS image.
    record : mapping
        Record of the run; empty if there is none.
    """

    path: AnyPath
    fused: xr.DataArray
    held: bool
    observed: ObservedPair
    row: int
    column: int
    good: NDArray[np.bool_]
    record: Mapping[str, Any]

    @classmethod
    def of(cls, path: AnyPath, observed: ObservedPair, record: Mapping[str, Any]) -> Subject:
        """
        Return the subject for a fused file and the pair from which it was fused.

        Raises
        ------
        PairError
            If the file is not on the pixels of the MS image, or has other bands.
        """
        fused = open_raster(path)
        pair = observed.pair
        both = f"{pair.hs.attrs.get('source')} and {path}"
        hs = pair.hs.assign_coords(good=("band", observed.radiometry.good))
        good = np.zeros(fused.sizes["band"], dtype=bool)
        good[common_bands(hs, fused, both)] = True
        row, column = lattice_offset(pair.rgb, fused, f"{pair.rgb.attrs.get('source')} and {path}")
        held = fused.size <= HELD_VALUES
        if held:
            values = read_pixels(fused, *(np.arange(fused.sizes[axis]) for axis in ("y", "x")))
            fused = fused.copy(data=dask.array.from_array(values, chunks=-1))
        return cls(path, fused, held, observed, row, column, good, record)

    @property
    def geometry(self) -> Geometry:
        """Geometry of the HS grid relative to the fused raster."""
        y, x = self.observed.pair.geometry.y, self.observed.pair.geometry.x
        return Geometry(
            replace(y, fine=self.fused.sizes["y"], origin=y.origin - self.row),
            replace(x, fine=self.fused.sizes["x"], origin=x.origin - self.column),
        )

    @property
    def units(self) -> str:
        """Units of the HS image and of the fused raster; empty if unknown."""
        return str(self.observed.pair.hs.attrs.get("units") or "")

    @property
    def standard_error(self) -> xr.DataArray | None:
        """The standard error (y, x); None if the file has none."""
        return self.fused.coords.get(STANDARD_ERROR)


def outcome_subject(outcome: Outcome) -> Subject:
    """Return the subject for a finished run."""
    plan = outcome.job.plan
    source = str(record_path(outcome.path))
    observed = ObservedPair(plan.pair, plan.radiometry, plan.noise, plan.synthesis, source)
    return Subject.of(outcome.path, observed, outcome_as_dict(outcome))


def file_subject(
    path: AnyPath,
    hs: AnyPath | None = None,
    ms: AnyPath | None = None,
    choices: Mapping[str, Any] | None = None,
) -> Subject:
    """
    Return the subject for a fused file.

    Parameters
    ----------
    path : Path or Url
        An output of :func:`hsfuse.run`, or a fused raster of another program.
    hs, ms : path, optional
        The HS and the MS image; by default those named by the record beside the file.
    choices : mapping, optional
        Options of :func:`hsfuse.assess`.

    Raises
    ------
    RasterError, PairError
        If a file cannot be read, no image is named, or the grids or bands do not match.
    """
    record, name, note = record_of(path)
    if hs is None or ms is None:
        images = recorded_images(record)
        if images is None:
            open_raster(path)  # raises if it does not exist, or is no raster
            raise RasterError(
                f"{note or f'{path}: has no record {name} of its run'}; expected the HS image and "
                "the MS image as well, as in `hsfuse report FUSED SCENE MS`"
            )
        hs, ms = images
    observed = observed_for(path, hs, ms, choices or {})
    # A record that is not used says nothing about the images shown.
    used = record if observed.source == name else {}
    return Subject.of(path, observed, used)
