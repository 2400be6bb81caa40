"""
EnMAP L2A and L1C: GeoTIFF or ENVI, and METADATA.XML beside it.

Layout: EnMAP Product Specification EN-PCV-ICD-2009-2, "level_X/specific/bandCharacterisation",
as the EnMAP-Box reads it (enmapboxprocessing/algorithm/importenmapl2aalgorithm.py). The bands of
both detectors are in the order of the image, where they overlap by wavelength too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hsfuse.io.pixels import Opened
from hsfuse.io.products.delivery import Schema, open_delivery
from hsfuse.io.products.document import Document

__all__ = ["open_product"]

_SCHEMA = Schema(
    maker="EnMAP",
    sensor="enmap",
    bands="specific/bandCharacterisation/bandID",
    number="@number",
    wavelength="wavelengthCenterOfBand",
    width="FWHMOfBand",
    gain="GainOfBand",
    offset="OffsetOfBand",
)
_STATISTICS = "product/bandStatistics/bandID"
_EMPTY = -1_000_000  # what the processor states as the mean of a band without data


def open_product(path: Path) -> Opened:
    """
    Open an EnMAP product: its folder, its METADATA.XML or its SPECTRAL_IMAGE.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Opened
        Reflectance (L2A) or radiance (L1C) by the gains of the metadata, with the wavelengths
        and widths of the scene. Bad are bands without data and those in the windows of the
        sensor's table.

    Raises
    ------
    RasterError
        If the level has no map grid, a file is missing, or they contradict each other.
    """
    return open_delivery(path, _SCHEMA, _with_data)


def _with_data(document: Document, count: int) -> NDArray[np.bool_]:
    """Tell the bands that hold data: water vapour leaves some of an L2A product empty."""
    good = np.ones(count, dtype=bool)
    elements = document.root.findall(_STATISTICS)
    numbers = document.column(elements, "@number")
    spread, mean = (document.column(elements, name) for name in ("stdDeviation", "mean"))
    for number in numbers[(spread == 0) & (mean <= _EMPTY)]:
        if 1 <= number <= count:
            good[int(number) - 1] = False
    return good
