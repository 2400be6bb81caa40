"""What a finished output states of its own origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import rasterio
import zarr
from rasterio.errors import RasterioError
from zarr.errors import BaseZarrError

from hsfuse.io.geotiff import PROVENANCE_TAG
from hsfuse.io.zarr_layout import PROVENANCE

__all__ = ["read_provenance"]


def read_provenance(path: Path) -> Mapping[str, object]:
    """
    Return the attributes with which hsfuse wrote an output, such as the digest of its plan.

    Parameters
    ----------
    path : Path
        A GeoTIFF or a zarr store.

    Returns
    -------
    mapping
        Empty where the file is no output of hsfuse, or cannot be read.
    """
    try:
        if path.is_dir():
            found = zarr.open_group(path, mode="r").attrs.asdict().get(PROVENANCE)
        else:
            with rasterio.open(path) as dataset:
                found = json.loads(dataset.tags().get(PROVENANCE_TAG, "{}"))
    except (OSError, ValueError, KeyError, RasterioError, BaseZarrError):
        return {}
    return found if isinstance(found, Mapping) else {}
