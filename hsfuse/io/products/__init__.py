"""
Readers of products as delivered by their providers: pixels with metadata.

:func:`open_product` recognises a product by its file name and returns it like any other raster; no
later code depends on products. Metadata of the scene take precedence over the sensor's table.
Missing metadata are taken from the table, and each such assumption is recorded in a note.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path

from hsfuse.errors import RasterError
from hsfuse.io.files.url import Url, as_path
from hsfuse.io.input.pixels import Opened

__all__ = ["DLR_IMAGE", "DLR_METADATA", "PRODUCTS", "open_product"]

#: Patterns of the names of EnMAP and DESIS files, after the name of the scene.
DLR_METADATA = r"METADATA\.XML"
DLR_IMAGE = r"SPECTRAL_IMAGE(_COG|_VNIR|_SWIR)?\.(TIFF?|BSQ|BIL|BIP|JP2)"
_DLR = rf"(-({DLR_METADATA}|{DLR_IMAGE}))?"

#: Pattern of the names of files and folders of a product -> module of its reader. Full names are
#: matched, so that an output named after its scene is not taken for the scene.
PRODUCTS = {
    rf"ENMAP\d\d-_*L\d[ABC]-DT\d+_\d+T\d+Z_\d+_V\d+_\d+T\d+Z{_DLR}": "enmap",
    rf"DESIS-HSI-L\d[ABC]-DT\d+_\d+-\d+T\d+-V\d+{_DLR}": "desis",
    r"S2[A-D]_MSIL(1C|2A)_\w+\.SAFE|MTD_MSIL(1C|2A)\.xml": "sentinel2",
    r"L(1C|2A)_T\d\d[A-Z]{3}_A\d{6}_\d{8}T\d{6}|MTD_TL\.xml": "sentinel2",
    r"PRS_(L1|L2[BCD])_\w+\.he5": "prisma",
    r"(f\d{6}t\d\dp\d\d_?r\d\d|ang\d{8}t\d{6})\w*(\.(img|dat|bil|bip|bsq))?(\.hdr)?": "envi",
    r".*(VNIR|SWIR)_\w+_SN\d+[^.]*(\.(hyspex|img|dat|bil|bip|bsq))?(\.hdr)?": "envi",
    r"EMIT_(L2A_RFL|L1B_RAD)_\d+_\d{8}T\d{6}_\d+_\d+\.nc": "emit",
    r".+_ms(_\d\d\.png)?": "cave",
    r".+\.mat": "matlab",
    r"\d{8}_\d{6}\w*_AnalyticMS(_SR)?(_[48]b)?(_harmonized)?(_clip)?\.tiff?": "planet",
}


def open_product(path: str | os.PathLike[str]) -> Opened | None:
    """
    Open a product of a known provider; return None if the name matches no product.

    Parameters
    ----------
    path : str or path
        Folder, metadata file or image of the product.

    Raises
    ------
    RasterError
        If files of the product are missing, damaged or contradictory, or hold no raster on a map
        grid; or if it is a URL.
    """
    place = as_path(path)
    if isinstance(place, Path):
        place = place.expanduser()
    for pattern, module in PRODUCTS.items():
        if re.fullmatch(pattern, place.name, re.IGNORECASE) and place.exists():
            if isinstance(place, Url):
                raise RasterError(
                    f"{place}: a product of several files; products are read from this machine "
                    "only: download its folder first"
                )
            opened: Opened | None = import_module(f"{__name__}.{module}").open_product(place)
            return opened
    return None
