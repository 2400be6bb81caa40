"""Writers of small products in the layout that their makers publish."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS

UTM = Affine(30.0, 0.0, 372000.0, 0.0, -30.0, 5810010.0)
TEN_METRES = Affine(10.0, 0.0, 372000.0, 0.0, -10.0, 5810010.0)


def draw(*shape: int, low: int = 1, high: int = 9000) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, shape).astype(np.int16)


def write_image(path: Path, stored: np.ndarray, *, transform: Affine = UTM, **profile) -> Path:
    bands, rows, columns = stored.shape
    driver = "JP2OpenJPEG" if path.suffix == ".jp2" else "GTiff"
    with rasterio.open(
        path, "w", driver=driver, count=bands, height=rows, width=columns, dtype=stored.dtype,
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


#: Band of the metadata: what it is counted as, its pixel and its centre in 2A, of those used here.
MSI = {"B1": (0, 60, 442.7), "B2": (1, 10, 492.7), "B3": (2, 10, 559.8), "B4": (3, 10, 664.6),
       "B5": (4, 20, 704.1), "B8": (7, 10, 832.8)}  # fmt: skip


@pytest.fixture
def sentinel2(tmp_path: Path) -> Callable[..., Delivery]:
    def write(
        *,
        craft: str = "A",
        baseline: str = "05.09",
        offsets: dict[str, int] | None = None,
        stored: np.ndarray | None = None,
        transform: Affine = TEN_METRES,
        text: Callable[[str], str] = str,
    ) -> Delivery:
        if offsets is None:
            offsets = {band: -1000 - 10 * number for band, (number, _, _) in MSI.items()}
        safe = tmp_path / (
            f"S2{craft}_MSIL2A_20220724T101611_N0509_R065_T33UUU_20220724T163000.SAFE"
        )
        granule = safe / "GRANULE" / "L2A_T33UUU_A028123_20220724T102043"
        images = granule / "IMG_DATA" / "R10m"
        images.mkdir(parents=True)
        if stored is None:
            stored = draw(4, 36, 30).astype(np.uint16)
            stored[:, :2, :3], stored[2, 5, 5] = 0, 65535
        bands = ("B02", "B03", "B04", "B08")
        for name, plane in zip(bands, stored, strict=True):
            write_image(
                images / f"T33UUU_20220724T101611_{name}_10m.jp2", plane[None],
                transform=transform, QUALITY=100, REVERSIBLE=True,
            )  # fmt: skip
        write_image(images / "T33UUU_20220724T101611_TCI_10m.jp2", draw(3, 8, 8).astype(np.uint8))
        added = "".join(
            f'<BOA_ADD_OFFSET band_id="{MSI[band][0]}">{number}</BOA_ADD_OFFSET>'
            for band, number in offsets.items()
        )
        spectral = "".join(
            f'<Spectral_Information bandId="{number}" physicalBand="{band}"><RESOLUTION>{pixel}'
            f'</RESOLUTION><Wavelength><CENTRAL unit="nm">{centre}</CENTRAL></Wavelength>'
            f"</Spectral_Information>"
            for band, (number, pixel, centre) in MSI.items()
        )
        document = (
            '<?xml version="1.0" encoding="UTF-8" standalone="no"?><n1:Level-2A_User_Product '
            'xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">'
            "<n1:General_Info><Product_Info><PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>"
            f"<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE><Datatake>"
            f"<SPACECRAFT_NAME>Sentinel-2{craft}</SPACECRAFT_NAME></Datatake></Product_Info>"
            "<Product_Image_Characteristics><Special_Values><SPECIAL_VALUE_TEXT>NODATA"
            "</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>"
            "<Special_Values><SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT>"
            "<SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX></Special_Values>"
            '<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">10000'
            "</BOA_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>"
            f"<BOA_ADD_OFFSET_VALUES_LIST>{added}</BOA_ADD_OFFSET_VALUES_LIST>"
            f"<Spectral_Information_List>{spectral}</Spectral_Information_List>"
            "</Product_Image_Characteristics></n1:General_Info></n1:Level-2A_User_Product>"
        )
        (safe / "MTD_MSIL2A.xml").write_text(text(document))
        (granule / "MTD_TL.xml").write_text("<n1:Level-2A_Tile_ID/>")
        offset = np.array([offsets.get(band, 0) for band in ("B2", "B3", "B4", "B8")])
        return Delivery(safe, safe / "MTD_MSIL2A.xml", granule, stored, offset=offset)

    return write


@pytest.fixture
def planet(tmp_path: Path) -> Callable[..., Delivery]:
    def write(
        bands: int = 4,
        *,
        surface: bool = False,
        nodata: float | None = 0,
        instrument: str = "PS2",
        count: int | None = None,
        text: Callable[[str], str] = str,
    ) -> Delivery:
        scene, wide = "20220724_095612_46_2212_3B_AnalyticMS", "_8b" if bands == 8 else ""
        stored = draw(bands, 24, 20).astype(np.uint16)
        stored[:, :2, :3] = 0
        image = tmp_path / f"{scene}{'_SR' if surface else ''}{wide}.tif"
        write_image(image, stored, transform=TEN_METRES, nodata=nodata)
        gain = 2e-5 * (1 + np.arange(bands) / 8)
        described = "".join(
            "<ps:bandSpecificMetadata>"
            f"<ps:bandNumber>{band + 1}</ps:bandNumber>"
            "<ps:radiometricScaleFactor>0.01</ps:radiometricScaleFactor>"
            f"<ps:reflectanceCoefficient>{float(gain[band])}</ps:reflectanceCoefficient>"
            "</ps:bandSpecificMetadata>"
            for band in reversed(range(bands if count is None else count))
        )
        document = (
            '<?xml version="1.0" encoding="UTF-8"?><ps:EarthObservation '
            'xmlns:ps="http://schemas.planet.com/ps/v1/planet_product_metadata_geocorrected_level"'
            ' xmlns:gml="http://www.opengis.net/gml" xmlns:eop="http://earth.esa.int/eop">'
            "<gml:using><eop:EarthObservationEquipment><eop:instrument><eop:Instrument>"
            f"<eop:shortName>{instrument}</eop:shortName></eop:Instrument></eop:instrument>"
            "</eop:EarthObservationEquipment></gml:using><gml:resultOf><ps:EarthObservationResult>"
            f"{described}</ps:EarthObservationResult></gml:resultOf></ps:EarthObservation>"
        )
        # Surface reflectance is delivered with the metadata of radiance.
        metadata = tmp_path / f"{scene}{wide}_metadata.xml"
        metadata.write_text(text(document))
        return Delivery(tmp_path, metadata, image, stored, gain=gain)

    return write


@pytest.fixture
def emit(tmp_path: Path) -> Callable[..., Delivery]:
    def write(
        wavelength: Sequence[float] = (381.0, 550.3, 1380.5, 1852.2, 2201.9),
        *,
        product: str = "L2A_RFL",
        swath: tuple[int, int] = (23, 17),
        change: Callable[[h5py.File], None] = lambda file: None,
    ) -> Delivery:
        path = tmp_path / f"EMIT_{product}_001_20220815T042838_2222703_003.nc"
        bands, lines, samples = len(wavelength), *swath
        values = np.random.default_rng(0).random((lines, samples, bands)).astype(np.float32)
        values[3, 4] = -9999
        # The map grid is turned by 30 degrees against the swath, as that of the station is.
        rows, columns = np.mgrid[:31, :29] - np.array([6, 14])[:, None, None]
        turned = np.stack([rows * 0.866 + columns * 0.5, columns * 0.866 - rows * 0.5])
        line, sample = np.round(turned + np.array([1, 5])[:, None, None]).astype(np.int32)
        outside = (line < 0) | (line >= lines) | (sample < 0) | (sample >= samples)
        lookup = [np.where(outside, 0, numbers + 1) for numbers in (line, sample)]
        centre, width = np.array(wavelength), 8.4 + np.arange(bands) / 16
        with h5py.File(path, "w") as file:
            name = "reflectance" if product.endswith("RFL") else "radiance"
            cube = file.create_dataset(name, data=values, chunks=(8, 8, 2), compression="gzip")
            cube.attrs["_FillValue"] = np.float32(-9999)
            parameters = file.create_group("sensor_band_parameters")
            parameters["wavelengths"] = centre.astype(np.float32)
            parameters["fwhm"] = width.astype(np.float32)
            if name == "reflectance":
                parameters["good_wavelengths"] = (centre != 1380.5).astype(np.uint8)
            location = file.create_group("location")
            for axis, numbers in zip(("glt_y", "glt_x"), lookup, strict=True):
                location.create_dataset(axis, data=numbers, chunks=(16, 16))
                location[axis].attrs["_FillValue"] = np.int32(-9999)
            file.attrs["geotransform"] = (12.25, 5e-4, 0.0, 52.5, 0.0, -5e-4)
            file.attrs["spatial_ref"] = CRS.from_epsg(4326).to_wkt()
            change(file)
        ortho = np.full((bands, *line.shape), np.nan, np.float32)
        ortho[:, ~outside] = values[line[~outside], sample[~outside]].T
        ortho[ortho == -9999] = np.nan
        return Delivery(tmp_path, path, path, ortho, centre, width)

    return write


@pytest.fixture
def prisma(tmp_path: Path) -> Callable[..., Delivery]:
    def write(
        *,
        level: str = "L2D",
        chunks: tuple[int, int, int] | None = None,
        change: Callable[[h5py.File], None] = lambda file: None,
    ) -> Delivery:
        path = tmp_path / f"PRS_{level}_STD_20201107101404_20201107101408_0001.he5"
        rows, columns = 14, 11
        # From long to short waves, and 0 for what was not acquired, as in the products.
        lists = {
            "Vnir": [977.4, 962.1, 947.7, 655.3, 548.9, 406.9, 0.0],
            "Swir": [2497.1, 1858.4, 1400.2, 955.0, 943.4, 0.0, 0.0],
        }
        limits = {"Vnir": (0.0, 0.9), "Swir": (0.0625, 1.2)}
        inside = np.ones((rows, columns), bool)
        inside[:3, :2], inside[12:, 9:] = False, False
        found = []
        with h5py.File(path, "w") as file:
            swath = file.create_group(f"HDFEOS/SWATHS/PRS_{level}_HCO")
            for detector, centres in lists.items():
                stored = draw(rows, len(centres), columns, high=30000).astype(np.uint16)
                stored[:, :, 5] = 0  # dark within the swath
                stored = (stored * inside[:, None, :]).astype(np.uint16)
                swath.create_dataset(
                    f"Data Fields/{detector.upper()}_Cube", data=stored, chunks=chunks
                )
                widths = [0.0 if centre == 0 else 9.5 + centre / 500 for centre in centres]
                flags = [int(centre > 0) for centre in centres]
                least, most = limits[detector]
                file.attrs[f"List_Cw_{detector}"] = np.array(centres, np.float32)
                file.attrs[f"List_Fwhm_{detector}"] = np.array(widths, np.float32)
                file.attrs[f"List_Cw_{detector}_Flags"] = np.array(flags, np.uint8)
                file.attrs[f"L2Scale{detector}Min"] = np.float32(least)
                file.attrs[f"L2Scale{detector}Max"] = np.float32(most)
                values = least + stored * (most - least) / 65535
                values = np.where(inside[:, None, :], values, np.nan)
                found += [
                    (centre, widths[band], f"{detector.upper()}{band + 1}", values[:, band])
                    for band, centre in enumerate(centres)
                    if centre > 0
                ]
            swath["Geometric Fields/Solar_Zenith_Angle"] = np.where(inside, 48.5, 0.0)
            file.attrs["Processing_Level"] = np.bytes_(level[1:])
            file.attrs["Epsg_Code"] = np.int32(32633)
            for corner, down, across in (("UL", 0, 0), ("LR", rows - 1, columns - 1)):
                file.attrs[f"Product_{corner}corner_easting"] = 372015.0 + 30 * across
                file.attrs[f"Product_{corner}corner_northing"] = 5809995.0 - 30 * down
            change(file)
        found.sort(key=lambda band: band[0])
        centres, widths, names, planes = zip(*found, strict=True)
        return Delivery(
            tmp_path, path, path, np.stack(planes), np.array(centres), np.array(widths),
            gain=np.array(names),
        )  # fmt: skip

    return write
