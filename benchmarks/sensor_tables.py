"""
The sensors that ship with hsfuse: titles, sources, terms, pixel, blur.

The terms of each one's source allow it; those of :mod:`withheld_tables` do not. What has
centres without widths and no curve (DJI Mavic 3M, PRISMA's panchromatic band) is in
neither: it has no response. Long because it is data, one literal a sensor.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ACOLITE", "ENMAP_BOX", "PIXEL", "SENSORS", "Entry", "Row", "Section"]

#: Key to value of one TOML section.
Section = dict[str, str | float | bool | list[str] | list[list[float]]]
#: Band name, centre and FWHM (None: unknown) in nanometres, and whether it is good.
Row = tuple[str, float, float | None, bool]

ACOLITE = "acolite/acolite@d218a3a68fec681a397a759af39150c5029f9150:data/RSR/"
ENMAP_BOX = (
    "EnMAP-Box/enmap-box@f9e8f486c9614813410cc9d715bb056e6ad3cfd5:"
    "enmapboxprocessing/algorithm/spectralresampling/"
)
HYPERPROC = "PyPI hyperproc 0.1.2 (MIT)"
COLOUR = "PyPI colour-science 0.4.7"
FACTS = "facts: the instrument's band table as its products state it; no licence is claimed"
ESA = "facts published by ESA (COPE-GSEG-EOPG-TN-15-0007)"
US = "facts published by NASA and USGS; work of the U.S. government"
OWN = "made by benchmarks/make_sensors.py, licensed as hsfuse"
BSD = "BSD-3-Clause, Copyright Colour Developers (the copy); the observer is a CIE standard"
ISOFIT = "isofit/isofit-tutorials@d2fbbff25aa96301552cf7338844030e05cfdfdf:"
JPL = "Apache-2.0 (the copy in isofit-tutorials); an instrument of JPL, Caltech, for NASA"
NTNU = "MIT, Copyright (c) 2023 NTNU SmallSat Lab"
WYVERN = "CC BY, Wyvern Inc.; changed: one table, each curve divided by its maximum"
REGULAR = "evenly spaced numbers, as descriptions of the data set state them; no licence is claimed"
APPROXIMATE = "evenly spaced numbers, as public code takes them; no licence is claimed"
SCENE = "Centres and bands differ a little from scene to scene: the file's own metadata wins."
DERIVED = "response-weighted centre and full width at half maximum of the curves"

PIXEL: Section = {
    "fwhm_along_px": 1.0,
    "fwhm_across_px": 1.0,
    "status": "assumed",
    "source": "one pixel, hsfuse's default; no published figure found",
}
PRISMA_PSF: Section = {
    "fwhm_along_px": 1.905,
    "fwhm_across_px": 1.905,
    "status": "measured",
    "source": "USGS OFR 2021-1030-K: 1.84 to 1.97 pixels on the product, axis not stated; "
    "the literature's convention of MTF 0.3 (1.16 pixels) is much sharper",
}
ENMAP_PSF: Section = {
    "mtf_nyquist_along": 0.16,
    "mtf_nyquist_across": 0.25,
    "status": "specification",
    "source": "EnMAP-Specs: MTF > 0.16 along and > 0.25 across at a 60 m period, lower bounds; "
    "resampled products are blurrier than the instrument",
}
MSI_PSF: Section = {
    "mtf_nyquist": 0.259,
    "status": "convention",
    "source": "mean of B2, B3, B4, B8 (0.304, 0.276, 0.233, 0.222) in CNES/sensorsio@"
    "50f7788aed0bd1eb63a45585169f8992c3b50d14; published sets differ by up to 0.07",
}
WATER: Section = {
    "windows_nm": [[1340.0, 1445.0], [1790.0, 1955.0]],
    "status": "convention",
    "source": f"water vapour windows of NEON, {HYPERPROC} readers/neon.py",
}
AVIRIS_BAD: Section = {
    "windows_nm": [[1340.0, 1440.0], [1800.0, 1975.0]],
    "status": "convention",
    "source": f"water vapour windows of AVIRIS, {HYPERPROC} readers/aviris.py",
}
AVIRIS_3_BAD: Section = {
    "windows_nm": [[1350.8, 1432.7], [1804.7, 1968.1]],
    "status": "specification",
    "source": f"bad bands of AVIRIS-3, {HYPERPROC} readers/aviris.py",
}
EMIT_BAD: Section = {
    "windows_nm": [[1327.5, 1431.9], [1774.1, 1959.9]],
    "status": "specification",
    "source": "good_wavelengths of the L2A product, first and last flagged centre",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """
    One sensor: its table (``bands/<table>.csv``, ``srf/<table>.csv``) or rows, and words.

    ``shares`` names a sensor whose band table is the very same and is used for both;
    ``bad_names`` are bands that the table calls good and the source does not; ``withheld``
    says why the sensor is not shipped.
    """

    title: str
    kind: str
    licence: str
    url: str
    table: str = ""
    rows: tuple[Row, ...] = ()
    shares: str = ""
    bands_status: str = "derived"
    bands_source: str = DERIVED
    srf_status: str = ""
    negative: bool = False
    gsd: tuple[float, str, str] | None = None
    psf: Section | None = None
    bad: Section | None = None
    aliases: tuple[str, ...] = ()
    note: str = ""
    bad_names: tuple[str, ...] = ()
    withheld: str = ""


def regular(first: float, count: int, step: float, *, fwhm: float | None) -> tuple[Row, ...]:
    """Return bands at a constant step, those in the water vapour windows flagged."""
    centres = [round(first + index * step, 3) for index in range(count)]
    dry = [not (1340 <= centre <= 1445 or 1790 <= centre <= 1955) for centre in centres]
    return tuple(
        (f"B{index:03d}", centre, fwhm, good)
        for index, (centre, good) in enumerate(zip(centres, dry, strict=True), start=1)
    )


def sentinel_2(unit: str) -> Entry:
    """Return Sentinel-2A, 2B or 2C."""
    return Entry(
        title=f"Sentinel-2{unit.upper()} MSI",
        kind="ms",
        table=f"sentinel2{unit}_msi",
        srf_status="measured",
        url=f"ESA S2-SRF v4.0, as copied in {ACOLITE}S2{unit.upper()}_MSI_V4.txt",
        licence=ESA,
        gsd=(10.0, "specification", "B2, B3, B4 and B8; the others 20 or 60 m"),
        psf=MSI_PSF,
        aliases=(f"sentinel2{unit}_msi", f"sentinel2{unit}", f"s2{unit}"),
        note="good = 0: B10 (cirrus) does not see the ground.",
    )


#: First and last nanometre of the bands of PlanetScope, by the names that its products give them.
DOVE = {"blue": (455, 515), "green": (500, 590), "red": (590, 670), "nir": (780, 860)}
DOVE_R = {"blue": (464, 517), "green": (547, 585), "red": (650, 682), "nir": (846, 888)}
SUPERDOVE = {
    "coastal_blue": (431, 452),
    "blue": (465, 515),
    "green_i": (513, 549),
    "green": (547, 583),
    "yellow": (600, 620),
    "red": (650, 680),
    "rededge": (697, 713),
    "nir": (845, 885),
}


def planetscope(
    model: str, limits: dict[str, tuple[int, int]], aliases: tuple[str, ...] = ()
) -> Entry:
    """Return a generation of PlanetScope: a Gaussian as wide as the stated limits for a band."""
    return Entry(
        title=f"PlanetScope {model}",
        kind="ms",
        rows=tuple(
            (name, (low + high) / 2, float(high - low), True)
            for name, (low, high) in limits.items()
        ),
        bands_status="nominal",
        bands_source="middle and width of the limits that Planet states",
        url="https://developers.planet.com/docs/data/planetscope",
        licence=FACTS,
        gsd=(3.0, "specification", "pixel of the orthorectified products; the instrument 3 to 4 m"),
        psf=PIXEL,
        aliases=aliases,
        note="Gaussians: the measured response curves come without a grant to pass them on.",
    )


def landsat(number: int, table: str, file: str) -> Entry:
    """Return Landsat 8 or 9."""
    return Entry(
        title=f"Landsat {number} OLI{'-2' if number == 9 else ''}",
        kind="ms",
        table=table,
        srf_status="measured",
        url=f"NASA/USGS, as copied in {ACOLITE}{file}",
        licence=US,
        gsd=(30.0, "nominal", "B8 (panchromatic) 15 m"),
        aliases=(table, f"landsat{number}"),
        note="good = 0: B9 (cirrus) does not see the ground. Negative samples set to 0.",
    )


def early_landsat(number: int, table: str, name: str, note: str) -> Entry:
    """Return Landsat 5 or 7."""
    mapper = table.rpartition("_")[2].upper().replace("ETM", "ETM+")
    return Entry(
        title=f"Landsat {number} {mapper}",
        kind="ms",
        table=table,
        srf_status="measured",
        url=f"NASA/USGS, as copied in {ACOLITE}{name}.txt",
        licence=US,
        gsd=(30.0, "nominal", "the reflective bands but for a panchromatic one"),
        aliases=(table, f"landsat{number}"),
        note=f"Without the thermal band. {note}".strip(),
    )


def hypso(number: int) -> Entry:
    """Return HYPSO-1 or 2."""
    return Entry(
        title=f"HYPSO-{number} hyperspectral imager",
        kind="hs",
        table=f"hypso{number}",
        bands_status="measured",
        bands_source="120 binned bands; FWHM of laboratory lines, constant between them",
        url=f"PyPI hypso{number}_calibration 26.5.1 (centres), hypso 26.5.1 (FWHM)",
        licence=NTNU,
        aliases=(f"hypso{number}",),
    )


def dragonette(number: int) -> Entry:
    """Return one of Wyvern's satellites."""
    return Entry(
        title=f"Wyvern Dragonette-00{number}",
        kind="hs",
        table=f"wyvern_dragonette00{number}",
        srf_status="measured",
        url=f"Wyvern open data, as copied in {ACOLITE}Wyvern_Dragonette-00{number}.txt",
        licence=WYVERN,
        gsd=(5.0, "specification", "pixel of the L1B product, Wyvern's product guide 1.5"),
        aliases=(f"wyvern_dragonette00{number}", f"dragonette-{number}"),
    )


