"""The random layout of a synthetic landscape, shared by its layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsfuse.synthetic.canvas import Field

__all__ = ["Layout", "bent_line"]


@dataclass(frozen=True, slots=True)
class Layout:
    """
    Positions of river, road, town and lake.

    Attributes
    ----------
    rows, columns : int
        Size in pixels.
    angle : float
        Direction of the field boundaries, radians.
    river, road : tuple of float
        Position and bends as fractions of the size: offset, slope, and amplitude and phase of two
        waves.
    town, lake : tuple of float
        Row, column and radius, in pixels.
    """

    rows: int
    columns: int
    angle: float
    river: tuple[float, ...]
    road: tuple[float, ...]
    town: tuple[float, float, float]
    lake: tuple[float, float, float]

    @classmethod
    def draw(cls, rows: int, columns: int, generator: np.random.Generator) -> Layout:
        """Return a random layout: river from top to bottom, road from left to right, town at it."""
        draw = generator.uniform(-1.0, 1.0, 16)
        phase = generator.uniform(0.0, 2 * np.pi, 4)
        size = float(np.sqrt(rows * columns))
        side = 1.0 if draw[0] > 0 else -1.0
        river = (0.5 + side * (0.15 + 0.05 * draw[1]), 0.16 * draw[2], 0.06, phase[0], 0.018)
        road = (0.5 + 0.14 * draw[3], 0.22 * draw[4], 0.03, phase[2], 0.0)
        town = (
            rows * (road[0] - road[1] * side * 0.22 - 0.04 * draw[5]),
            columns * (0.5 - side * (0.2 + 0.04 * draw[6])),
            0.165 * size,
        )
        up = 1.0 if draw[7] > 0 else -1.0
        lake = (
            rows * (0.5 + up * 0.31),
            columns * (0.5 + side * (0.37 + 0.03 * draw[8])),
            0.085 * size,
        )
        bends = (*river, phase[1]), (*road, phase[3])
        return cls(rows, columns, 0.42 * draw[9], *bends, town, lake)

    def turn(self, y: Field, x: Field) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the coordinates (u, v) of points along and across the fields."""
        down, right = y[:, None] - self.rows / 2, x[None, :] - self.columns / 2
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return cosine * right + sine * down, cosine * down - sine * right

    def place(self, u: float, v: float) -> tuple[float, float]:
        """Return the row and column of a point in field coordinates."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return (
            float(sine * u + cosine * v) + self.rows / 2,
            float(cosine * u - sine * v) + self.columns / 2,
        )

    def river_distance(self, y: Field, x: Field) -> Field:
        """Return the distance to the bank of the river in pixels, negative in the water."""
        middle, slope = bent_line(self.river, y, self.rows, self.columns)
        width = 3.0 + 0.008 * self.columns
        across = np.abs(x[None, :] - middle[:, None]) / np.hypot(1.0, slope)[:, None]
        return np.asarray(across - width, np.float32)

    def road_distance(self, y: Field, x: Field) -> Field:
        """Return the signed distance to the centre line of the main road in pixels."""
        middle, slope = bent_line(self.road, x, self.columns, self.rows)
        across = (y[:, None] - middle[None, :]) / np.hypot(1.0, slope)[None, :]
        return np.asarray(across, np.float32)

    def town_distance(self, y: Field, x: Field) -> Field:
        """Return the distance to the centre of the town in units of its radius."""
        row, column, radius = self.town
        away = np.hypot((y[:, None] - row) * 1.25, x[None, :] - column) / radius
        return np.asarray(away, np.float32)

    def lake_distance(self, y: Field, x: Field) -> Field:
        """Return the distance to the shore in pixels, negative in the lake."""
        row, column, radius = self.lake
        down, right = y[:, None] - row, x[None, :] - column
        turn = np.arctan2(down, right)
        shore = 1.0 + 0.16 * np.cos(2 * turn + self.angle * 9) + 0.09 * np.sin(3 * turn + 1.0)
        return np.asarray(np.hypot(down, right) - radius * shore, np.float32)


def bent_line(
    shape: tuple[float, ...], along: Field, length: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centre line of a bent line across a scene, and its slope."""
    offset, slope, first, phase, second, phase2 = shape
    t = along / length
    wave, wave2 = 2 * np.pi * 1.1, 2 * np.pi * 2.7
    middle = offset + slope * (t - 0.5) + first * np.sin(wave * t + phase)
    middle = middle + second * np.sin(wave2 * t + phase2)
    change = slope + first * wave * np.cos(wave * t + phase)
    change = change + second * wave2 * np.cos(wave2 * t + phase2)
    return width * middle, change * width / length
