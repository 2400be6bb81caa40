"""The pair of a finished run, as its record states it: nothing is estimated, no pixel is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from affine import Affine

from hsfuse.core.drift import Drift
from hsfuse.core.grid import Geometry
from hsfuse.core.psf import PSF
from hsfuse.io.displacement import displace
from hsfuse.pair.geometry import Pair, shifted_by

__all__ = ["recorded_pair", "same_grid"]

# Largest difference, in MS pixels, of a grid and that of a record: more than rounding.
_SAME_GRID = 1e-3

Record = Mapping[str, Any]


def recorded_pair(placed: Callable[[Affine | None], Pair], record: Record) -> Pair:
    """
    Return a pair with the co-registration, PSF and response of its run.

    Parameters
    ----------
    placed : callable
        Returns the pair with the HS image moved (:func:`hsfuse.pair.geometry.make_pair`).
    record : mapping
        Of :func:`hsfuse.run`. Whether it is of this pair, :func:`same_grid` says afterwards.

    Raises
    ------
    PairError
        If the rasters are no pair.
    KeyError, TypeError, ValueError
        If it is no record, or of an older version of hsfuse.
    """
    pair, found = placed(None), record["alignment"]
    if not same_grid(pair.geometry, record["grid"]) and found is not None:
        pair = placed(shifted_by(tuple(found["shift"]), pair.geometry))
    drift = None if found is None else found["resampled"]
    if drift is not None:
        terms = tuple(drift["terms"][0]), tuple(drift["terms"][1])
        surface = Drift(tuple(drift["size"]), terms, drift["scatter"], drift["windows"])
        pair = replace(pair, hs=displace(pair.hs, surface))
    width, response = record["psf"]["fwhm"], record["response"]
    return replace(
        pair,
        psf=PSF((width["y"], width["x"]), record["psf"]["status"], record["psf"]["source"]),
        response=np.array(response["matrix"], dtype=np.float64),
        response_source=response["source"],
    )


def same_grid(geometry: Geometry, grid: Record) -> bool:
    """Return whether a geometry is the grid of a record."""
    for name, axis in (("y", geometry.y), ("x", geometry.x)):
        if (axis.fine, axis.coarse) != (grid["fine"][name], grid["coarse"][name]):
            return False
        far = (axis.ratio - grid["ratio"][name]) * axis.coarse
        if max(abs(axis.origin - grid["origin"][name]), abs(far)) > _SAME_GRID:
            return False
    return True