def laboratory(name: str, first: int, page: str, shares: str = "") -> Entry:
    """Return one of the data sets of everyday scenes: 31 bands in steps of 10 nm."""
    return Entry(
        title=f"{name} data set, 31 bands",
        kind="hs",
        table=f"{name.lower()}_31",
        shares=shares,
        bands_status="nominal",
        bands_source=f"{first} to {first + 300} nm in steps of 10 nm; the FWHM was not published",
        url=page,
        licence=REGULAR,
        aliases=(name.lower(), f"{name.lower()}_31"),
    )


SENSORS: dict[str, Entry] = {
    "enmap": Entry(
        title="EnMAP Hyperspectral Imager",
        kind="hs",
        table="enmap",
        bands_status="measured",
        bands_source="product order: B001-B091 VNIR, B092-B224 SWIR, overlap 902-993 nm",
        url="centres: EnMAP_Spectral_Bands_update.xlsx, as copied in public code; "
        f"FWHM: {ENMAP_BOX}EnMAP_MeanOverlap_219bands.srf",
        licence=FACTS,
        gsd=(30.0, "specification", "EnMAP-Specs"),
        psf=ENMAP_PSF,
        bad=WATER,
        note=f"{SCENE} The SWIR selection changed once: always read METADATA.XML.",
    ),
    "prisma": Entry(
        title="PRISMA hyperspectral camera",
        kind="hs",
        table="prisma",
        bands_status="measured",
        bands_source="232 bands of one product, increasing; slots that hold 0 nm dropped",
        url="PyPI hgrs 1.1.2 hgrs/data/aux/prisma_fwhm.nc",
        licence=FACTS,
        gsd=(30.0, "specification", "USGS OFR 2021-1030-K"),
        psf=PRISMA_PSF,
        bad=WATER,
        note=f"{SCENE} VNIR and SWIR overlap at 943-977 nm.",
    ),
    "emit": Entry(
        title="EMIT imaging spectrometer",
        kind="hs",
        table="emit",
        bands_status="measured",
        bands_source="in-orbit calibration of 2022-08-17; later ones differ by up to 0.09 nm",
        url="emit-sds/emit-sds-l1b@8864da18e4b2b6b4e6ea54d2ef20cf0589aec830:"
        "data/emit/EMIT_Wavelengths_20220817.txt",
        licence="Apache-2.0",
        gsd=(60.0, "nominal", HYPERPROC),
        bad=EMIT_BAD,
    ),
    "aviris": Entry(
        title="AVIRIS (classic)",
        kind="hs",
        table="aviris_classic",
        bands_status="measured",
        bands_source="one season, not stated; centres of others differ by up to 1.7 nm",
        url="azavea/nasa-hyperspectral@3dd517dd8fd2013a114b3734b4afb34706a85a3c:"
        "src/hyperspectral/notebooks/data/aviris_wavelength_fwhm.dat",
        licence=FACTS,
        bad=WATER,
        aliases=("aviris_classic",),
        note=f"{SCENE} Four spectrometers: not increasing at B032/B033, B096/B097, B160/B161.",
    ),
    "aviris-ng": Entry(
        title="AVIRIS-NG",
        kind="hs",
        table="aviris_ng",
        bands_status="measured",
        bands_source="fit of 2017-02-28; good: the list of a product of 2014-09-12, by wavelength",
        url=f"{ISOFIT}20171108_Pasadena/remote/20170320_ang20170228_wavelength_fit.txt",
        licence=JPL,
        bad=AVIRIS_BAD,
        aliases=("aviris_ng",),
        note=SCENE,
    ),
    "aviris-3": Entry(
        title="AVIRIS-3",
        kind="hs",
        table="aviris3",
        bands_status="measured",
        bands_source="284 bands of the product",
        url=f"{ISOFIT}20250308_AV3Cal_wltest/remote/wavelengths.txt",
        licence=JPL,
        bad=AVIRIS_3_BAD,
        aliases=("aviris3",),
        note=SCENE,
    ),
    "prism": Entry(
        title="PRISM, Portable Remote Imaging Spectrometer (JPL)",
        kind="hs",
        table="jpl_prism",
        bands_status="measured",
        bands_source="246 bands",
        url=f"{ISOFIT}20231110_Prism_Multisurface/remote/wavelengths.txt",
        licence=JPL,
        aliases=("jpl_prism",),
        note="Not PRISMA, the Italian satellite.",
    ),
    "pace-oci": Entry(
        title="PACE Ocean Color Instrument",
        kind="hs",
        table="pace_oci",
        bands_status="derived",
        bands_source="centroid and FWHM of NASA's responses (baseline 1.1.1), mean of the mirror "
        "sides, cut at a thousandth",
        url=f"NASA, as copied in {ACOLITE}PACE_OCI_BLUE.txt, PACE_OCI_RED.txt, PACE_OCI_SWIR.txt",
        licence=US,
        bad=WATER,
        aliases=("pace_oci", "pace"),
        bad_names=("BLUE001", "BLUE002", "BLUE003", "BLUE004", "RED163", "SWIR005"),
        note="good = 0: the edges of both detectors, and SWIR005 (cirrus). Blue and red overlap at "
        "590 to 605 nm; two SWIR bands come with two gains each.",
    ),
    "hypso-1": hypso(1),
    "hypso-2": hypso(2),
    "wyvern-dragonette-1": dragonette(1),
    "wyvern-dragonette-2": dragonette(2),
    "wyvern-dragonette-3": dragonette(3),
    "rosis": Entry(
        title="ROSIS as in the Pavia scenes, 103 bands, approximate",
        kind="hs",
        table="rosis_pavia103_approx",
        bands_status="assumed",
        bands_source="430 to 860 nm, evenly spaced; no measured list was found",
        url="public code (repository not recorded); alfaiate/HySure@8652a583 has the same range",
        licence=APPROXIMATE,
        gsd=(1.3, "nominal", "descriptions of the data set"),
        aliases=("rosis_pavia103_approx", "pavia"),
        note="Not measured.",
    ),
    "casi-houston": Entry(
        title="CASI as in the Houston 2013 scene, 144 bands, approximate",
        kind="hs",
        table="casi_houston2013_144_approx",
        bands_status="assumed",
        bands_source="380 to 1050 nm, evenly spaced; no measured list was found",
        url="public code (repository not recorded)",
        licence=APPROXIMATE,
        aliases=("casi_houston2013_144_approx", "houston-2013"),
        note="Not measured.",
    ),
    "harvard-31": laboratory("Harvard", 420, "descriptions of the Harvard data set"),
    "icvl-31": laboratory("ICVL", 400, "descriptions of the ICVL data set", "cave-31"),
    "nus-31": laboratory("NUS", 400, "descriptions of the NUS data set", "cave-31"),
    "hyperion": Entry(
        title="EO-1 Hyperion",
        kind="hs",
        table="eo1_hyperion",
        bands_status="nominal",
        bands_source="242 bands: VNIR 1-70, SWIR 71-242, overlap 852-1058 nm",
        url="centres of the calibrated bands from public code (repository not recorded); the "
        f"rest and all FWHM from {ACOLITE.removesuffix('RSR/')}HYPERION/Hyperion_cen_fwhm.dat",
        licence=FACTS,
        gsd=(30.0, "nominal", "catalyst.earth help, Hyperion"),
        bad=WATER,
        aliases=("eo1_hyperion",),
        note="good = 1: bands 8-57 and 77-224 are calibrated, less the water vapour windows.",
    ),
    "desis": Entry(
        title="DESIS imaging spectrometer",
        kind="hs",
        table="desis",
        bands_status="measured",
        bands_source="235 bands unbinned, rounded to 0.1 nm",
        url=f"{ENMAP_BOX}desis.csv",
        licence=FACTS,
        gsd=(30.0, "specification", "DLR, DESIS instrument page"),
    ),
    "neon-nis": Entry(
        title="NEON imaging spectrometer (NIS)",
        kind="hs",
        rows=regular(383.534, 426, 5.0079, fwhm=None),
        bands_status="nominal",
        bands_source="a uniform grid: 383.534 nm to 2511.89 nm in 426 bands, as NEON's tutorial "
        "prints of one product; other flights start at 381 to 384 nm",
        url="neonscience.org, tutorial on hyperspectral tiles in HDF5 (SERC)",
        licence=FACTS,
        gsd=(1.0, "nominal", "NEON's 1 m reflectance tiles"),
        bad=WATER | {"status": "specification"},
        note=f"{SCENE} The FWHM is not known here; the local step of 5 nm is taken.",
    ),
    "cave-31": Entry(
        title="CAVE multispectral database, 31 bands",
        kind="hs",
        table="cave_31",
        bands_status="nominal",
        bands_source="400 to 700 nm in steps of 10 nm; the filters' FWHM was not published",
        url="the CAVE page, Columbia University",
        licence=FACTS,
        aliases=("cave", "cave_31"),
    ),
    "generic-hs": Entry(
        title="Generic spectrometer, 400 to 2500 nm",
        kind="hs",
        rows=regular(400.0, 211, 10.0, fwhm=10.0),
        bands_status="convention",
        bands_source="Gaussian bands, step and FWHM 10 nm",
        url="none",
        licence=OWN,
        bad=WATER,
    ),
    "generic-vnir": Entry(
        title="Generic spectrometer, 400 to 1000 nm",
        kind="hs",
        rows=regular(400.0, 61, 10.0, fwhm=10.0),
        bands_status="convention",
        bands_source="Gaussian bands, step and FWHM 10 nm",
        url="none",
        licence=OWN,
    ),
    "generic-rgb": Entry(
        title="Generic colour camera",
        kind="rgb",
        rows=(
            ("R", 620.0, 90.0, True),
            ("G", 550.0, 90.0, True),
            ("B", 465.0, 80.0, True),
        ),
        bands_status="convention",
        bands_source="Gaussian bands such as colour cameras with an infrared cut roughly have",
        url="none",
        licence=OWN,
        aliases=("rgb",),
        note="A stand-in: no camera was measured.",
    ),
    "sentinel-2a": sentinel_2("a"),
    "sentinel-2b": sentinel_2("b"),
    "sentinel-2c": sentinel_2("c"),
    "planetscope-dove": planetscope("Dove (PS2)", DOVE),
    "planetscope-dove-r": planetscope("Dove-R (PS2.SD)", DOVE_R),
    "planetscope-superdove": planetscope("SuperDove (PSB.SD)", SUPERDOVE, ("superdove",)),
    "landsat-5": early_landsat(5, "landsat5_tm", "L5_TM", ""),
    "landsat-7": early_landsat(
        7, "landsat7_etm", "L7_ETM", "Negative samples (down to -0.009) set to 0."
    ),
    "landsat-8": landsat(8, "landsat8_oli", "L8_OLI.txt"),
    "landsat-9": landsat(9, "landsat9_oli2", "L9_OLI.txt"),
    "ali": Entry(
        title="EO-1 Advanced Land Imager",
        kind="ms",
        table="eo1_ali",
        srf_status="measured",
        url=f"NASA, as copied in {ACOLITE}EO1_ALI.txt",
        licence=US,
        gsd=(30.0, "nominal", "the PAN band 10 m"),
        aliases=("eo1_ali",),
        note="Negative samples (down to -0.00024) set to 0.",
    ),
    "nikon-d700": Entry(
        title="Nikon D700 as in the fusion literature",
        kind="rgb",
        table="literature_nikon_d700_create_f",
        srf_status="convention",
        url="matrix P of P_N_V2.mat, Caoxuheng/HIFtool@6a515e41e29db002beda5b79ccde241e8bbd6bba; "
        "equal to create_F.m of renweidian/NLSTF@62b2afbb724e13100f809c2fe3282cfbbb8e2028",
        licence="MIT, Copyright (c) 2023 Xuheng Xao (HIFtool)",
        aliases=("literature_nikon_d700_create_f", "d700"),
        note="31 samples, 400 to 700 nm, for scores on CAVE that compare with the papers. It is "
        "not a measured D700: red stays at 0.77 of its peak at 700 nm (no infrared cut).",
    ),
    "nikon-d700-hiftool": Entry(
        title="Nikon D700 as in HIFtool",
        kind="rgb",
        table="literature_nikon_d700_hiftool",
        srf_status="convention",
        url="Caoxuheng/HIFtool@6a515e41e29db002beda5b79ccde241e8bbd6bba:"
        "Dataloader_tool/srflib/NikonD700.npy",
        licence="MIT, Copyright (c) 2023 Xuheng Xao (HIFtool)",
        aliases=("literature_nikon_d700_hiftool",),
        note="31 samples, 400 to 700 nm; differs from nikon-d700 (red correlates by 0.98). It is "
        "not a measured D700.",
    ),
    "nikon-d5100": Entry(
        title="Nikon D5100, measured at NPL",
        kind="rgb",
        table="npl_nikon_d5100",
        srf_status="measured",
        url=f"Darrodi et al. 2015, {COLOUR} MSDS_CAMERA_SENSITIVITIES",
        licence="BSD-3-Clause, Copyright Colour Developers (the copy)",
        aliases=("npl_nikon_d5100", "d5100"),
    ),
    "sigma-sd-merrill": Entry(
        title="Sigma SD Merrill, measured at NPL",
        kind="rgb",
        table="npl_sigma_sdmerrill",
        srf_status="measured",
        url=f"Darrodi et al. 2015, {COLOUR} MSDS_CAMERA_SENSITIVITIES",
        licence="BSD-3-Clause, Copyright Colour Developers (the copy)",
        aliases=("npl_sigma_sdmerrill",),
    ),
    "micasense-rededge-3": Entry(
        title="MicaSense RedEdge 3",
        kind="ms",
        table="micasense_rededge3",
        bands_source="centre of the main lobe (response above a tenth) and FWHM of the curves",
        srf_status="measured",
        url="mikoontz/neon-drone-workflow@846b5ec639e3dcfdd8e313a5c20d8049a008cb83:"
        "data/out/micasense-rededge3-relative-spectral-response.csv",
        licence="no restrictions, as the README of the copy says; filter curves of MicaSense",
        aliases=("micasense_rededge3", "rededge-3"),
        note="More than 1 % of a band lies outside its main lobe.",
    ),
    "cie-xyz-2015": Entry(
        title="CIE 2015 2 degree standard observer",
        kind="rgb",
        table="cie2015_2deg_xyz",
        srf_status="specification",
        url=f"{COLOUR} MSDS_CMFS, CIE 2015 2 Degree Standard Observer",
        licence=BSD,
        aliases=("cie2015", "cie2015_2deg_xyz"),
        note="Each curve divided by its maximum: not the tristimulus scale.",
    ),
    "cie-xyz": Entry(
        title="CIE 1931 2 degree standard observer",
        kind="rgb",
        table="cie1931_2deg_xyz",
        srf_status="specification",
        url=f"{COLOUR} MSDS_CMFS, CIE 1931 2 Degree Standard Observer",
        licence=BSD,
        aliases=("cie1931", "cie1931_2deg_xyz"),
        note="Each curve divided by its maximum: not the tristimulus scale.",
    ),
    "srgb": Entry(
        title="Linear sRGB colour matching functions",
        kind="rgb",
        table="srgb_linear_from_cie1931",
        srf_status="derived",
        negative=True,
        url=f"CIE 1931 observer and sRGB's XYZ to RGB matrix, {COLOUR}",
        licence=BSD,
        aliases=("srgb_linear_from_cie1931",),
        note="Negative lobes are real and kept: an ideal display, not a camera.",
    ),
}
