"""Which weights score a scene: those that were not trained on it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hsfuse.fusion.settings import PathLike
from hsfuse.methods import find_method
from hsfuse.nets.weights import Card, find_weights, shipped_weights

__all__ = ["candidate_weights", "is_unseen"]


def is_unseen(card: Card, scene: str) -> bool:
    """
    Return whether weights were trained on other scenes than this one, as far as the card says.

    Parameters
    ----------
    card : Card
        Names the cubes of the training in ``about["data"]["cubes"]``.
    scene : str
        Name of the scene: its file without suffix.
    """
    data = card.about.get("data")
    cubes = data.get("cubes", []) if isinstance(data, dict) else []
    return scene not in {Path(str(cube)).stem for cube in cubes}


def candidate_weights(method: str, files: Sequence[PathLike], scene: str) -> list[Card]:
    """
    Return the weights that were not trained on a scene, in the order in which they are tried.

    Parameters
    ----------
    method : str
        Name of the method; one that takes no weights has none.
    files : sequence of path
        Those that are given; empty for those that come with hsfuse, if any.
    scene : str
        Name of the scene.
    """
    spec = find_method(method)
    if not spec.takes_weights:
        return []
    cards = [find_weights(os.fspath(file)) for file in files]
    if not files and not spec.needs_weights:
        cards = shipped_weights()
    return [card for card in cards if is_unseen(card, scene)]
