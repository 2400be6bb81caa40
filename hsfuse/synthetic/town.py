"""Roads, a town of small roofs, a commercial quarter of large ones, and trees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsfuse.synthetic.canvas import FINER, Canvas, noise
from hsfuse.synthetic.materials import MATERIALS
from hsfuse.synthetic.site import Layout, bent_line

__all__ = ["crowns", "paint_halls", "paint_roads", "paint_town"]

_ROOFS = {"clay tile": 0.64, "slate": 0.22, "concrete": 0.08, "red soil": 0.06}
_HALLS = {
    "bright metal": 0.32,
    "concrete": 0.22,
    "blue paint": 0.18,
    "green paint": 0.14,
    "slate": 0.14,
}
_PAVED = ("asphalt", "concrete", "gravel", "white marking")


def paint_roads(canvas: Canvas, layout: Layout, generator: np.random.Generator) -> None:
    """Paint a main road with a dashed centre line, a bridge, and a narrow road to the town."""
    wear = 0.4 * noise(canvas.material.shape, 60.0, generator)
    narrow = np.abs(canvas.x[None, :] - layout.town[1] - 0.1 * (canvas.y[:, None] - layout.town[0]))
    narrow = np.broadcast_to(narrow, canvas.material.shape)
    dry = layout.river_distance(canvas.y, canvas.x) > 3.0
    dry &= layout.lake_distance(canvas.y, canvas.x) > 3.0
    canvas.paint((narrow < 1.3) & dry, "grass", vary=0.2)
    canvas.paint((narrow < 0.75) & dry, "asphalt", vary=wear)
    away = layout.road_distance(canvas.y, canvas.x)
    bridge = layout.river_distance(canvas.y, canvas.x) < 3.0
    canvas.paint((np.abs(away) < 2.4) & ~bridge, "grass", vary=0.3)
    canvas.paint(np.abs(away) < 1.75, "gravel", vary=0.2)
    canvas.paint((np.abs(away) < 1.75) & bridge, "concrete", vary=0.3, height=0.9)
    deck = np.where(bridge, np.float32(0.9), np.float32(0.0))
    canvas.paint(np.abs(away) < 1.4, "asphalt", vary=wear - 0.2, height=deck)
    lines = (np.abs(away) < 0.13) & (canvas.x[None, :] % 9.0 < 4.0)
    canvas.paint(lines, "white marking", vary=-0.3, height=deck)


def paint_town(canvas: Canvas, layout: Layout, generator: np.random.Generator) -> None:
    """Paint gardens, a grid of streets, and houses with gabled roofs along them."""
    shape = canvas.material.shape
    outline = layout.town_distance(canvas.y, canvas.x) + 0.09 * noise(shape, 90.0, generator)
    built = np.isin(canvas.material, [MATERIALS.index(name) for name in _PAVED])
    wet = layout.river_distance(canvas.y, canvas.x) < 4.0
    town = (outline < 1.0) & ~built & ~wet & (canvas.height == 0)
    town &= np.abs(layout.road_distance(canvas.y, canvas.x)) > 1.75
    canvas.paint(town, "grass", vary=0.5 * noise(shape, 8.0, generator) - 0.2)
    u, v = layout.turn(canvas.y, canvas.x)
    u, v = u + 1.2 * noise(shape, 200.0, generator, power=2.5), v + 0.0
    block, lot = 13.0, 31.0
    street = np.minimum(
        np.abs((v + block / 2) % block - block / 2) - 0.62,
        np.abs((u + lot / 2) % lot - lot / 2) - 0.5,
    )
    canvas.paint(town & (street < 0.0), "asphalt", vary=0.1)
    free = town & (street > 0.3)
    radius = layout.town[2]
    middle = layout.turn(
        np.array([layout.town[0]], np.float32), np.array([layout.town[1]], np.float32)
    )
    for row in np.arange(-np.ceil(radius / block) - 1, np.ceil(radius / block) + 2):
        for side in (-1.0, 1.0):
            base = np.round(float(middle[1][0, 0]) / block + row) * block + side * 3.0
            for step in np.arange(-radius * 1.1, radius * 1.1, 4.9):
                draw = generator.uniform(-1.0, 1.0, 8)
                if draw[0] > 0.72:
                    continue
                at = layout.place(
                    float(middle[0][0, 0]) + step + 0.5 * draw[1], base + 0.3 * draw[2]
                )
                half = (1.85 + 0.4 * draw[3], 1.25 + 0.25 * draw[4])
                angle = layout.angle + (np.pi / 2 if draw[5] > 0.55 else 0.0) + 0.05 * draw[6]
                _house(canvas, at, half, angle, free, generator)


def _house(
    canvas: Canvas,
    place: tuple[float, float],
    half: tuple[float, float],
    angle: float,
    free: NDArray[np.bool_],
    generator: np.random.Generator,
) -> None:
    """Paint one gabled roof where the ground is free; small houses may have a drive."""
    names, shares = list(_ROOFS), np.array(list(_ROOFS.values()))
    name = names[generator.choice(len(names), p=shares)]
    draw = generator.uniform(-1.0, 1.0, 2)
    window = canvas.window(*place, max(half) * 1.5)
    along, across = _local(canvas, window, place, angle)
    mask = (np.abs(along) < half[0]) & (np.abs(across) < half[1])
    if not mask.any() or not free[window][mask].all():
        return
    ridge = (0.9 + 0.55 * (half[1] - np.abs(across))).astype(np.float32)
    light = np.float32(1.0 + 0.12 * draw[0])
    canvas.paint(
        mask, name, vary=0.8 * float(draw[1]), light=float(light), height=ridge, window=window
    )
    free[window] &= ~mask


def paint_halls(canvas: Canvas, layout: Layout, generator: np.random.Generator) -> None:
    """Paint a paved quarter of large flat roofs beside the main road, past the town."""
    row, column, radius = layout.town
    outward = -1.0 if column < layout.columns / 2 else 1.0
    size = 0.6 * radius
    for number in range(2):
        draw = generator.uniform(-1.0, 1.0, 4)
        column_at = column - outward * (1.45 - 2.85 * number) * radius
        middle, slope = bent_line(
            layout.road, np.array([column_at], np.float32), layout.columns, layout.rows
        )
        below = 1.0 if (row < middle[0]) else -1.0
        centre = (float(middle[0]) + below * (0.55 * size + 3.0), column_at)
        angle = float(np.arctan(slope[0]))
        window = canvas.window(*centre, size)
        along, across = _local(canvas, window, centre, angle)
        ground = (np.abs(along) < 0.62 * size) & (np.abs(across) < 0.5 * size)
        ground &= layout.river_distance(canvas.y[window[0]], canvas.x[window[1]]) > 4.0
        canvas.paint(ground, "asphalt" if number else "concrete", vary=0.4 * draw[0], window=window)
        _row_of_halls(canvas, centre, angle, size, ground, generator)


def _row_of_halls(
    canvas: Canvas,
    centre: tuple[float, float],
    angle: float,
    size: float,
    ground: NDArray[np.bool_],
    generator: np.random.Generator,
) -> None:
    """Fill a paved rectangle with halls, one roof material each."""
    window = canvas.window(*centre, size)
    along, across = _local(canvas, window, centre, angle)
    names, shares = list(_HALLS), np.array(list(_HALLS.values()))
    for v in (-0.24 * size, 0.22 * size):
        u = -0.56 * size
        while u < 0.5 * size:
            draw = generator.uniform(0.0, 1.0, 4)
            long, deep = 0.18 * size + 0.2 * size * draw[0], (0.13 + 0.07 * draw[1]) * size
            mask = (along > u) & (along < min(u + long, 0.58 * size)) & (np.abs(across - v) < deep)
            seams = (1.0 + 0.05 * np.sign(np.sin(2 * np.pi * along / 2.5))).astype(np.float32)
            name = names[generator.choice(len(names), p=shares)]
            if mask.any() and ground[mask].all():
                canvas.paint(
                    mask, name, vary=float(draw[2] - 0.5), light=seams, height=1.4, window=window
                )
            u += long + 1.5 + 2.0 * draw[3]


def _local(
    canvas: Canvas, window: tuple[slice, slice], place: tuple[float, float], angle: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coordinates along and across a shape at ``place``, rotated by an angle."""
    down, right = canvas.y[window[0]][:, None] - place[0], canvas.x[window[1]][None, :] - place[1]
    cosine, sine = np.cos(angle), np.sin(angle)
    return cosine * right + sine * down, cosine * down - sine * right


