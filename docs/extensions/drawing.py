"""Drawings of a simulated pair and of its fusion, from arrays."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from hsfuse.core.picture import natural_bands, stretch_limits, stretched
from hsfuse.core.resample import degrade_matrix
from hsfuse.pair.geometry import Pair
from hsfuse.sensor.model import Sensor

# Colour-blind safe (Okabe and Ito).
TRUTH, FUSED, INTERPOLATED, FOURTH = "#000000", "#0072B2", "#D55E00", "#009E73"
Image = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """
    A simulated pair, its reference and results, all on the grid of the output but for ``hs``.

    Attributes
    ----------
    wavelength : ndarray of shape (bands,)
        Nanometres.
    good : ndarray of bool, shape (bands,)
        Bands that count in an error.
    ms_wavelength : ndarray of shape (MS bands,)
        Nanometres.
    hs, ms, truth : ndarray of shape (bands, rows, columns)
        Reflectance.
    results : mapping of str to ndarray
        Fused rasters by the name of the method.
    hs_extent : tuple of float
        Left, right, bottom and top edge of ``hs`` in pixels of the output.
    standard_error : ndarray of shape (rows, columns) or None
        Of ``ms-ssfnet``.
    """

    wavelength: NDArray[np.float64]
    good: NDArray[np.bool_]
    ms_wavelength: NDArray[np.float64]
    hs: Image
    ms: Image
    truth: Image
    results: Mapping[str, Image]
    hs_extent: tuple[float, float, float, float]
    standard_error: Image | None = None

    @classmethod
    def of(
        cls,
        hs: xr.DataArray,
        ms: xr.DataArray,
        truth: xr.DataArray,
        results: Mapping[str, xr.DataArray],
    ) -> Case:
        """Return the case of rasters, cut to the grid of the results."""
        fused = next(iter(results.values()))
        place = {"x": fused["x"], "y": fused["y"], "method": "nearest"}
        errors = [each.coords.get("standard_error") for each in results.values()]
        known = [error.values for error in errors if error is not None]
        return cls(
            hs["wavelength"].values,
            hs["good"].values,
            ms["wavelength"].values,
            hs.values,
            ms.sel(**place).values,
            truth.sel(**place).values,
            {name: each.values for name, each in results.items()},
            (*_edges(hs["x"], fused["x"]), *_edges(hs["y"], fused["y"])[::-1]),
            known[0] if known else None,
        )

    def error(self, method: str) -> Image:
        """Return the root mean square error of each pixel over the good bands."""
        difference = self.results[method][self.good] - self.truth[self.good]
        return np.sqrt(np.nanmean(difference**2, axis=0))


def draw_result(case: Case, method: str, part: tuple[slice, slice], notes: Sequence[str]) -> Figure:
    """Return HS, MS and fused image of a part, and the spectra where interpolation errs most."""
    figure = _figure(12.6, 3.5)
    axes = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.45))
    images = (case.hs, case.hs), (case.ms, case.ms), (case.results[method], case.hs)
    row, column = _worst_pixel(case, part)
    for panel, (image, whole), note in zip(axes, images, notes, strict=False):
        _show(panel, case, image, whole)
        panel.set(xlim=(part[1].start, part[1].stop), ylim=(part[0].stop, part[0].start))
        panel.plot(
            column + 0.5, row + 0.5, "o", ms=10, markerfacecolor="none", color="white", mew=1.6
        )
        title, _, below = note.partition("\n")
        panel.set_title(title, loc="left", fontsize=9.5)
        panel.set_xlabel(below, loc="left", fontsize=9.5)
    draw_spectra(axes[3], case, method, (row, column))
    axes[3].set_title("spectra at the circle", loc="left", fontsize=9.5)
    return figure


def draw_spectra(axes: Axes, case: Case, method: str, pixel: tuple[int, int]) -> None:
    """Draw reference, fused and interpolated spectrum of a pixel."""
    lines = {
        "reference": (case.truth, TRUTH, 3.2, 0.45),
        f"fused ({method})": (case.results[method], FUSED, 1.3, 1.0),
        "HS image, interpolated": (case.results["bicubic"], INTERPOLATED, 1.3, 1.0),
    }
    for label, (cube, colour, width, alpha) in lines.items():
        values = np.where(case.good, cube[:, *pixel], np.nan)
        axes.plot(case.wavelength, values, color=colour, lw=width, alpha=alpha, label=label)
    axes.set_xlabel("wavelength [nm]")
    axes.set_ylabel("reflectance")
    axes.set_ylim(bottom=0)
    _plain(axes)
    axes.legend(frameon=False, fontsize=8.5)


def draw_sensors(pair: Pair, ms_sensor: Sensor, bands: Sequence[str]) -> Figure:
    """Return the PSF of one HS pixel on the MS grid, and the responses of the MS bands."""
    figure = _figure(11, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 2.2))
    weights = [
        degrade_matrix(axis, width)[axis.coarse // 2]
        for axis, width in zip((pair.geometry.y, pair.geometry.x), pair.psf.fwhm, strict=True)
    ]
    used = [np.flatnonzero(weight > 1e-4 * weight.max()) for weight in weights]
    kernel = np.outer(*weights)
    spans = [slice(place[0], place[-1] + 1) for place in used]
    extent = (spans[1].start, spans[1].stop, spans[0].stop, spans[0].start)
    shown = left.imshow(kernel[*spans], extent=extent, cmap="viridis")
    sides = []
    for axis in (pair.geometry.y, pair.geometry.x):
        start = axis.origin + axis.coarse // 2 * axis.ratio
        sides.append((start, axis.ratio))
    (top, height), (edge, width) = sides
    left.add_patch(Rectangle((edge, top), width, height, fill=False, edgecolor="white", lw=1.5))
    left.set(xlabel="MS pixel, x", ylabel="MS pixel, y")
    left.set_title("D: weights of one HS pixel", loc="left", fontsize=10)
    figure.colorbar(shown, ax=left, shrink=0.85)
    curves = ms_sensor.curves
    if curves is not None:
        for name, colour in zip(bands, (FUSED, FOURTH, INTERPOLATED, "#CC79A7"), strict=False):
            response = curves.response[ms_sensor.band_names.index(name)]
            right.plot(
                curves.wavelength, response / response.max(), color=colour, label=name, lw=1.4
            )
    right.plot(pair.hs["wavelength"], np.full(pair.hs.sizes["band"], -0.04), "|", color="#777777")
    right.set(xlabel="wavelength [nm]", ylabel="response, maximum 1", xlim=(400, 1000))
    right.set_title(
        "R: responses of the MS bands; centres of the HS bands", loc="left", fontsize=10
    )
    right.legend(frameon=False, ncols=4, fontsize=9, loc="upper center")
    right.set_ylim(top=1.25)
    _plain(right)
    return figure


def draw_pipeline(case: Case) -> Figure:
    """Return the steps of a run, each with the image that it gives."""
    figure = _figure(12, 4.3)
    figure.set_layout_engine("none")
    correction = np.abs(case.results["ms-ssfnet"] - case.results["kriging"])[case.good].mean(axis=0)
    columns = (0.01, 0.215, 0.42, 0.625, 0.83)
    width, height = 0.16, 0.16 * 12 / 4.3
    panels = {
        "HS image": (columns[0], 0.52, case.hs, case.hs),
        "MS image": (columns[0], 0.02, case.ms, case.ms),
        "estimate: guided": (columns[2], 0.52, case.results["guided"], case.hs),
        "estimate: kriging": (columns[2], 0.02, case.results["kriging"], case.hs),
        "fused": (columns[4], 0.27, case.results["ms-ssfnet"], case.hs),
    }
    for name, (x, y, image, whole) in panels.items():
        axes = figure.add_axes((x, y, width, height * 0.88))
        _show(axes, case, image, whole)
        axes.set_title(name, fontsize=9.5, loc="left", pad=3)
    axes = figure.add_axes((columns[3], 0.27, width, height * 0.88))
    axes.imshow(correction, cmap="magma", vmax=float(np.percentile(correction, 99)))
    axes.set(xticks=[], yticks=[])
    axes.set_title("correction, data consistency", fontsize=9.5, loc="left", pad=3)
    steps = ("survey:", "shift, PSF, R", "gain, offset", "noise", "components")
    figure.text(
        columns[1] + width / 2, 0.5, "\n".join(steps), ha="center", va="center", fontsize=10,
        bbox={"boxstyle": "round,pad=0.8", "facecolor": "#eef3f7", "edgecolor": "#8aa"},
    )  # fmt: skip
    for start, stop in pairwise(columns):
        figure.text((start + width + stop) / 2, 0.5, "→", ha="center", va="center", fontsize=20)
    return figure


def draw_errors(case: Case, methods: Sequence[str]) -> Figure:
    """Return maps of the error of each method on one scale."""
    figure = _figure(12, 3.3)
    largest = float(np.percentile(case.error(methods[0]), 98))
    panels = figure.subplots(1, len(methods))
    for axes, method in zip(panels, methods, strict=True):
        error = case.error(method)
        shown = axes.imshow(error, cmap="magma", norm=PowerNorm(0.5, vmin=0, vmax=largest))
        axes.set(xticks=[], yticks=[])
        mean = float(np.sqrt(np.nanmean(error**2)))
        axes.set_title(f"{method}: {mean:.4f}", loc="left", fontsize=10)
    figure.colorbar(shown, ax=panels, label="error, reflectance", shrink=0.9)
    return figure


def draw_uncertainty(case: Case) -> Figure:
    """Return true and standard error, and how many pixels are below multiples of the latter."""
    if case.standard_error is None:
        raise ValueError("the case has no standard errors")
    figure = _figure(12, 3.5)
    axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
    error, standard = case.error("ms-ssfnet"), case.standard_error
    largest = float(np.percentile(error, 99))
    for panel, image, title in zip(
        axes, (error, standard), ("true error", "standard error"), strict=False
    ):
        shown = panel.imshow(image, cmap="magma", vmin=0, vmax=largest)
        panel.set(xticks=[], yticks=[])
        panel.set_title(title, loc="left", fontsize=10)
    figure.colorbar(shown, ax=axes[:2], label="reflectance", shrink=0.85)
    multiples = np.linspace(0, 3, 61)
    below = [float(np.mean(error < multiple * standard)) for multiple in multiples]
    axes[2].plot(multiples, below, color=FUSED, lw=1.6)
    axes[2].plot([1.645], [0.9], "o", markerfacecolor="none", color=TRUTH)
    axes[2].annotate(
        "typical scene: 90 % below 1.645",
        (1.645, 0.9),
        (0.9, 0.45),
        fontsize=9,
        arrowprops={"arrowstyle": "->", "color": "#777777"},
    )
    axes[2].set(xlabel="multiple of the standard error", ylabel="share of the pixels below it")
    _plain(axes[2])
    return figure


def draw_pixel(case: Case) -> Figure:
    """Return the spectra of the pixel at which interpolation errs most."""
    figure = _figure(8, 3.3)
    axes = figure.subplots()
    whole = tuple(slice(0, size) for size in case.truth.shape[1:])
    draw_spectra(axes, case, "ms-ssfnet", _worst_pixel(case, (whole[0], whole[1])))
    return figure


def png(figure: Figure, dpi: int = 110) -> bytes:
    """Return a figure as a PNG file."""
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi)
    return stream.getvalue()


def _worst_pixel(case: Case, part: tuple[slice, slice]) -> tuple[int, int]:
    """Return the pixel of a part, away from its edges, at which interpolation errs most."""
    error = case.error("bicubic")[part].copy()
    border = max(2, min(error.shape) // 10)
    error[:border] = error[-border:] = error[:, :border] = error[:, -border:] = 0
    row, column = np.unravel_index(int(np.nanargmax(error)), error.shape)
    return int(row) + part[0].start, int(column) + part[1].start


def _show(axes: Axes, case: Case, image: Image, whole: Image) -> None:
    """Show an image in natural colours, with the contrast stretch of another."""
    wavelength = case.ms_wavelength if len(image) == len(case.ms_wavelength) else case.wavelength
    bands = natural_bands(wavelength, np.ones(len(wavelength), bool))
    rows, columns = case.truth.shape[1:]
    extent = case.hs_extent if image is case.hs else (0, columns, rows, 0)
    axes.imshow(stretched(image[bands], stretch_limits(whole[bands])), extent=extent)
    axes.set(xticks=[], yticks=[], xlim=(0, columns), ylim=(rows, 0))


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def _edges(coarse: xr.DataArray, fine: xr.DataArray) -> tuple[float, float]:
    """Return the first and the last edge of coarse pixels, in fine pixels from the first edge."""
    step, large = float(fine[1] - fine[0]), float(coarse[1] - coarse[0])
    start = (float(coarse[0] - fine[0]) - large / 2) / step + 0.5
    return start, start + len(coarse) * large / step


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
