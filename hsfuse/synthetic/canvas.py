"""
The surface of a synthetic scene, and its rendering to reflectance.

A canvas has ``FINER`` times the rows and columns of its image and is averaged at the end, so that
edges become mixed pixels as in a real image. Positions and sizes are in pixels, rows first, from
the upper left corner. The sun is in the upper left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from hsfuse.synthetic.materials import MATERIALS, spectrum

__all__ = ["FINER", "Canvas", "noise"]

FINER = 4
_SUN = (0.62, 0.79)  # direction of the shadows, down and right; a unit vector
_SUN_SLOPE = 0.9  # tangent of the sun's elevation, 42 degrees
_ANCHORS = (-1.0, 0.0, 1.0)  # values of `vary` at which the spectra of a material are computed
_STRIP = 32  # pixel rows rendered at a time

Field = NDArray[np.float32]


class Canvas:
    """
    Material, illumination and height of the surface for each sub-pixel.

    Parameters
    ----------
    rows, columns : int
        Size in pixels.

    Attributes
    ----------
    material : ndarray of shape (rows * FINER, columns * FINER), int8
        Index into :data:`~hsfuse.synthetic.materials.MATERIALS`.
    vary : ndarray, float32
        Variation within the material, from -1 to 1.
    light : ndarray, float32
        Factor of the reflectance, from texture and slope.
    height : ndarray, float32
        Height above the ground in pixels, for shadows.
    """

    def __init__(self, rows: int, columns: int) -> None:
        if rows < 1 or columns < 1:
            raise ValueError(f"a canvas has at least one pixel, got {rows} x {columns}")
        self.rows, self.columns = rows, columns
        shape = (rows * FINER, columns * FINER)
        self.material = np.zeros(shape, np.int8)
        self.vary = np.zeros(shape, np.float32)
        self.light = np.ones(shape, np.float32)
        self.height = np.zeros(shape, np.float32)
        self.y, self.x = (((np.arange(n) + 0.5) / FINER).astype(np.float32) for n in shape)

    def window(self, row: float, column: float, radius: float) -> tuple[slice, slice]:
        """Return the slices of the sub-pixels within a square around a point."""
        bounds = []
        for centre, size in ((row, self.rows), (column, self.columns)):
            first = int(np.clip((centre - radius) * FINER, 0, size * FINER))
            last = int(np.clip((centre + radius) * FINER + 1, 0, size * FINER))
            bounds.append(slice(first, last))
        return bounds[0], bounds[1]

    def paint(
        self,
        mask: NDArray[np.bool_],
        material: str,
        *,
        vary: float | Field = 0.0,
        light: float | Field = 1.0,
        height: float | Field = 0.0,
        window: tuple[slice, slice] = (slice(None), slice(None)),
    ) -> None:
        """
        Cover the sub-pixels of a mask with a material.

        Parameters
        ----------
        mask : ndarray of bool
            Mask of the shape of the window.
        material : str
            A name in :data:`~hsfuse.synthetic.materials.MATERIALS`.
        vary, light, height : float or ndarray
            Scalars, or arrays of the shape of the window.
        window : tuple of slice
            Window of the mask; the whole canvas by default.
        """
        self.material[window][mask] = MATERIALS.index(material)
        layers = ((self.vary, vary), (self.light, light), (self.height, height))
        for layer, value in layers:
            layer[window][mask] = value[mask] if isinstance(value, np.ndarray) else value

    def mirror(self, vertically: bool, horizontally: bool) -> None:
        """Mirror the surface, but not the direction of the sun."""
        turn = (
            slice(None, None, -1 if vertically else 1),
            slice(None, None, -1 if horizontally else 1),
        )
        for name in ("material", "vary", "light", "height"):
            setattr(self, name, np.ascontiguousarray(getattr(self, name)[turn]))

    def shade(self) -> Field:
        """
        Return the shadow (sub-pixel rows, columns): 1 where an object blocks the sun, else 0.

        Slopes that face away from the sun have 0.5.
        """
        shade = np.zeros_like(self.height)
        reach = float(self.height.max()) / _SUN_SLOPE * FINER
        for step in range(1, int(reach) + 1):
            down, right = (round(step * part) for part in _SUN)
            if down >= shade.shape[0] or right >= shade.shape[1]:
                break
            caster = self.height[: shade.shape[0] - down, : shade.shape[1] - right]
            surface = self.height[down:, right:]
            shade[down:, right:][caster - step / FINER * _SUN_SLOPE > surface + 0.05] = 1.0
        return shade

    def slope_light(self) -> Field:
        """Return the factor of sunlight on slopes: over 1 where they face the sun."""
        light = np.ones_like(self.height)
        if min(self.height.shape) > 1:
            down, right = np.gradient(self.height, 1.0 / FINER)
            tilt = np.clip(_SUN[0] * down + _SUN[1] * right, -0.9, 0.9)
            light += (0.32 * tilt).astype(np.float32)
        return light

    def render(self, wavelength: ArrayLike) -> NDArray[np.float32]:
        """
        Return the reflectance of every pixel.

        Shaded surfaces are lit by the sky alone, which is bluer than the sun (Rayleigh scattering,
        wavelength to the power -4).

        Parameters
        ----------
        wavelength : array_like of shape (bands,)
            Nanometres.

        Returns
        -------
        ndarray of shape (bands, rows, columns), float32
            Reflectance, 0 to 1.
        """
        wave = np.asarray(wavelength, dtype=np.float64)
        used = np.unique(self.material)
        sunlit = np.stack(
            [spectrum(MATERIALS[kind], wave, vary=vary) for kind in used for vary in _ANCHORS], 1
        )
        sky = 0.12 + 0.3 * (450.0 / wave) ** 4
        spectra = np.concatenate([sunlit, sunlit * sky[:, None]], 1).astype(np.float32)
        shade, light = self.shade(), self.light * self.slope_light()
        cube = np.empty((wave.size, self.rows, self.columns), np.float32)
        for top in range(0, self.rows, _STRIP):
            rows = slice(top * FINER, min(top + _STRIP, self.rows) * FINER)
            shares = self._shares(rows, used, light[rows], shade[rows])
            strip = spectra @ shares.reshape(len(shares), -1)
            cube[:, top : top + _STRIP] = strip.reshape(wave.size, -1, self.columns)
        return np.clip(cube, 0.0, 1.0, out=cube)

    def _shares(self, rows: slice, used: NDArray[np.int8], light: Field, shade: Field) -> Field:
        """Return the abundance of each spectrum, (2 * 3 * materials, rows, columns)."""
        material, vary = self.material[rows], np.clip(self.vary[rows], -1.0, 1.0)
        weights = (np.maximum(-vary, 0.0), 1.0 - np.abs(vary), np.maximum(vary, 0.0))
        lights = (light * (1.0 - shade), light * shade)
        shares = np.zeros((2, used.size, 3, len(vary) // FINER, self.columns), np.float32)
        for index, kind in enumerate(used):
            mask = material == kind
            if not mask.any():
                continue
            for part, factor in enumerate(lights):
                for anchor, weight in enumerate(weights):
                    share = np.where(mask, weight * factor, np.float32(0.0))
                    blocks = share.reshape(-1, FINER, self.columns, FINER)
                    shares[part, index, anchor] = blocks.mean((1, 3))
        return shares.reshape(-1, len(vary) // FINER, self.columns)


def noise(
    shape: tuple[int, int], scale: float, generator: np.random.Generator, *, power: float = 1.5
) -> Field:
    """
    Return smooth random texture of mean 0 and standard deviation 1.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    scale : float
        Size of the largest features in pixels; below it the amplitude falls as the
        wave number to ``power``.
    generator : numpy.random.Generator
        Source of the random numbers.
    power : float
        Exponent of the spectrum: 1 is rough, 3 is very smooth.
    """
    white = generator.standard_normal(shape).astype(np.float32)
    down, right = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None, :]
    gain = (1.0 + (np.hypot(down, right) * scale) ** 2) ** (-power / 2)
    gain[0, 0] = 0.0
    field = fft.irfft2(fft.rfft2(white) * gain.astype(np.float32), s=shape)
    return np.asarray(field / max(float(field.std()), 1e-12), dtype=np.float32)
