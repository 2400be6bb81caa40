"""What a raster lacks: undeclared fill is masked, values lost in single bands are estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsfuse.core.fill import Fill, find_fills
from hsfuse.core.spectral_gaps import SpectralGaps, fit_gaps
from hsfuse.io.pixels import Key, chunk_size, lazy, split
from hsfuse.io.settings import PACKING, SAMPLING

__all__ = ["without_gaps"]


def without_gaps(raster: xr.DataArray, *, spectra: bool) -> xr.DataArray:
    """
    Return a raster without undeclared fill, and without values lost in single bands.

    Parameters
    ----------
    raster : DataArray of shape (bands, rows, columns)
        From :func:`hsfuse.open_raster`. Where its no-data number was given by the user, no
        other is looked for.
    spectra : bool
        Whether values lost in few bands of a pixel are estimated from the others.

    Returns
    -------
    DataArray
        Lazy; notes in its attributes say what was done.
    """
    patches = _sample(raster)
    notes = list(raster.attrs.get("notes", ()))
    fills = [] if raster.attrs.get("nodata_given") else find_fills(patches)
    for fill in fills:
        notes.append(_fill_note(fill))
        for patch in patches:
            patch[fill.within(patch)] = np.nan
    gaps = None
    if spectra:
        good = np.asarray(raster["good"].values, dtype=bool)
        wavelength = np.asarray(raster["wavelength"].values, dtype=np.float64)
        gaps = fit_gaps(patches, good, wavelength)
    if gaps is not None:
        notes.append(
            f"{gaps.values:.2g} of the values in good bands, in {gaps.pixels:.1%} of the pixels, "
            "are missing in single bands; they are estimated from the neighbouring bands"
        )
    if not fills and gaps is None:
        return raster
    pixels = CompletedPixels(raster, tuple(fills), gaps)
    completed = raster.copy(data=lazy(pixels, chunk_size(pixels.shape, (1, 1))))
    return completed.assign_attrs(notes=notes)


def _fill_note(fill: Fill) -> str:
    what = "values" if fill.alone else "pixels"
    number = "a spectrum of its own in all bands" if fill.number is None else f"{fill.number:.7g}"
    everywhere = "" if fill.alone or fill.number is None else " in all bands"
    return (
        f"{number}{everywhere} is taken for no data though not declared so: {fill.share:.2%} of "
        f"the {what} looked at hold it; if it is measured, state that no number means no data "
        "(--hs-nodata none, --rgb-nodata none)"
    )


def _sample(raster: xr.DataArray) -> list[NDArray[np.float32]]:
    """Return windows of a raster, all of a small one."""
    bands, rows, columns = raster.shape
    if bands * rows * columns <= SAMPLING.whole:
        return [_pixels(raster, slice(None), slice(None))]
    size = SAMPLING.spectra_side if bands > PACKING.most_colours else SAMPLING.colours_side
    starts = [
        sorted({int(at) for at in np.linspace(0, max(length - size, 0), SAMPLING.windows)})
        for length in (rows, columns)
    ]
    return [
        _pixels(raster, slice(top, top + size), slice(left, left + size))
        for top in starts[0]
        for left in starts[1]
    ]


def _pixels(raster: xr.DataArray, rows: slice, columns: slice) -> NDArray[np.float32]:
    window = raster.isel(y=rows, x=columns).compute(scheduler="synchronous").to_numpy()
    return np.array(window, dtype=np.float32)


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
        cube = _pixels(self.raster, rows, columns)
        for fill in self.fills:
            cube[fill.within(cube)] = np.nan
        if self.gaps is not None:
            cube = self.gaps.closed(cube)
        return cube[bands][rest]
