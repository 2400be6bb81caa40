"""Colour images and spectra of a raster, drawn with matplotlib: ``da.hsfuse.plot``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xarray as xr

from hsfuse.core.picture import NO_DATA
from hsfuse.io.names import STANDARD_ERROR
from hsfuse.xarray.maps import find_grid
from hsfuse.xarray.pictures import line_of, picture_of, value_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PlotAccessor"]


@dataclass(frozen=True, slots=True)
class _Style:
    """Style of the plots."""

    ticks: int = 4  # maximum per axis; map coordinates are long numbers
    error_alpha: float = 0.25  # opacity of the shaded standard error


_STYLE = _Style()


class PlotAccessor:
    """
    Plots of a raster; ``da.hsfuse.plot()`` is :meth:`rgb`.

    Parameters
    ----------
    raster : DataArray
        Dimensions band, y and x.
    """

    def __init__(self, raster: xr.DataArray) -> None:
        self._raster = raster

    def __call__(self, **options: Any) -> Axes:
        """Draw the raster in colour; see :meth:`rgb`."""
        return self.rgb(**options)

    def rgb(self, ax: Axes | None = None, *, like: xr.DataArray | None = None) -> Axes:
        """
        Draw red, green and blue (:meth:`RasterAccessor.rgb`) on map coordinates.

        Each colour is stretched between its 2nd and 98th percentile, with a gamma of 0.8; pixels
        without data are light grey. A raster with more than 1000 rows or columns is block averaged
        to at most 1000, which bounds the memory; all pixels of its three bands are read.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            The current axes by default.
        like : DataArray, optional
            Raster of the same bands and units, such as the HS image, whose percentiles replace
            those of this raster, for visual comparison.

        Returns
        -------
        matplotlib Axes
        """
        return draw_rgb(self._raster, ax, like=like)

    def spectrum(
        self, x: Any, y: Any, crs: Any = None, *, ax: Axes | None = None, **options: Any
    ) -> Axes:
        """
        Draw the spectra at points of the map over wavelength; bad bands are left out.

        With an uncertainty (``standard_error``) the spectrum plus and minus one standard error is
        shaded.

        Parameters
        ----------
        x, y, crs
            As for :meth:`RasterAccessor.spectrum`.
        ax : matplotlib Axes, optional
            The current axes by default.
        **options
            Options of :meth:`matplotlib.axes.Axes.plot`, such as ``label`` or ``color``.

        Returns
        -------
        matplotlib Axes
        """
        return draw_spectrum(self._raster, x, y, crs, ax=ax, **options)

    def interactive(self, *, width: int = 420) -> Any:
        """
        Return the colour image beside the spectrum of the clicked pixel, as a holoviews layout.

        Parameters
        ----------
        width : int
            Width of the image in screen pixels.

        Returns
        -------
        holoviews Layout
            Displayed by notebooks, with zoom and pan.

        Raises
        ------
        PlanError
            If holoviews is not installed: ``pip install 'hsfuse[plot]'``.
        """
        from hsfuse.xarray.interactive import linked_views

        return linked_views(self._raster, width)


def draw_rgb(raster: xr.DataArray, ax: Axes | None, *, like: xr.DataArray | None) -> Axes:
    """Draw a raster in colour; see :meth:`PlotAccessor.rgb`."""
    axes = _current(ax)
    shown = picture_of(raster, like=like)
    rows, columns = (shown.step * length for length in shown.image.shape[:2])
    grid = find_grid(raster)
    axes.set(aspect="equal", facecolor=(NO_DATA,) * 3)
    axes.set_title(shown.title, fontsize="medium")
    options: dict[str, Any] = {"extent": (0, columns, rows, 0), "interpolation": "nearest"}
    if grid is None:
        axes.imshow(shown.image, **options)
        axes.set(xlabel="column [pixels]", ylabel="row [pixels]")
    else:
        from matplotlib.transforms import Affine2D

        a, b, c, d, e, f = grid.transform[:6]
        onto_map = Affine2D.from_values(a, d, b, e, c, f)
        axes.imshow(shown.image, **options, transform=onto_map + axes.transData)
        axes.set(xlim=grid.bounds[:2], ylim=grid.bounds[2:])
        axes.set_xlabel(grid.labels[0])
        axes.set_ylabel(grid.labels[1])
        axes.ticklabel_format(useOffset=False, style="plain")
        axes.locator_params(nbins=_STYLE.ticks)
    return axes


def draw_spectrum(
    raster: xr.DataArray, x: Any, y: Any, crs: Any, *, ax: Axes | None, **options: Any
) -> Axes:
    """Draw spectra; see :meth:`PlotAccessor.spectrum`."""
    from hsfuse.xarray.points import point_spectra

    axes = _current(ax)
    spectra = point_spectra(raster, x, y, crs).compute().transpose("band", ...)
    line = line_of(raster)
    values = line.values(spectra.values.reshape(len(spectra), -1))
    drawn = axes.plot(line.place, values, **options)
    if STANDARD_ERROR in spectra.coords:
        errors = spectra[STANDARD_ERROR].values.reshape(-1)
        for artist, column, error in zip(drawn, values.T, errors, strict=True):
            axes.fill_between(
                line.place, column - error, column + error,
                color=artist.get_color(), alpha=_STYLE.error_alpha, linewidth=0,
            )  # fmt: skip
    axes.set(xlabel=line.label, ylabel=value_label(raster))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if "label" in options:
        axes.legend(frameon=False, loc="upper right")
    return axes


def _current(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.gca()
