"""Reconstruction of the pair of a finished run from its record, without estimates or pixels."""

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

# Largest difference in MS pixels of a grid from that of a record: above rounding.
_SAME_GRID = 1e-3

Record = Mapping[str, Any]


def recorded_pair(build: Callable[[Affine | None], Pair], record: Record) -> Pair:
    """
    Return a pair with the co-registration, PSF and response of its run.

    Parameters
    ----------
    build : callable
        Returns the pair for a correction of the position of the HS image
        (``move`` of :func:`hsfuse.pair.geometry.make_pair`).
    record : mapping
        Record of :func:`hsfuse.run`; :func:`same_grid` checks that it belongs to this pair.

    Raises
    ------
    PairError
        If the rasters are not a valid pair.
    KeyError, TypeError, ValueError
        If the record is invalid, or from an older version of hsfuse.
    """
    pair, alignment = build(None), record["alignment"]
    if not same_grid(pair.geometry, record["grid"]) and alignment is not None:
        pair = build(shifted_by(tuple(alignment["shift"]), pair.geometry))
    drift = None if alignment is None else alignment["resampled"]
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
    """Return whether a geometry equals the grid of a record."""
    for name, axis in (("y", geometry.y), ("x", geometry.x)):
        if (axis.fine, axis.coarse) != (grid["fine"][name], grid["coarse"][name]):
            return False
        difference = (axis.ratio - grid["ratio"][name]) * axis.coarse
        if max(abs(axis.origin - grid["origin"][name]), abs(difference)) > _SAME_GRID:
            return False
    return True