def crowns(
    canvas: Canvas,
    places: NDArray[np.float32],
    radius: float,
    material: str,
    generator: np.random.Generator,
) -> None:
    """
    Paint trees: domes that cast shadows, higher ones on top.

    Parameters
    ----------
    canvas : Canvas
        Canvas to paint on.
    places : ndarray of shape (trees, 2)
        Rows and columns in pixels.
    radius : float
        Mean radius of a crown in pixels.
    material : str
        Material of the crowns.
    generator : numpy.random.Generator
        Source of the random sizes, variations and light.
    """
    sizes = radius * generator.uniform(0.65, 1.35, len(places))
    looks = generator.normal(0.0, 1.0, (len(places), 2))
    for (row, column), size, look in zip(places, sizes, looks, strict=True):
        window = canvas.window(float(row), float(column), float(size) + 1.0 / FINER)
        away = np.hypot(canvas.y[window[0]][:, None] - row, canvas.x[window[1]][None, :] - column)
        inside = np.sqrt(np.maximum(1.0 - (away / size) ** 2, 0.0))
        dome = (1.1 * size * (0.25 + 0.75 * inside)).astype(np.float32)
        mask = (away < size) & (dome > canvas.height[window])
        canvas.paint(
            mask,
            material,
            vary=float(np.clip(0.35 * look[0], -0.9, 0.9)),
            light=float(np.clip(1.0 + 0.1 * look[1], 0.7, 1.3)),
            height=dome,
            window=window,
        )
