"""
A synthetic landscape from above: fields, woods, a river, a lake, roads, a town.

It represents no real area. :func:`make_scene` paints layer by layer from the ground up, with a
separate random generator for each layer, so that a change of one layer does not affect the others.
Houses are three to five pixels long, fields twenty to eighty, at any size of the scene.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hsfuse.synthetic.canvas import Canvas, Field, noise
from hsfuse.synthetic.materials import MATERIALS
from hsfuse.synthetic.site import Layout
from hsfuse.synthetic.town import crowns, paint_halls, paint_roads, paint_town

__all__ = ["make_scene"]

_CROPS = {
    "crop": 0.28,
    "young crop": 0.15,
    "grass": 0.16,
    "rapeseed": 0.06,
    "ripe grain": 0.11,
    "stubble": 0.08,
    "brown soil": 0.09,
    "pale soil": 0.03,
    "red soil": 0.02,
    "dark soil": 0.02,
}
_SOILS = ("brown soil", "brown soil", "pale soil", "red soil")
_ROUGHNESS = {  # standard deviation of the texture's light, by material
    "broadleaf tree": 0.12,
    "conifer": 0.14,
    "clear water": 0.02,
    "turbid water": 0.025,
    "asphalt": 0.045,
    "bright metal": 0.03,
    "clay tile": 0.07,
    "gravel": 0.09,
}


def make_scene(
    rows: int, columns: int, wavelength: ArrayLike, *, seed: int = 0
) -> NDArray[np.float32]:
    """
    Return the reflectance of a synthetic landscape.

    Parameters
    ----------
    rows, columns : int
        Size in pixels.
    wavelength : array_like of shape (bands,)
        Nanometres, 380 to 2500.
    seed : int
        Random seed; the same seed and size give the same landscape.

    Returns
    -------
    ndarray of shape (bands, rows, columns), float32
        Reflectance, 0 to 1.

    Examples
    --------
    >>> make_scene(16, 24, [560.0, 665.0, 840.0]).shape
    (3, 16, 24)
    """
    canvas = Canvas(rows, columns)
    layers = (_fields, _water, _woods, paint_roads, paint_halls, paint_town, _trees, _texture)
    first, *states = np.random.SeedSequence(seed).spawn(len(layers) + 1)
    generator = np.random.default_rng(first)
    layout = Layout.draw(rows, columns, generator)
    for layer, state in zip(layers, states, strict=True):
        layer(canvas, layout, np.random.default_rng(state))
    canvas.mirror(*(bool(coin) for coin in generator.integers(0, 2, 2)))
    return canvas.render(wavelength)


def _parcels(half: float, generator: np.random.Generator) -> list[tuple[float, ...]]:
    """Divide the square from ``-half`` to ``half`` into parcels (u0, v0, u1, v1)."""
    todo = [(-half, -half, half, half)]
    done: list[tuple[float, ...]] = []
    while todo:
        u0, v0, u1, v1 = todo.pop()
        wide, high = u1 - u0, v1 - v0
        area = generator.uniform(900.0, 3600.0)
        if wide * high < area or max(wide, high) < 24.0:
            done.append((u0, v0, u1, v1))
            continue
        share = generator.uniform(0.36, 0.64)
        if wide > high * generator.uniform(0.6, 1.5):
            cut = u0 + share * wide
            todo += [(u0, v0, cut, v1), (cut, v0, u1, v1)]
        else:
            cut = v0 + share * high
            todo += [(u0, v0, u1, cut), (u0, cut, u1, v1)]
    return done


def _fields(canvas: Canvas, layout: Layout, generator: np.random.Generator) -> None:
    """Paint parcels of crops and soils over grass, with rows, tramlines and wet spots."""
    shape = canvas.material.shape
    wet = noise(shape, 140.0, generator, power=2.2)
    bend = 1.5 * noise(shape, 400.0, generator, power=3.0)
    everything = np.ones(shape, np.bool_)
    canvas.paint(everything, "grass", vary=0.4 * wet)
    half = 0.75 * float(np.hypot(canvas.rows, canvas.columns))
    names, shares = list(_CROPS), np.array(list(_CROPS.values()))
    for u0, v0, u1, v1 in _parcels(half, generator):
        crop = names[generator.choice(len(names), p=shares / shares.sum())]
        draws = generator.uniform(-1.0, 1.0, 8)
        row, column = layout.place((u0 + u1) / 2, (v0 + v1) / 2)
        window = canvas.window(row, column, float(np.hypot(u1 - u0, v1 - v0)) / 2 + 4.0)
        if wet[window].size == 0:
            continue
        u, v = layout.turn(canvas.y[window[0]], canvas.x[window[1]])
        u = u + bend[window]
        edge = 0.3 + 0.35 * max(draws[0], 0.0)
        mask = (u > u0 + edge) & (u < u1 - edge) & (v > v0 + edge) & (v < v1 - edge)
        along, across, size = (u, v, v1 - v0) if u1 - u0 > v1 - v0 else (v, u, u1 - u0)
        vary = 0.45 * draws[1] + 0.25 * wet[window]
        vary += draws[2] * 0.012 * along + draws[3] * 0.008 * across
        period = 2.6 + 1.1 * draws[4]
        lines = np.sin(2 * np.pi * across / period)
        light = (1.0 + 0.05 * draws[5]) * (1.0 + (0.035 + 0.025 * draws[6]) * lines)
        canvas.paint(mask, crop, vary=vary, light=light, window=window)
        soil = _SOILS[generator.integers(len(_SOILS))]
        if crop == "young crop":
            open_ground = mask & (lines > 0.3 + 0.6 * draws[7])
            canvas.paint(open_ground, soil, vary=vary - 0.2, window=window)
        elif crop in {"crop", "rapeseed", "ripe grain"} and size > 20:
            spacing = 8.0 + 1.5 * draws[7]
            tracks = mask & (np.abs(across % spacing - 1.0) < 0.14)
            canvas.paint(tracks, soil, vary=-0.3, window=window)


def _woods(canvas: Canvas, layout: Layout, generator: np.random.Generator) -> None:
    """Paint closed woods where smooth noise is high, and a belt of trees along the river."""
    shape = canvas.material.shape
    wild = noise(shape, 420.0, generator, power=2.6) + 0.12 * noise(shape, 40.0, generator)
    kind = noise(shape, 300.0, generator, power=2.5)
    free = ~np.isin(canvas.material, _indices("clear water", "turbid water"))
    free &= layout.town_distance(canvas.y, canvas.x) > 1.25
    wood = (wild > 1.05) & free
    belt = (np.abs(layout.river_distance(canvas.y, canvas.x)) < 5.0) & free
    for mask, name, share in (
        (wood & (kind < 0.5), "broadleaf tree", 0.42),
        (wood & (kind >= 0.5), "conifer", 0.6),
        (belt, "broadleaf tree", 0.11),
    ):
        if name == "conifer" or share > 0.2:
            canvas.paint(mask, name, vary=-0.5, light=0.75)
        rows, columns = np.nonzero(mask)
        radius = 0.85 if name == "conifer" else 1.35
        count = int(share * mask.sum() / 16.0 / radius**2)
        pick = generator.integers(0, max(rows.size, 1), count if rows.size else 0)
        places = np.stack([canvas.y[rows[pick]], canvas.x[columns[pick]]], 1)
        crowns(canvas, places, radius, name, generator)


def _water(canvas: Canvas, layout: Layout, generator: np.random.Generator) -> None:
    """Paint a river with sand bars and a lake that is clearer where it is deeper."""
    shape = canvas.material.shape
    drift = noise(shape, 120.0, generator, power=2.4)
    wobble = noise(shape, 90.0, generator, power=2.5)
    river = layout.river_distance(canvas.y, canvas.x) + 0.5 * wobble
    canvas.paint(river < 1.1 + 0.9 * drift, "gravel", vary=0.3 * drift)
    silt = np.clip(0.35 * drift + 0.5 + 0.12 * river, -1.0, 1.0)
    canvas.paint(river < 0.0, "turbid water", vary=silt.astype(np.float32))
    lake = layout.lake_distance(canvas.y, canvas.x) + 1.2 * wobble
    canvas.paint(lake < 0.8, "dark soil", vary=-0.6)
    canvas.paint(lake < 0.0, "turbid water", vary=np.clip(-0.2 + 0.2 * lake, -1.0, 1.0))
    canvas.paint(lake < -2.2 + 0.8 * drift, "clear water", vary=np.clip(0.4 * drift, -1.0, 1.0))


def _trees(canvas: Canvas, layout: Layout, generator: np.random.Generator) -> None:
    """Plant single trees on grass and along the edges of fields."""
    grass = np.isin(canvas.material, _indices("grass")) & (canvas.height == 0)
    grass &= np.abs(layout.road_distance(canvas.y, canvas.x)) > 2.6
    rows, columns = np.nonzero(grass)
    if rows.size == 0:
        return
    clump = noise(grass.shape, 160.0, generator)[rows, columns]
    chance = np.exp(1.6 * clump)
    town = layout.town_distance(canvas.y, canvas.x)[rows, columns] < 1.0
    chance[town] = 12.0
    count = min(int(0.0013 * rows.size), int((chance > 0).sum()))
    pick = generator.choice(rows.size, count, replace=False, p=chance / chance.sum())
    places = np.stack([canvas.y[rows[pick]], canvas.x[columns[pick]]], 1)
    crowns(canvas, places, 1.0, "broadleaf tree", generator)


def _texture(canvas: Canvas, layout: Layout, generator: np.random.Generator) -> None:
    """Roughen every surface and tilt the ground gently under the sun."""
    shape = canvas.material.shape
    fine, middle = noise(shape, 3.0, generator, power=1.0), noise(shape, 30.0, generator)
    rough = np.full(len(MATERIALS), 0.05, np.float32)
    for name, value in _ROUGHNESS.items():
        rough[MATERIALS.index(name)] = value
    depth: Field = rough[canvas.material]
    relief = 0.05 * noise(shape, 700.0, generator, power=2.2)
    canvas.light *= np.clip(1.0 + depth * (0.9 * fine + 0.45 * middle) + relief, 0.4, 1.6)
    canvas.vary += 0.12 * noise(shape, 12.0, generator) + 0.08 * fine


def _indices(*names: str) -> list[int]:
    return [MATERIALS.index(name) for name in names]
