"""Provenance that is stored in a finished output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import zarr
from rasterio.errors import RasterioError
from zarr.errors import BaseZarrError

from hsfuse.io.files.url import AnyPath
from hsfuse.io.files.zarr_store import zarr_store
from hsfuse.io.input.handles import open_quietly
from hsfuse.io.input.netcdf import is_netcdf
from hsfuse.io.names import PROVENANCE, PROVENANCE_ATTRIBUTE, PROVENANCE_FIELD, PROVENANCE_TAG

__all__ = ["is_record_of", "read_provenance"]


def read_provenance(path: AnyPath) -> Mapping[str, object]:
    """
    Return the provenance of an output of hsfuse, such as the digest of its plan.

    Parameters
    ----------
    path : Path or Url
        A file of any of :data:`hsfuse.io.output.formats.FORMATS`.

    Returns
    -------
    mapping
        Empty where the file is no output of hsfuse, or cannot be read.
    """
    try:
        if path.is_dir() or path.suffix == ".zarr":  # a web server lists no folders
            group = zarr.open_group(zarr_store(path, read_only=True), mode="r")
            provenance = group.attrs.asdict().get(PROVENANCE)
        else:
            provenance = json.loads(_provenance_text(path))
    except (OSError, ValueError, KeyError, RasterioError, BaseZarrError):
        return {}
    return provenance if isinstance(provenance, Mapping) else {}


def is_record_of(record: Mapping[str, object], out: AnyPath) -> bool:
    """Return whether a record is of the run that wrote an output, which states its plan."""
    return record.get("digest") == read_provenance(out).get("plan")


def _provenance_text(path: AnyPath) -> str:
    """Return the provenance of a file as JSON; an empty object if it has none."""
    if isinstance(path, Path) and is_netcdf(path):
        import h5py  # which a plan does not need

        with h5py.File(path) as file:
            return str(file.attrs.get(PROVENANCE_ATTRIBUTE, "{}"))
    with open_quietly(str(path)) as dataset:
        field = PROVENANCE_FIELD.replace(" ", "_")
        header = dataset.tags(ns="ENVI") if dataset.driver == "ENVI" else {}
        return str(dataset.tags().get(PROVENANCE_TAG) or header.get(field, "{}"))
