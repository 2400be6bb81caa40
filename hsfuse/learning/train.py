"""
Training of networks on simulated pairs, from files of cubes to weights with a card.

Pairs are simulated from high-resolution cubes (:mod:`hsfuse.learning.examples`), and a network of
:mod:`hsfuse.nets.table` is trained to invert the simulation (:mod:`hsfuse.learning.loop`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import xarray as xr

from hsfuse.errors import OutputError, PairError, PlanError, WeightsError
from hsfuse.io.output.input_files import check_not_input
from hsfuse.io.read import open_raster
from hsfuse.learning.checkpoint import last_row, last_warning
from hsfuse.learning.loop import sensor_names, train_network
from hsfuse.learning.recipe import RECIPES, Recipe, default_recipe
from hsfuse.methods.ms_ssfnet.features import CHANNELS
from hsfuse.nets.network import Architecture
from hsfuse.nets.table import NETWORKS, read_architecture
from hsfuse.nets.weights import Card, Domain, find_weights, load_network, save_weights
from hsfuse.parallel import ShownProgress, pick_device, shown_progress
from hsfuse.sensor.catalogue import Sensor, pick_sensor, response_matrix

__all__ = [
    "RECIPES",
    "SCALES",
    "Recipe",
    "architecture_for",
    "train",
    "training_folder",
]

# Default number of doublings of a network: structures of up to eight MS pixels, or ratio 16.
SCALES = {"component": 3, "cube": 4}
# Smallest share of the response of an MS band inside the bands of the cubes.
_MINIMUM_COVERAGE = 0.9


def train(
    cubes: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    recipe: Recipe | None = None,
    network: str = "ms-ssfnet",
    scales: int | None = None,
    width: int | None = None,
    levels: int | None = None,
    depth: int | None = None,
    rgb_sensors: Sequence[str | os.PathLike[str] | Sensor] = (),
    hs_sensor: str | Sensor | None = None,
    validation: Sequence[str | os.PathLike[str]] = (),
    about: Mapping[str, object] | None = None,
    device: str = "auto",
    overwrite: bool = False,
    start_from: str | os.PathLike[str] | None = None,
    until: int | None = None,
    progress: ShownProgress | None = None,
) -> Card:
    """
    Train a network on pairs simulated from cubes, and write its weights and card.

    Parameters
    ----------
    cubes : sequence of path
        High-resolution rasters, which may be larger than memory. For a recipe that predicts cubes
        they must have the same wavelengths.
    out : path
        Weights file with the suffix ``.safetensors``. Checkpoints, log and plot are in the folder
        ``<out>.training``, from which an interrupted run is resumed.
    recipe : Recipe, optional
        Settings of the training; by default ``RECIPES["component"]`` for `ms-ssfnet`, and
        ``RECIPES["paper"]`` for the other networks.
    network : str
        A name of :data:`hsfuse.nets.table.NETWORKS`.
    scales, width, levels, depth : int, optional
        Size of the network: doublings, features of a layer, outputs in the loss, blocks or layers;
        by default that of the network. A network that predicts cubes has the ratio ``2 ** scales``.
    rgb_sensors : sequence of str, path or Sensor
        MS sensors to simulate, drawn at random; ``"made"``, the default, is a random sensor of one
        to nine bands for every scene.
    hs_sensor : str or Sensor, optional
        Sensor with the wavelengths of cubes without wavelengths.
    validation : sequence of path
        Cubes for validation at every checkpoint, not used for training.
    about : mapping, optional
        ``data``, ``scores`` and ``terms`` for the card, in JSON types.
    device : str
        ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.
    overwrite : bool
        Replace existing weights, and the checkpoint of another training.
    start_from : path, optional
        Initial weights, of the same architecture.
    until : int, optional
        Step after which the training pauses, to be resumed later; the weights of this step are
        written.
    progress : callable or True, optional
        Called with the number of finished steps, the number of all steps and the last loss; True
        shows a progress bar.

    Returns
    -------
    Card
        Card of the weights.

    Raises
    ------
    PairError
        If the cubes do not fit the recipe.
    PlanError
        If the recipe does not suit the network, or the sizes are not valid for it.
    OutputError
        If the weights exist, or cannot be written.
    HsfuseError
        If the loss becomes NaN or infinite; the last checkpoint remains.
    """
    recipe = recipe or RECIPES[default_recipe(network)]
    out = _checked_output(Path(out), overwrite=overwrite)
    initial_weights = [] if start_from is None else [start_from]
    check_not_input([out, out.with_suffix(".json")], [*cubes, *validation, *initial_weights])
    device = pick_device(device)
    _check_disjoint(cubes, validation)
    rasters, validation_rasters = (
        [open_raster(path, sensor=hs_sensor) for path in paths] for paths in (cubes, validation)
    )
    names = rgb_sensors or ("made",)
    sensors = [None if name == "made" else pick_sensor(name) for name in names]
    if recipe.predicts == "cube":
        _check_same_bands([*rasters, *validation_rasters])
        _check_sensors(sensors, rasters[0])
    sizes = {"scales": scales, "width": width, "levels": levels, "depth": depth}
    architecture = architecture_for(recipe, rasters, sensors, network=network, **sizes)
    folder = training_folder(out)
    initial = None if start_from is None else _initial_card(Path(start_from), architecture)
    start = None if initial is None else load_network(initial.path, initial.sha256).state_dict()
    with shown_progress(progress, "steps") as bar:
        trained = train_network(
            rasters,
            sensors,
            architecture,
            recipe,
            folder,
            validation=validation_rasters,
            device=device,
            overwrite=overwrite,
            start=start,
            until=until,
            progress=bar,
        )
    last = last_row(folder)
    metadata: dict[str, object] = {
        "data": {
            "cubes": [Path(path).name for path in cubes],
            "validation": [Path(path).name for path in validation],
        },
        "scores": {name: last[name] for name in ("validation", "start") if name in last},
        "terms": "those of the cubes it was trained on",
        **(about or {}),
        "recipe": _recipe_metadata(recipe, sensors, initial, steps=int(last.get("step", 0))),
    }
    if warning := last_warning(folder):
        metadata["warning"] = warning
    if initial is not None:
        metadata["data"] = _with_cubes_of(initial, metadata["data"])
    domain = _domain(rasters, recipe, architecture)
    return save_weights(trained, out, domain=domain, about=metadata)


def _recipe_metadata(
    recipe: Recipe, sensors: Sequence[Sensor | None], initial: Card | None, *, steps: int
) -> dict[str, object]:
    """Return the recipe as the card states it, for weights after a number of steps."""
    return {
        **asdict(recipe),
        "steps_done": steps,
        "rgb_sensors": sensor_names(sensors),
        "started_from": None
        if initial is None
        else {"name": initial.name, "sha256": initial.sha256},
    }


def _initial_card(path: Path, architecture: Architecture) -> Card:
    """Return the card of initial weights.

    Raises
    ------
    WeightsError
        If they are of another architecture.
    """
    card = find_weights(path)
    if card.architecture.for_inference() != architecture.for_inference():
        raise WeightsError(f"{path}: has the network {card.architecture}; expected {architecture}")
    return card


def _with_cubes_of(initial: Card, data: object) -> object:
    """Return the description of the training data, including those of the initial weights."""
    before = initial.about["data"]
    if not (isinstance(data, dict) and isinstance(before, dict)):
        return data
    cubes = [*before.get("cubes", []), *data.get("cubes", [])]
    return {**data, "cubes": sorted(set(cubes))}


def training_folder(out: str | os.PathLike[str]) -> Path:
    """
    Return the folder of the checkpoints and the log of a training.

    Examples
    --------
    >>> training_folder("mine.safetensors").as_posix()
    'mine.training'
    """
    return Path(out).with_suffix(".training")


def _checked_output(out: Path, *, overwrite: bool) -> Path:
    """Check that the weights may be written to a path; return the path."""
    if out.suffix != ".safetensors":
        raise OutputError(f"{out}: expected a name that ends in .safetensors, got {out.suffix!r}")
    if not out.parent.is_dir():
        raise OutputError(f"{out}: the folder {out.parent} does not exist; create it first")
    for path in (out, out.with_suffix(".json")):
        if path.is_dir():
            raise OutputError(f"{path}: is a folder and is not replaced")
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: exists already; pass `--overwrite` to replace it")
    return out


def _check_disjoint(
    cubes: Sequence[str | os.PathLike[str]], validation: Sequence[str | os.PathLike[str]]
) -> None:
    if not cubes:
        raise PairError("expected at least one cube to train on, got none")
    trained = {Path(path).resolve() for path in cubes}
    for path in validation:
        if Path(path).resolve() in trained:
            raise PairError(
                f"{path}: is given for training and for validation; expected in one of them"
            )


def architecture_for(
    recipe: Recipe,
    cubes: Sequence[xr.DataArray] = (),
    sensors: Sequence[Sensor | None] = (),
    *,
    network: str = "ms-ssfnet",
    scales: int | None = None,
    **sizes: int | None,
) -> Architecture:
    """
    Return the architecture of a network for a recipe.

    Parameters
    ----------
    recipe : Recipe
        Recipe: target of the network.
    cubes : sequence of DataArray
        Cubes with the bands, for a network that predicts cubes.
    sensors : sequence of Sensor or None
        MS sensors with the MS bands.
    network, scales
        As in :func:`train`.
    **sizes
        ``width``, ``levels`` and ``depth``, as in :func:`train`.

    Raises
    ------
    PlanError
        If the recipe does not suit the network, or the sizes are not valid for it.
    """
    if network not in NETWORKS:
        raise PlanError(f"network must be one of {', '.join(NETWORKS)}, got {network!r}")
    if recipe.predicts == "component" and network != "ms-ssfnet":
        raise PlanError(
            f"the recipe predicts components, which {network} does not; expected the recipe paper"
        )
    scales = SCALES[recipe.predicts] if scales is None else scales
    parameters = _sizes(network, sizes)
    parameters |= {"scales": scales} if network == "ms-ssfnet" else {"ratio": 2**scales}
    if recipe.predicts == "component":
        parameters |= {"bands": 1, "fine_bands": CHANNELS, "coarse_bands": CHANNELS}
    else:
        sensor = sensors[0] if sensors else None
        fine = 3 if sensor is None else len(sensor.band_names)
        parameters |= {"bands": int(cubes[0].sizes["band"]), "fine_bands": fine}
    try:
        return read_architecture(parameters)
    except ValueError as error:
        raise PlanError(str(error)) from error


def _sizes(network: str, requested: Mapping[str, int | None]) -> dict[str, int | str]:
    """Return the sizes of a network, its defaults where none are given."""
    spec = NETWORKS[network]
    parameters: dict[str, int | str] = {} if network == "ms-ssfnet" else {"network": network}
    for name, default in (("width", spec.width), ("levels", spec.levels), ("depth", spec.depth)):
        value = requested.get(name)
        if default is not None:
            parameters[name] = default if value is None else value
        elif value is not None:
            raise PlanError(f"{network} has no {name} to choose, got {name}={value}")
    return parameters


def _check_same_bands(rasters: Sequence[xr.DataArray]) -> None:
    wavelength = rasters[0]["wavelength"].to_numpy()
    for raster in rasters:
        candidate = raster["wavelength"].to_numpy()
        if not np.isfinite(candidate).all():
            raise PairError(
                f"{raster.attrs['source']}: some of its bands have no wavelength; name its sensor"
            )
        if candidate.shape != wavelength.shape or not np.allclose(candidate, wavelength):
            raise PairError(
                f"{raster.attrs['source']}: has {candidate.size} bands, {candidate.min():.0f} to "
                f"{candidate.max():.0f} nm; expected the {wavelength.size} bands of "
                f"{rasters[0].attrs['source']}"
            )


def _check_sensors(sensors: Sequence[Sensor | None], cube: xr.DataArray) -> None:
    """Check that there is one MS sensor, whose bands are inside those of the cube."""
    (first, *others) = sensors
    if others or first is None:
        raise PairError(
            "a network that predicts cubes serves one MS sensor, of known bands; expected one "
            f"name, got {', '.join(sensor_names(sensors))}"
        )
    response = response_matrix(first, cube["wavelength"].to_numpy())
    outside = [
        name
        for name, share in zip(response.band_names, response.coverage, strict=True)
        if share <= _MINIMUM_COVERAGE
    ]
    if outside:
        raise PairError(
            f"{cube.attrs['source']}: its bands do not cover {', '.join(outside)} of {first.id}; "
            "name bands that they cover, as in sentinel-2a:B2,B3,B4"
        )


def _domain(rasters: Sequence[xr.DataArray], recipe: Recipe, architecture: Architecture) -> Domain:
    """Return the domain of pairs for which the weights are valid."""
    if recipe.predicts == "cube":
        wavelength = tuple(rasters[0]["wavelength"].to_numpy().tolist())
        ratio = float(architecture.ratio)
        fine = architecture.fine_bands
        return Domain((ratio, ratio), (fine, fine), (0.0, np.inf), wavelength)
    wavelengths = [raster["wavelength"].to_numpy() for raster in rasters]
    if all(
        nm.shape == wavelengths[0].shape and np.allclose(nm, wavelengths[0]) for nm in wavelengths
    ):
        step = float(np.diff(wavelengths[0]).max())
        nearby = float(wavelengths[0].min()) - step, float(wavelengths[0].max()) + step
        return Domain(recipe.ratio, (1, 1000), nearby)
    return Domain(recipe.ratio, (1, 1000))
