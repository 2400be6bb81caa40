"""
Network weights: a safetensors file and a JSON card beside it; nothing is unpickled.

The card says what the weights are for, how they were made, how they score, and on
what terms they come. Its hash of the tensors is checked whenever they are loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hsfuse.errors import WeightsError
from hsfuse.nets.ms_ssfnet import Architecture, MSSSFNet

__all__ = ["Card", "find_weights", "load_network", "save_weights", "shipped_weights"]

_SHIPPED = Path(__file__).parent / "trained"


@dataclass(frozen=True)
class Card:
    """
    What is known of a set of weights.

    Attributes
    ----------
    name : str
        Short name.
    path : str
        The safetensors file.
    sha256 : str
        Of that file.
    architecture : Architecture
        Of the network.
    fine_bands : int
        Bands of the fine image; the network's fine channels also hold the guided cube.
    wavelength : tuple of float
        Centres of the HS bands in nanometres.
    tolerance : float
        How far a pair's centres may be from them, in nanometres.
    about : mapping
        Data, recipe, scores and terms.
    """

    name: str
    path: str
    sha256: str
    architecture: Architecture
    fine_bands: int
    wavelength: tuple[float, ...]
    tolerance: float
    about: Mapping[str, object] = field(default_factory=dict, hash=False, compare=False)


_FIELDS = ("name", "sha256", "architecture", "fine_bands", "wavelength", "tolerance", "about")
# What a reader of the card must find in it.
_ABOUT = ("data", "recipe", "scores", "terms")


def shipped_weights() -> list[Card]:
    """Return the cards of the weights that come with the package, by name."""
    return [find_weights(path) for path in sorted(_SHIPPED.glob("*.safetensors"))]


def find_weights(path: str | Path) -> Card:
    """
    Return the card of a weights file.

    Parameters
    ----------
    path : str or Path
        Ends in ``.safetensors``; its card, of the same name in ``.json``, lies beside it.

    Raises
    ------
    WeightsError
        If either file is missing or the card is not one.
    """
    path = Path(path)
    card = path.with_suffix(".json")
    if path.suffix != ".safetensors" or not path.is_file():
        raise WeightsError(f"{path}: is no weights file; one ends in .safetensors")
    if not card.is_file():
        raise WeightsError(f"{path}: has no card; {card.name} must lie beside it")
    try:
        facts = json.loads(card.read_text(encoding="utf-8"))
        missing = [name for name in _FIELDS if name not in facts]
        missing += [name for name in _ABOUT if name not in facts.get("about", {})]
        if missing:
            raise WeightsError(f"{card}: a weights card has {', '.join(missing)}; it does not")
        return Card(
            facts["name"],
            str(path),
            facts["sha256"],
            Architecture(**facts["architecture"]),
            int(facts["fine_bands"]),
            tuple(float(nm) for nm in facts["wavelength"]),
            float(facts["tolerance"]),
            facts["about"],
        )
    except (json.JSONDecodeError, TypeError, AttributeError) as error:
        raise WeightsError(f"{card}: is not a weights card ({error})") from error


def load_network(path: str | Path, sha256: str) -> MSSSFNet:
    """
    Return the network of a weights file, in float32 on the CPU.

    Raises
    ------
    WeightsError
        If the file is not the one its card describes.
    """
    card = find_weights(path)
    found = _digest(Path(path))
    if found != sha256:
        raise WeightsError(
            f"{path}: its content hashes to {found[:12]}…, its card says {sha256[:12]}…; "
            "the file is damaged or belongs to another card"
        )
    try:
        state = load_file(path)
        # Inference needs no auxiliary heads: a network of one level has none.
        network = MSSSFNet(_one_level(card.architecture))
        network.load_state_dict(state)
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: does not hold the network of its card ({str(error).splitlines()[0]})"
        ) from error
    return network.eval()


def save_weights(
    network: MSSSFNet,
    path: str | Path,
    *,
    fine_bands: int,
    wavelength: tuple[float, ...],
    tolerance: float,
    about: Mapping[str, object],
) -> Card:
    """
    Write a network's weights, without auxiliary heads, and their card.

    Parameters
    ----------
    network : MSSSFNet
        Trained.
    path : str or Path
        Ends in ``.safetensors``.
    fine_bands, wavelength, tolerance
        As in :class:`Card`.
    about : mapping
        ``data``, ``recipe``, ``scores`` and ``terms``, in JSON types.
    """
    path = Path(path)
    missing = [name for name in _ABOUT if name not in about]
    if missing:
        raise WeightsError(f"{path}: a card says {', '.join(_ABOUT)}, got no {', '.join(missing)}")
    save_file({k: v.contiguous() for k, v in network.exported().items()}, path)
    facts = {
        "name": path.stem,
        "sha256": _digest(path),
        "architecture": network.architecture.to_dict(),
        "fine_bands": fine_bands,
        "wavelength": list(wavelength),
        "tolerance": tolerance,
        "about": dict(about),
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return find_weights(path)


def _one_level(architecture: Architecture) -> Architecture:
    return Architecture(**architecture.to_dict() | {"levels": 1})


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
