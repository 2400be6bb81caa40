"""
The folder of a training run: recipe, checkpoint, log and plot.

``recipe.json`` holds all that determines the weights, ``checkpoint.safetensors`` the network, the
averaged weights and the optimiser, ``log.csv`` a row for every checkpoint, ``log.png`` its plot,
and ``warning.txt`` what is wrong with the last checkpoint.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hsfuse.core.text import listed
from hsfuse.errors import WeightsError
from hsfuse.io.files.replacement import move_file, write_file

__all__ = ["PLOT", "TABLE", "begin", "last_row", "last_warning", "log", "restore", "save", "warn"]

_LOG = logging.getLogger(__name__)

_RECIPE, _CHECKPOINT = "recipe.json", "checkpoint.safetensors"
TABLE, PLOT, _WARNING = "log.csv", "log.png", "warning.txt"
# Largest number of differences in a message.
_LISTED = 3


def begin(folder: Path, metadata: Mapping[str, object], *, overwrite: bool = False) -> None:
    """
    Create the folder of a training run and write its recipe.

    Parameters
    ----------
    folder : Path
        Folder; created if it does not exist.
    metadata : mapping
        Everything that determines the weights, in JSON types.
    overwrite : bool
        Delete the checkpoint of another training.

    Raises
    ------
    WeightsError
        If the folder holds the checkpoint of another training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, recipe = folder / _CHECKPOINT, folder / _RECIPE
    now = json.loads(json.dumps(metadata))
    if checkpoint.exists() and recipe.exists():
        differences = _differences(_read_recipe(recipe), now)
        if differences and not overwrite:
            raise WeightsError(
                f"{checkpoint}: is the checkpoint of another training, which differs in "
                f"{listed(differences, _LISTED)}; write to another file, or pass `--overwrite` to "
                "restart"
            )
        if differences:
            for name in (_CHECKPOINT, TABLE, PLOT, _WARNING):
                (folder / name).unlink(missing_ok=True)
    elif checkpoint.exists():
        _LOG.warning("%s: has no %s beside it; assumed to be of this recipe", checkpoint, _RECIPE)
    recipe.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")


def _read_recipe(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path}: is not the recipe of a training run ({error})") from error


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    """
    Return descriptions of the differences of two JSON values.

    Examples
    --------
    >>> _differences({"steps": 200, "rate": 0.1}, {"steps": 400, "rate": 0.1})
    ['steps (200, now 400)']
    """
    if before == now:
        return []
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(key for key in now if key not in before)]
        parts = [_differences(before.get(key), now.get(key), key) for key in keys]
        return [phrase for part in parts for phrase in part]
    if any(isinstance(value, list) and len(value) > 2 for value in (before, now)):
        return [name]
    return [f"{name} ({_text(before)}, now {_text(now)})"]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(map(_text, value)) or "none"
    return "none" if value is None else str(value)


def save(
    folder: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    mean: Mapping[str, Tensor],
    step: int,
) -> None:
    """Replace the checkpoint atomically."""
    state = {f"network.{k}": v.contiguous() for k, v in network.state_dict().items()}
    state |= {f"mean.{k}": v.contiguous() for k, v in mean.items()}
    for index, values in optimiser.state_dict()["state"].items():
        state |= {f"adam.{index}.{k}": v.contiguous() for k, v in values.items()}
    state["step"] = torch.tensor(step)
    partial = folder / "checkpoint.partial"
    save_file(state, partial)
    move_file(partial, folder / _CHECKPOINT)


def restore(
    folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, mean: Mapping[str, Tensor]
) -> int:
    """
    Load the checkpoint of a folder and return its number of steps; 0 without a checkpoint.

    Raises
    ------
    WeightsError
        If it is damaged, or belongs to another network.
    """
    path = folder / _CHECKPOINT
    if not path.exists():
        return 0
    try:
        state = load_file(path)
        network.load_state_dict(_under(state, "network."))
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: is damaged, or a checkpoint of another network; move it away, or write to "
            "another file"
        ) from error
    for name, value in _under(state, "mean.").items():
        mean[name].copy_(value)
    adam: dict[int, dict[str, Tensor]] = {}
    for key, value in _under(state, "adam.").items():
        index, name = key.split(".")
        adam.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": adam})
    step = int(state["step"])
    _LOG.info("resumed %s at step %d", path, step)
    return step


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def last_row(folder: Path) -> dict[str, float]:
    """Return the figures of the last checkpoint; empty where there is none."""
    rows = _rows(folder / TABLE)
    return {name: float(value) for name, value in rows[-1].items() if value} if rows else {}


def warn(folder: Path, text: str) -> None:
    """Keep the warning of the last checkpoint, empty for none, and log it where it is new."""
    path = folder / _WARNING
    if not text:
        path.unlink(missing_ok=True)
    elif text != last_warning(folder):
        _LOG.warning("%s: %s", folder, text)
        write_file(path, f"{text}\n".encode())


def last_warning(folder: Path) -> str:
    """Return the warning of the last checkpoint; empty for none."""
    path = folder / _WARNING
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def log(folder: Path, row: Mapping[str, float]) -> None:
    """
    Add a row to the log and redraw its plot.

    Parameters
    ----------
    folder : Path
        Folder of the training run.
    row : mapping
        ``step`` and figures. Later rows of an interrupted run are removed.
    """
    path = folder / TABLE
    rows = [old for old in _rows(path) if int(old["step"]) < row["step"]]
    rows.append(
        {key: f"{value:.6g}" for key, value in row.items()} | {"step": f"{row['step']:.0f}"}
    )
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, fieldnames=list(row), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: old.get(key, "") for key in row} for old in rows)
    write_file(path, table.getvalue().encode())
    write_file(folder / PLOT, _plot(rows))


def _plot(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Return a PNG of every figure over the steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name in rows[-1]:
        if name != "step":
            points = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
            axes.plot(*zip(*points, strict=True), marker=".", label=name)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.legend(loc="upper right")  # to search for a place can take longer than the figure
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
