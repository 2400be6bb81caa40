"""
DESIS L2A and L1C: GeoTIFF, and METADATA.xml beside it.

Layout: DESIS Product Specification PAV-DLR-ICD-003, "hsi_doc/specific/bandCharacterisation/band".
The products state no bad bands, and on-board binning leaves some with fewer than 235.
"""

from __future__ import annotations

from pathlib import Path

from hsfuse.io.pixels import Opened
from hsfuse.io.products.delivery import Schema, open_delivery

__all__ = ["open_product"]

_SCHEMA = Schema(
    maker="DESIS",
    sensor="desis",
    bands="specific/bandCharacterisation/band",
    number="bandNumber",
    wavelength="wavelengthCenterOfBand",
    width="wavelengthWidthOfBand",
    gain="gainOfBand",
    offset="offsetOfBand",
)


def open_product(path: Path) -> Opened:
    """
    Open a DESIS product: its folder, its METADATA.xml or its SPECTRAL_IMAGE.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Opened
        Reflectance (L2A) or radiance (L1C) by the gains of the metadata, with the wavelengths
        and widths of the scene.

    Raises
    ------
    RasterError
        If the level has no map grid, a file is missing, or they contradict each other.
    """
    return open_delivery(path, _SCHEMA)
