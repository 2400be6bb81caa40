"""
Reader of DESIS L2A and L1C products: GeoTIFF with METADATA.xml.

Layout: DESIS Product Specification PAV-DLR-ICD-003, "hsi_doc/specific/bandCharacterisation/band".
The products flag no bad bands, and some have fewer than 235 bands, by on-board binning.
"""

from __future__ import annotations

from pathlib import Path

from hsfuse.io.input.pixels import Opened
from hsfuse.io.products.delivery import Schema, open_delivery

__all__ = ["open_product"]

_SCHEMA = Schema(
    mission="DESIS",
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
        Reflectance (L2A) or radiance (L1C), scaled by the gains of the metadata, with the
        wavelengths and widths of the scene.

    Raises
    ------
    RasterError
        If the level has no map grid, or files are missing or contradictory.
    """
    return open_delivery(path, _SCHEMA)
