"""Completion of the band metadata of a product from the table of its sensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hsfuse.core.text import listed
from hsfuse.io.input.bands import BandTable, with_sensor
from hsfuse.sensor.catalogue import pick_sensor

__all__ = ["complete_bands"]


def complete_bands(
    bands: BandTable, name: str, *, windows: bool = True
) -> tuple[BandTable, list[str]]:
    """
    Return the band metadata completed from the sensor's table, with notes on what was added.

    Parameters
    ----------
    bands : BandTable
        Metadata of the product, which take precedence.
    name : str
        Name of the sensor, as in :func:`hsfuse.sensor.catalogue.pick_sensor`.
    windows : bool
        Whether to flag bands that the table marks as bad, such as those in water vapour
        absorption; False for a product with its own flags.

    Returns
    -------
    bands : BandTable
    notes : list of str
        One sentence for each property taken from the table.
    """
    sensor = pick_sensor(name)
    if not np.isfinite(bands.wavelength).any():
        filled = with_sensor(bands, sensor)
        if filled is bands:
            return bands, [
                f"states no wavelengths, and its {len(bands.names)} bands are not the "
                f"{len(sensor.band_names)} of {sensor.id}"
            ]
        return filled, [f"wavelengths are those of the table of {sensor.id}: the file states none"]
    notes: list[str] = []
    if sensor.kind == "hs":
        whole = sensor.with_bands(bands.wavelength, bands.fwhm, bands.names)
    else:  # a few broad bands cannot be interpolated
        whole = sensor.match(bands.wavelength)
    missing: NDArray[np.bool_] = ~np.isfinite(bands.fwhm) & np.isfinite(whole.fwhm)
    if missing.any():
        notes.append(
            f"the metadata state no width, that of the table of {sensor.id} is taken: "
            + _bands(bands.names, missing)
        )
    bad = bands.good & ~whole.good & windows
    if bad.any():
        notes.append(f"flagged as bad by the table of {sensor.id}: {_bands(bands.names, bad)}")
    good = bands.good & ~bad
    return replace(bands, fwhm=np.where(missing, whole.fwhm, bands.fwhm), good=good), notes


def _bands(names: Sequence[str], which: NDArray[np.bool_]) -> str:
    chosen = [name for name, taken in zip(names, which, strict=True) if taken]
    return "all bands" if len(chosen) == len(names) else listed(chosen)
