"""Which weights score a scene: those that were not trained on it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hsfuse.fusion.settings import PathLike
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


def candidate_weights(files: Sequence[PathLike], scene: str) -> list[Card]:
    """
    Return the weights that were not trained on a scene, in the order in which they are tried.

    Parameters
    ----------
    files : sequence of path
        Those that are given; empty for those that come with hsfuse.
    scene : str
        Name of the scene.
    """
    cards = [find_weights(os.fspath(file)) for file in files] or shipped_weights()
    return [card for card in cards if is_unseen(card, scene)]
