"""Files of a simulated pair and its reference: paths, checks and writing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Unpack

import xarray as xr

from hsfuse.errors import OutputError
from hsfuse.io.write import StoredType, check_output, count_partial, write_raster
from hsfuse.synthetic.simulation import ObservationOptions, SimulatedRasters, observe

__all__ = ["SimulatedFiles", "check_simulated", "simulate", "write_simulated"]


class SimulatedFiles(NamedTuple):
    """Paths of a simulated pair and its reference."""

    scene: Path
    rgb: Path
    truth: Path


def simulate(
    cube: xr.DataArray,
    directory: str | os.PathLike[str],
    *,
    dtype: StoredType = "float32",
    scale: float | None = None,
    overwrite: bool = False,
    **observation: Unpack[ObservationOptions],
) -> SimulatedFiles:
    """
    Simulate the images of a cube by two sensors, and write them with the reference.

    Parameters
    ----------
    cube : DataArray
        Z (band, y, x), as from :func:`hsfuse.open_raster`; may be larger than memory.
    directory : str or path
        Folder of ``scene.tif``, ``rgb.tif`` and ``truth.tif``; created if it does not exist.
    dtype, scale
        Packing of all three files; integers need a scale.
    overwrite : bool
        Replace existing files.
    **observation
        See :func:`observe`; ``rgb_sensor`` and ``ratio`` are required.

    Returns
    -------
    SimulatedFiles
        The three paths.

    Raises
    ------
    OutputError
        If a file exists already or cannot be written.
    PairError, SensorError
        See :func:`observe`.
    """
    rasters = observe(cube, **observation)
    return write_simulated(rasters, directory, dtype=dtype, scale=scale, overwrite=overwrite)


def write_simulated(
    rasters: SimulatedRasters,
    directory: str | os.PathLike[str],
    *,
    dtype: StoredType = "float32",
    scale: float | None = None,
    overwrite: bool = False,
) -> SimulatedFiles:
    """
    Write a simulated pair and its reference block by block; options as in :func:`simulate`.

    Raises
    ------
    OutputError
        If a file exists already or cannot be written.
    """
    source = rasters.truth.attrs.get("source")
    files = check_simulated(directory, overwrite=overwrite, inputs=[source] if source else [])
    for raster, path in zip(rasters, files, strict=True):
        write_raster(raster, path, dtype=dtype, scale=scale, overwrite=overwrite)
    return files


def check_simulated(
    directory: str | os.PathLike[str], *, overwrite: bool, inputs: Sequence[str] = ()
) -> SimulatedFiles:
    """
    Create the folder of a simulated pair, and return the paths if they may be written.

    Parameters
    ----------
    directory, overwrite
        As in :func:`simulate`.
    inputs : sequence of str
        Input files, which must not be replaced.

    Raises
    ------
    OutputError
        If a file exists, an interrupted command left a partial output, or the folder cannot be
        created.
    """
    folder = Path(directory)
    if folder.is_file():
        raise OutputError(f"{folder}: is a file; expected the folder of the simulated files")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{folder}: the folder cannot be created ({reason})") from error
    files = SimulatedFiles(*(folder / f"{name}.tif" for name in SimulatedRasters._fields))
    for path in files:
        check_output(path, overwrite=overwrite, inputs=inputs)
        if any(count_partial(path)) and not overwrite:  # simulations cannot be resumed
            raise OutputError(
                f"{path}: an interrupted command left a part of it; pass `--overwrite` to start "
                "again"
            )
    return files
