"""
What a raster lacks: undeclared fill is masked, values lost in single bands are estimated.

Both are decided by a sample before anything is fused. A raster of few pixels is read as a whole. Of
a larger one fill is seen where it lies in one of the windows, or crosses a line that shows it
(:mod:`hsfuse.io.sampling`): a region across the whole scene does, however narrow, where the file
allows lines at right angles to it. Smaller regions between windows and lines are found when they
are fused, and reported (:mod:`hsfuse.fusion.undeclared`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.fill import Fill, MeasuredRange, find_fills, range_of, without_fills
from hsfuse.core.spectral_gaps import SpectralGaps, fit_gaps
from hsfuse.io.pixels import Key, chunk_size, lazy, split
from hsfuse.io.sampling import read_pixels, read_suspicious, read_whole, read_windows

__all__ = ["Completed", "without_gaps"]

Cube = NDArray[np.float32]


class Completed(NamedTuple):
    """
    A raster without undeclared fill, and without values lost in single bands.

    Attributes
    ----------
    raster : DataArray of shape (bands, rows, columns)
        Lazy; notes in its attributes say what was done.
    measured : MeasuredRange or None
        Of what was looked at, without fill; None where the no-data number was given by the user.
    whole : DataArray or None
        The raster in memory, where it was read as a whole.
    """

    raster: xr.DataArray
    measured: MeasuredRange | None
    whole: xr.DataArray | None


def without_gaps(raster: xr.DataArray, *, spectra: bool) -> Completed:
    """
    Return a raster without undeclared fill, and without values lost in single bands.

    Parameters
    ----------
    raster : DataArray of shape (bands, rows, columns)
        From :func:`hsfuse.open_raster`. Where its no-data number was given by the user, no
        other is looked for.
    spectra : bool
        Whether values lost in few bands of a pixel are estimated from the others.

    """
    given = bool(raster.attrs.get("nodata_given"))
    whole = read_whole(raster)
    patches = read_windows(raster) if whole is None else [whole]
    fills, patches = ([], patches) if given else _search(raster, patches, lines=whole is None)
    notes = [*raster.attrs.get("notes", ()), *map(_fill_note, fills)]
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
        completed = raster.copy(data=data).assign_attrs(notes=notes)
    if whole is None:
        return Completed(completed, measured, None)
    values = patches[0] if gaps is None else gaps.closed(patches[0])
    return Completed(completed, measured, completed.copy(data=values))


def _search(
    raster: xr.DataArray, patches: list[Cube], *, lines: bool
) -> tuple[list[Fill], list[Cube]]:
    """Return the fills of a raster and windows of it without them, more of them by lines."""
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
        "(--hs-nodata none, --rgb-nodata none)"
    )


@dataclass(frozen=True, eq=False)
class CompletedPixels:
    """
    The pixels of :func:`without_gaps`.

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
        """The file or store."""
        return str(self.raster.attrs.get("source", ""))

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(bands, rows, columns)``."""
        bands, rows, columns = self.raster.shape
        return (bands, rows, columns)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what names these pixels."""
        gaps = self.gaps
        known = None if gaps is None else (gaps.bands.tobytes(), gaps.correlation.tobytes())
        return ("CompletedPixels", self.raster.data.name, repr(self.fills), known)

    def __getitem__(self, key: Key) -> NDArray[np.float32]:
        """Read bands of a window."""
        spans, rest = split(key, self.shape)
        bands, rows, columns = (slice(span.start, span.stop) for span in spans)
        if not all(len(span) for span in spans):
            return np.empty([len(span) for span in spans], np.float32)[rest]
        # All bands: what one lacks shows in the others.
        cube = without_fills(read_pixels(self.raster, rows, columns), self.fills)
        if self.gaps is not None:
            cube = self.gaps.closed(cube)
        return cube[bands][rest]
