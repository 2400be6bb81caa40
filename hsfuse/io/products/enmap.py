"""
Reader of EnMAP L2A and L1C products: GeoTIFF or ENVI with METADATA.XML.

Layout: EnMAP Product Specification EN-PCV-ICD-2009-2, "level_X/specific/bandCharacterisation",
as the EnMAP-Box reads it (enmapboxprocessing/algorithm/importenmapl2aalgorithm.py). The bands of
both detectors are in the order of the image, also where their wavelengths overlap.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hsfuse.io.input.pixels import Opened
from hsfuse.io.products.delivery import Schema, open_delivery
from hsfuse.io.products.document import Document

__all__ = ["open_product"]

_SCHEMA = Schema(
    mission="EnMAP",
    sensor="enmap",
    bands="specific/bandCharacterisation/bandID",
    number="@number",
    wavelength="wavelengthCenterOfBand",
    width="FWHMOfBand",
    gain="GainOfBand",
    offset="OffsetOfBand",
)
_STATISTICS = "product/bandStatistics/bandID"
_EMPTY = -1_000_000  # mean that the processor states for a band without data


def open_product(path: Path) -> Opened:
    """
    Open an EnMAP product: its folder, its METADATA.XML or its SPECTRAL_IMAGE.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Opened
        Reflectance (L2A) or radiance (L1C), scaled by the gains of the metadata, with the
        wavelengths and widths of the scene. Bad bands are those without data and those that the
        sensor's table marks as bad.

    Raises
    ------
    RasterError
        If the level has no map grid, or files are missing or contradictory.
    """
    return open_delivery(path, _SCHEMA, _with_data)


def _with_data(document: Document, count: int) -> NDArray[np.bool_]:
    """Return the flags of bands with data: L2A bands in water vapour absorption are empty."""
    good = np.ones(count, dtype=bool)
    elements = document.root.findall(_STATISTICS)
    numbers = document.column(elements, "@number")
    spread, mean = (document.column(elements, name) for name in ("stdDeviation", "mean"))
    for number in numbers[(spread == 0) & (mean <= _EMPTY)]:
        if 1 <= number <= count:
            good[int(number) - 1] = False
    return good
