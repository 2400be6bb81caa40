"""Writers of small products in the layout that their makers publish."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

UTM = Affine(30.0, 0.0, 372000.0, 0.0, -30.0, 5810010.0)


def draw(*shape: int, low: int = 1, high: int = 9000) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, shape).astype(np.int16)


def write_image(path: Path, stored: np.ndarray, *, transform=UTM, **profile) -> Path:
    bands, rows, columns = stored.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=bands, height=rows, width=columns, dtype=stored.dtype,
        crs="EPSG:32633", transform=transform, **profile,
    ) as target:  # fmt: skip
        target.write(stored)
    return path


@dataclass(frozen=True)
class Delivery:
    """A product on disk, and what it was made of."""

    folder: Path
    metadata: Path
    image: Path
    stored: np.ndarray
    wavelength: np.ndarray = field(default_factory=lambda: np.array([]))
    width: np.ndarray = field(default_factory=lambda: np.array([]))
    gain: np.ndarray = field(default_factory=lambda: np.array([]))
    offset: np.ndarray = field(default_factory=lambda: np.array([]))


def element(name: str, value: object) -> str:
    return "" if value is None else f"<{name}>{value}</{name}>"


@pytest.fixture
def enmap(tmp_path: Path) -> Callable[..., Delivery]:
    def write(
        wavelength: Sequence[float] = (418.4, 560.1, 935.2, 940.7, 1380.0, 2201.5),
        *,
        level: str = "L2A",
        stored: np.ndarray | None = None,
        empty: Sequence[int] = (),
        nodata: float | None = -32768,
        text: Callable[[str], str] = str,
    ) -> Delivery:
        scene = f"ENMAP01-____{level}-DT0000001867_20220724T104526Z_008_V010302_20230628T165614Z"
        folder = tmp_path / scene
        folder.mkdir()
        bands = len(wavelength)
        stored = draw(bands, 12, 10) if stored is None else stored
        stored[:, :2, :3] = -32768
        centre = np.array(wavelength)
        width, gain = 6.0 + np.arange(bands) / 8, 1e-4 * (1 + np.arange(bands) / 4)
        offset = np.arange(bands) / 100
        described = "".join(
            f'<bandID number="{band + 1}">'
            + element("wavelengthCenterOfBand", repr(float(centre[band])))
            + element("FWHMOfBand", repr(float(width[band])))
            + element("GainOfBand", repr(float(gain[band])))
            + element("OffsetOfBand", repr(float(offset[band])))
            + "</bandID>\n"
            for band in range(bands)
        )
        statistics = "".join(
            f'<bandID number="{band + 1}"><mean>{-1000000 if band in empty else 812.5}</mean>'
            f"<stdDeviation>{0 if band in empty else 93.75}</stdDeviation></bandID>\n"
            for band in range(bands)
        )
        document = (
            '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
            '<level_X xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            f"<metadata><name>{scene}-METADATA.XML</name></metadata>"
            f"<base><level>{level}</level></base>"
            f"<product><bandStatistics>{statistics}</bandStatistics></product>"
            f"<specific><numberOfVNIRBands>{bands}</numberOfVNIRBands>"
            f"<bandCharacterisation>{described}</bandCharacterisation></specific></level_X>"
        )
        (folder / f"{scene}-METADATA.XML").write_text(text(document))
        for part in ("QL_VNIR", "QL_QUALITY_CLOUD", "QL_PIXELMASK"):
            write_image(folder / f"{scene}-{part}.TIF", draw(1, 12, 10))
        image = write_image(folder / f"{scene}-SPECTRAL_IMAGE.TIF", stored, nodata=nodata)
        return Delivery(
            folder, folder / f"{scene}-METADATA.XML", image, stored, centre, width, gain, offset
        )

    return write


@pytest.fixture
def desis(tmp_path: Path) -> Callable[..., Delivery]:
    def write(bands: int = 5, *, level: str = "L2A", text: Callable[[str], str] = str) -> Delivery:
        scene = f"DESIS-HSI-{level}-DT1203190212_025-20191203T021128-V0210"
        folder = tmp_path / scene
        folder.mkdir()
        stored = draw(bands, 12, 10)
        stored[:, :2, :3] = -32768
        centre, width = 401.9 + 10.2 * np.arange(bands), 2.4 + np.arange(bands) / 4
        gain, offset = np.full(bands, 1e-4), np.full(bands, 0.01)
        described = "".join(
            f"<band><bandNumber>{band + 1}</bandNumber>"
            f"<wavelengthCenterOfBand> {float(centre[band])}</wavelengthCenterOfBand>"
            f"<wavelengthWidthOfBand>{float(width[band])}</wavelengthWidthOfBand>"
            "<response>0.1,1.0,0.1</response><wavelengths>400,402,404</wavelengths>"
            f"<gainOfBand>{float(gain[band])}</gainOfBand><offsetOfBand>{float(offset[band])}</offsetOfBand>"
            "<deadPixels>0</deadPixels><suspiciousPixel>3</suspiciousPixel></band>\n"
            for band in range(bands)
        )
        # <band> stands under the geometry as well.
        document = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<hsi_doc xmlns="http://www.dlr.de/hsi" version="1.0"><base><level>2A</level></base>'
            "<specific><interiorOrientation><band><bandNumber>1</bandNumber></band>"
            f"</interiorOrientation><bandCharacterisation>{described}</bandCharacterisation>"
            "</specific></hsi_doc>"
        )
        metadata = folder / f"{scene}-METADATA.xml"
        metadata.write_text(text(document))
        write_image(folder / f"{scene}-QL_QUALITY.tif", draw(1, 12, 10))
        image = write_image(
            folder / f"{scene}-SPECTRAL_IMAGE.tif", stored, nodata=-32768, interleave="pixel"
        )
        image.with_suffix(".hdr").write_text("ENVI\n")  # comes with it, and is not needed
        return Delivery(folder, metadata, image, stored, centre, width, gain, offset)

    return write
