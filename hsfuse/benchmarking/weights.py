"""Selection of weights that were not trained on a scene."""

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
    Return whether weights were trained without a scene, according to their card.

    Parameters
    ----------
    card : Card
        Card of the weights, which lists the training cubes in ``about["data"]["cubes"]``.
    scene : str
        Name of the scene: its file name without suffix.
    """
    data = card.about.get("data")
    cubes = data.get("cubes", []) if isinstance(data, dict) else []
    return scene not in {Path(str(cube)).stem for cube in cubes}


def candidate_weights(method: str, files: Sequence[PathLike], scene: str) -> list[Card]:
    """
    Return the weights that were not trained on a scene, in order of precedence.

    Parameters
    ----------
    method : str
        Name of the method; empty result for a method without weights.
    files : sequence of path
        Weights files; empty for those shipped with hsfuse, if any.
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
