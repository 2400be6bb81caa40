"""Names of what an output holds, for its writers and its readers."""

from __future__ import annotations

from hsfuse.io.files.url import AnyPath

__all__ = [
    "COMPLETE",
    "CUBE",
    "ITEMS",
    "MEANING",
    "PROVENANCE",
    "PROVENANCE_ATTRIBUTE",
    "PROVENANCE_FIELD",
    "PROVENANCE_TAG",
    "STANDARD_ERROR",
    "STANDARD_ERROR_FIELD",
    "error_file",
]

#: Name of the standard error (y, x), as a coordinate of a raster and as an array of a store.
STANDARD_ERROR = "standard_error"
#: Metadata domain of the band items that hsfuse writes to a GeoTIFF. ``ROLE=standard_error`` marks
#: the band of standard errors.
ITEMS = "HSFUSE"
#: Field of an ENVI header that is 1 where a file of standard errors accompanies the image.
STANDARD_ERROR_FIELD = "hsfuse standard error"
#: Array of a store that holds the cube, (band, y, x).
CUBE = "cube"
#: Attributes of a store: whether all of it is written, and what it states of its origin.
COMPLETE = "hsfuse:complete"
PROVENANCE = "hsfuse:provenance"
#: Where a GeoTIFF, an ENVI header and a netCDF file state the same.
PROVENANCE_TAG = "HSFUSE_PROVENANCE"
PROVENANCE_FIELD = "hsfuse provenance"
PROVENANCE_ATTRIBUTE = "hsfuse_provenance"

#: Definition of the standard error, stored in files.
MEANING = (
    "standard error of the spectrum: of 90 % of the pixels the root mean square error over the "
    "good bands is below 1.645 of it"
)


def error_file(path: AnyPath) -> AnyPath:
    """
    Return the file of the standard errors of an ENVI file.

    Examples
    --------
    >>> from pathlib import Path
    >>> str(error_file(Path("fused.dat")))
    'fused_standard_error.dat'
    """
    return path.with_name(f"{path.stem}_{STANDARD_ERROR}{path.suffix}")
