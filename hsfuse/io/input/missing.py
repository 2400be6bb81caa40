"""
Missing values of a raster: undeclared fill is masked, gaps in single bands are estimated.

Both are detected in a sample before fusion. A small raster is read completely. In a larger one,
fill is detected inside sample windows and where it crosses sample lines
(:mod:`hsfuse.io.input.sampling`). A region across the whole scene crosses lines at right angles,
however narrow it is. Smaller regions between windows and lines are detected during fusion and
reported (:mod:`hsfuse.fusion.undeclared`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.fill import Fill, MeasuredRange, find_fills, range_of, without_fills
from hsfuse.core.spectral_gaps import SpectralGaps, fit_gaps
from hsfuse.io.input.labels import join_notes, raster_notes
from hsfuse.io.input.pixels import Key, chunk_size, lazy, split_index
from hsfuse.io.input.sampling import read_pixels, read_suspicious, read_whole, read_windows

__all__ = ["Completed", "without_gaps"]

Cube = NDArray[np.float32]


class Completed(NamedTuple):
    """
    A raster with undeclared fill masked and spectral gaps filled.

    Attributes
    ----------
    raster : DataArray of shape (bands, rows, columns)
        Lazy; its attribute ``notes`` has the corrections, one a line.
    measured : MeasuredRange or None
        Value range of the sample, without fill; None where the user gave the no-data value.
    whole : DataArray or None
        The raster in memory, where it was read completely.
    """

    raster: xr.DataArray
    measured: MeasuredRange | None
    whole: xr.DataArray | None


def without_gaps(raster: xr.DataArray, *, spectra: bool) -> Completed:
    """
    Mask undeclared fill of a raster, and fill gaps in single bands of its pixels.

    Parameters
    ----------
    raster : DataArray of shape (bands, rows, columns)
        From :func:`hsfuse.open_raster`. Where the user gave its no-data value, no other fill is
        searched for.
    spectra : bool
        Whether values missing in few bands of a pixel are estimated from the other bands.

    """
    given = bool(raster.attrs.get("nodata_given"))
    whole = read_whole(raster)
    patches = read_windows(raster) if whole is None else [whole]
    fills, patches = ([], patches) if given else _search(raster, patches, lines=whole is None)
    notes = [*raster_notes(raster), *map(_fill_note, fills)]
    measured = None if given else range_of(patches)
    gaps = None
    if spectra:
        good = np.asarray(raster["good"].values, dtype=bool)
        wavelength = np.asarray(raster["wavelength"].values, dtype=np.float64)
        gaps = fit_gaps(patches, good, wavelength)
    completed = raster
    if gaps is not None:
        notes.append(
            f"{gaps.values:.2g} of the values in good bands, in {gaps.pixels:.1%} of the pixels, "
            "are missing in single bands; they are estimated from the neighbouring bands"
        )
    if fills or gaps is not None:
        pixels = CompletedPixels(raster, tuple(fills), gaps)
        data = lazy(pixels, chunk_size(pixels.shape, (1, 1)))
        completed = raster.copy(data=data).assign_attrs(notes=join_notes(notes))
    if whole is None:
        return Completed(completed, measured, None)
    values = patches[0] if gaps is None else gaps.closed(patches[0])
    return Completed(completed, measured, completed.copy(data=values))


def _search(
    raster: xr.DataArray, patches: list[Cube], *, lines: bool
) -> tuple[list[Fill], list[Cube]]:
    """Return the undeclared fills of a raster, and the sample windows with these fills masked."""
    fills = find_fills(patches)
    patches = [without_fills(patch, fills) for patch in patches]
    if not lines:
        return fills, patches
    more = [
        without_fills(patch, fills) for patch in read_suspicious(raster, range_of(patches), fills)
    ]
    if not more:
        return fills, patches
    patches += more
    found = find_fills(patches)
    return [*fills, *found], [without_fills(patch, found) for patch in patches]


def _fill_note(fill: Fill) -> str:
    what = "values" if fill.alone else "pixels"
    number = "a spectrum of its own in all bands" if fill.number is None else f"{fill.number:.7g}"
    everywhere = "" if fill.alone or fill.number is None else " in all bands"
    return (
        f"{number}{everywhere} is taken for no data though not declared so: {fill.share:.2%} of "
        f"the {what} looked at hold it; if it is measured, state that no number means no data "
        "(`--hs-nodata none`, `--rgb-nodata none`)"
    )


@dataclass(frozen=True, eq=False)
class CompletedPixels:
    """
    Pixels of :func:`without_gaps`.

    Attributes
    ----------
    raster : DataArray of shape (bands, rows, columns)
    fills : tuple of Fill
    gaps : SpectralGaps or None
    """

    raster: xr.DataArray
    fills: tuple[Fill, ...]
    gaps: SpectralGaps | None
    dtype: np.dtype[np.float32] = np.dtype(np.float32)  # noqa: RUF009 - a constant
    ndim: int = 3

    @property
    def path(self) -> str:
        """File or store, for messages."""
        return str(self.raster.attrs.get("source", ""))

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        bands, rows, columns = self.raster.shape
        return (bands, rows, columns)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return the identifier of these pixels for dask."""
        gaps = self.gaps
        known = None if gaps is None else (gaps.bands.tobytes(), gaps.correlation.tobytes())
        return ("CompletedPixels", self.raster.data.name, repr(self.fills), known)

    def __getitem__(self, key: Key) -> NDArray[np.float32]:
        """Read bands of a window."""
        spans, rest = split_index(key, self.shape)
        bands, rows, columns = (slice(span.start, span.stop) for span in spans)
        if not all(len(span) for span in spans):
            return np.empty([len(span) for span in spans], np.float32)[rest]
        # All bands are needed to detect fill and to estimate gaps.
        cube = without_fills(read_pixels(self.raster, rows, columns), self.fills)
        if self.gaps is not None:
            cube = self.gaps.closed(cube)
        return cube[bands][rest]
