"""Lazy reader of netCDF files, and of any xarray dataset opened without decoding."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from hsfuse.errors import RasterError
from hsfuse.io.files.identity import companions
from hsfuse.io.files.url import AnyPath
from hsfuse.io.input.arrays import open_array
from hsfuse.io.input.checks import check_block
from hsfuse.io.input.decoded import PACKING
from hsfuse.io.input.pixels import Opened
from hsfuse.io.input.sources import check_links, is_hdf5
from hsfuse.io.settings import CHECKS

__all__ = ["NETCDF_SUFFIXES", "is_netcdf", "open_netcdf", "open_stored"]

NETCDF_SUFFIXES = (".nc", ".nc4", ".nc3", ".cdf", ".netcdf")
_CLASSIC = (b"CDF\x01", b"CDF\x02")


def is_netcdf(path: Path) -> bool:
    """Return whether a file is netCDF, by its suffix and signature."""
    if path.suffix.lower() not in NETCDF_SUFFIXES or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in _CLASSIC or is_hdf5(path)


def open_netcdf(path: Path, variable: str = "") -> Opened:
    """
    Open the raster variable of a netCDF file.

    Parameters
    ----------
    path : Path
        A netCDF file of any version except the 64-bit data format (CDF-5).
    variable : str
        Name of the variable, with its group if it is in one; by default the only raster.

    Raises
    ------
    RasterError
        If the file is damaged, links to files outside its folder, or holds no raster variable or
        several.
    """
    check_links(path)
    group, _, name = variable.strip("/").rpartition("/")
    classic = not is_hdf5(path)
    try:
        raw = xr.open_dataset(
            path,
            engine="scipy" if classic else "h5netcdf",
            group=group or None,
            chunks=None,
            decode_cf=False,
            cache=False,
            create_default_indexes=False,  # which would read coordinates before they are checked
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise RasterError(
            f"{path}: not a netCDF file that can be opened, or damaged ({reason}); one variable "
            "(band, y, x) is accepted"
        ) from error
    return open_stored(path, raw, name, companions([str(path)]))


def open_stored(path: AnyPath, raw: xr.Dataset, variable: str, state: object) -> Opened:
    """
    Interpret the raster variable of a dataset whose numbers are not decoded.

    Parameters
    ----------
    path : Path or Url
        The file or store.
    raw : Dataset
        Opened with ``decode_cf=False``.
    variable : str
        Name of the variable; empty for the only raster.
    state : object
        Identifier of the content of the file.
    """
    _check_sizes(str(path), raw)
    # xarray would compare no-data values exactly, so the packing attributes are withheld from it.
    packing: dict[object, dict[str, object]] = {}
    for name, stored in raw.data_vars.items():
        if stored.ndim > 1:
            attributes = stored.attrs
            packing[name] = {key: attributes.pop(key) for key in PACKING if key in attributes}
    dataset = xr.decode_cf(raw, decode_coords="all", decode_times=False)
    for name, packed in packing.items():
        if name in dataset:
            dataset[name].attrs.update(packed)
    token = (variable, state)
    return open_array(str(path), dataset, variable=variable, stored=True, token=token)


def _check_sizes(path: str, raw: xr.Dataset) -> None:
    """Refuse blocks and coordinates of implausible size."""
    for name, array in raw.variables.items():
        encoding = array.encoding
        chunks = encoding.get("shards") or encoding.get("chunks") or encoding.get("chunksizes")
        check_block(path, tuple(chunks or (1,)), array.dtype.itemsize)
        if array.ndim == 1 and array.size > CHECKS.most_entries:
            raise RasterError(
                f"{path}: {name} declares {array.size} entries; expected at most "
                f"{CHECKS.most_entries} of a coordinate; it is taken for damaged"
            )
