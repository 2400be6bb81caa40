"""
Network weights: a safetensors file with a JSON card, without pickled objects.

The card states the pairs for which the weights are valid, their training, scores and terms. Its
hash of the weights file is verified whenever they are loaded.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from hsfuse.errors import WeightsError
from hsfuse.nets.network import Architecture, Network
from hsfuse.nets.table import build, read_architecture

__all__ = ["Card", "Domain", "find_weights", "load_network", "save_weights", "shipped_weights"]

_SHIPPED = Path(__file__).parent / "trained"


@dataclass(frozen=True)
class Domain:
    """
    The pairs for which weights are valid.

    Attributes
    ----------
    ratio : tuple of float
        Fine pixels per HS pixel, smallest and largest.
    fine_bands : tuple of int
        Smallest and largest number of MS bands.
    range_nm : tuple of float
        Range in nanometres of the centres of all good HS bands; zero to infinity for any,
        including unknown ones.
    wavelength : tuple of float
        Centres of the HS bands of a network that predicts cubes; empty for any bands.
    tolerance : float
        Largest distance in nanometres of the centres of a pair from these.
    """

    ratio: tuple[float, float]
    fine_bands: tuple[int, int]
    range_nm: tuple[float, float] = (0.0, math.inf)
    wavelength: tuple[float, ...] = ()
    tolerance: float = 5.0

    def misfit(
        self,
        wavelength: NDArray[np.float64],
        good: NDArray[np.bool_],
        fine_bands: int,
        ratio: tuple[float, float],
    ) -> str | None:
        """Return the reason why weights do not fit such a pair; None if they do."""
        wanted, centres = np.asarray(self.wavelength), wavelength[good]
        if wanted.size and (len(wavelength) != wanted.size or not good.all()):
            return f"take {wanted.size} good HS bands, the pair has {int(good.sum())}"
        if wanted.size and not np.all(np.abs(wavelength - wanted) <= self.tolerance):
            return (
                f"take bands at {wanted[0]:.0f} to {wanted[-1]:.0f} nm within {self.tolerance:g} nm"
            )
        low, high = self.range_nm
        if (low, high) != (0.0, math.inf) and not np.all((centres >= low) & (centres <= high)):
            return f"take HS bands within {low:.0f} to {high:.0f} nm"
        if not self.fine_bands[0] <= fine_bands <= self.fine_bands[1]:
            return f"take {_between(*self.fine_bands)} MS bands, the pair has {fine_bands}"
        if not all(self.ratio[0] * 0.99 <= value <= self.ratio[1] * 1.01 for value in ratio):
            return (
                f"take ratio {_between(*self.ratio)}, the pair has {ratio[0]:.3g} by {ratio[1]:.3g}"
            )
        return None

    def to_dict(self) -> dict[str, object]:
        """Return the fields in JSON types; infinity is null."""
        facts = asdict(self)
        facts["range_nm"] = [None if math.isinf(nm) else nm for nm in self.range_nm]
        return facts

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Domain:
        """Return the domain that :meth:`to_dict` wrote."""
        low, high = facts["range_nm"]
        return cls(
            (float(facts["ratio"][0]), float(facts["ratio"][1])),
            (int(facts["fine_bands"][0]), int(facts["fine_bands"][1])),
            (float(low), math.inf if high is None else float(high)),
            tuple(float(nm) for nm in facts["wavelength"]),
            float(facts["tolerance"]),
        )


def _between(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


@dataclass(frozen=True)
class Card:
    """
    The card of a weights file.

    Attributes
    ----------
    name : str
        Short name.
    path : str
        The safetensors file.
    sha256 : str
        Hash of the safetensors file.
    architecture : Architecture
        Architecture of the network.
    domain : Domain
        Pairs for which they are valid.
    about : mapping
        Training data, recipe, scores and terms.
    """

    name: str
    path: str
    sha256: str
    architecture: Architecture
    domain: Domain
    about: Mapping[str, object] = field(default_factory=dict, hash=False, compare=False)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what decides the network's answers: its content, wherever it lies."""
        return ("Card", self.sha256, str(self.architecture), str(self.domain))


_FIELDS = ("name", "sha256", "architecture", "domain", "about")
# Keys that every card must have.
_ABOUT = ("data", "recipe", "scores", "terms")


def shipped_weights() -> list[Card]:
    """Return the cards of the weights in the package, narrowest spectral range first."""
    cards = [find_weights(path) for path in _SHIPPED.glob("*.safetensors")]
    return sorted(cards, key=lambda c: (c.domain.range_nm[1] - c.domain.range_nm[0], c.name))


def find_weights(path: str | Path, network: str | None = None) -> Card:
    """
    Return the card of a weights file.

    Parameters
    ----------
    path : str or Path
        Ends in ``.safetensors``; its card, of the same name in ``.json``, is in the same folder.
    network : str, optional
        The network that is expected; by default any.

    Raises
    ------
    WeightsError
        If either file is missing, the card is not one, or it is of another network.
    """
    card = _read_card(Path(path))
    if network is not None and card.architecture.network != network:
        raise WeightsError(
            f"{path}: holds weights of {card.architecture.network}; expected those of {network}"
        )
    return card


def _read_card(path: Path) -> Card:
    card = path.with_suffix(".json")
    if path.suffix != ".safetensors":
        raise WeightsError(
            f"{path}: is not a weights file; expected a name that ends in .safetensors"
        )
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; expected weights written by `hsfuse train`")
    if not card.is_file():
        raise WeightsError(f"{path}: has no card; expected {card.name} in the same folder")
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
            read_architecture(facts["architecture"]),
            Domain.from_dict(facts["domain"]),
            facts["about"],
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{card}: is not a weights card ({error}); expected the file that `hsfuse train` "
            "writes beside the weights"
        ) from error


def load_network(path: str | Path, sha256: str) -> Network:
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
        network = build(card.architecture.for_inference())
        network.load_state_dict(state)
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: does not hold the network of its card ({str(error).splitlines()[0]})"
        ) from error
    return network.eval()


def save_weights(
    network: Network,
    path: str | Path,
    *,
    domain: Domain,
    about: Mapping[str, object],
) -> Card:
    """
    Write what inference needs of a network's weights, and their card.

    Parameters
    ----------
    network : Network
        Trained.
    path : str or Path
        Ends in ``.safetensors``.
    domain : Domain
        Pairs for which they are valid.
    about : mapping
        ``data``, ``recipe``, ``scores`` and ``terms``, in JSON types.
    """
    path = Path(path)
    missing = [name for name in _ABOUT if name not in about]
    if missing:
        raise WeightsError(f"{path}: a card says {', '.join(_ABOUT)}, got no {', '.join(missing)}")
    # Written here, not by safetensors, whose files only their owner can read.
    path.write_bytes(save({k: v.contiguous() for k, v in network.exported().items()}))
    facts = {
        "name": path.stem,
        "sha256": _digest(path),
        "architecture": network.architecture.to_dict(),
        "domain": domain.to_dict(),
        "about": dict(about),
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return find_weights(path)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
