"""
The sensors whose tables may not ship with hsfuse, with one reason each.

``make_sensors.py TABLES FOLDER --private`` writes them for one's own use.
"""

from __future__ import annotations

from sensor_tables import ACOLITE, ENMAP_BOX, Entry

__all__ = ["WITHHELD"]

MAXAR = "Maxar's terms give no right to pass its curves on"
AIRBUS = "the terms of Airbus give no right to pass its curves on"
PLANET = "Planet's terms give no right to pass its curves on"
CAMSPEC = "CC BY-NC-SA 4.0: not for commercial use"
GPL = "the copy is part of a program under the GPL"
NO_LICENCE = "the copy comes without a licence"
UNKNOWN = "the rights in the source copy are not known"
FACTORY = "factory calibration; the terms of the copy are not stated"
PYCOAL = "capstone-coal/pycoal@dd461f6b22578c5aeebec2e6cae10ad0babc5c1c:pycoal/tests/images/"
MF = "Emeric53/MF@754d6d27c30ec4703f6aa6746741f0bb89894b5d:"
UNRECORDED = "public code (repository not recorded)"
EOREADER = "PyPI eoreader 0.24.4"


def curves(
    title: str, table: str, file: str, reason: str, gsd: tuple[float, str] | None = None
) -> Entry:
    """Return a withheld satellite with curves; ``gsd``: metres and where that is stated."""
    return Entry(
        title=title,
        kind="ms",
        table=table,
        srf_status="measured",
        url=f"as copied in {ACOLITE}{file}.txt",
        licence=f"none: {reason}",
        gsd=(gsd[0], "nominal", f"{gsd[1]}; a panchromatic band is finer") if gsd else None,
        withheld=reason,
    )


def bands(title: str, table: str, url: str, reason: str, status: str = "measured") -> Entry:
    """Return a withheld spectrometer with a band table."""
    return Entry(
        title=title,
        kind="hs",
        table=table,
        bands_status=status,
        bands_source=url,
        url=url,
        licence=f"none: {reason}",
        withheld=reason,
    )


def camera(maker: str, model: str) -> Entry:
    """Return a camera of the camspec database (Jiang et al. 2013)."""
    return Entry(
        title=f"{maker} {model}".strip(),
        kind="rgb",
        table="camspec_" + "_".join([maker, model]).strip("_").lower().translate(_PLAIN),
        srf_status="measured",
        url="Jiang et al. 2013, butcherg/ssf-data@ae8620d680877716671c0f0772ef4e625eb9039c",
        licence="CC BY-NC-SA 4.0",
        withheld=CAMSPEC,
    )


_PLAIN = str.maketrans(" -", "__")
_CAMERAS = (
    ("Canon", "1DMarkIII"), ("Canon", "20D"), ("Canon", "300D"), ("Canon", "40D"),
    ("Canon", "500D"), ("Canon", "50D"), ("Canon", "5DMarkII"), ("Canon", "600D"),
    ("Canon", "60D"), ("Hasselblad", "H2"), ("Nikon", "D200"), ("Nikon", "D3"),
    ("Nikon", "D300s"), ("Nikon", "D3X"), ("Nikon", "D40"), ("Nikon", "D50"),
    ("Nikon", "D5100"), ("Nikon", "D700"), ("Nikon", "D80"), ("Nikon", "D90"),
    ("Nokia", "N900"), ("Olympus", "E-PL2"), ("Pentax", "K-5"), ("Pentax", "Q"),
    ("Phase One", ""), ("Point Grey", "Grasshopper2 14S5C"),
    ("Point Grey", "Grasshopper 50S5C"), ("Sony", "NEX-5N"),
)  # fmt: skip
DLPAN = "liangjiandeng/DLPan-Toolbox@a34f884af88967580e3ef4f61a89e12fdfe4cda5"

WITHHELD: dict[str, Entry] = {
    "worldview-2": curves("WorldView-2", "worldview2", "WorldView2", MAXAR, (1.8, DLPAN)),
    "worldview-3": curves("WorldView-3", "worldview3", "WorldView3", MAXAR, (1.24, DLPAN)),
    "worldview-4": curves("WorldView-4", "worldview4", "WorldView4", MAXAR, (1.24, DLPAN)),
    "worldview-legion": curves(
        "WorldView Legion 01", "worldview_legion01", "WV_LG01", MAXAR, (1.16, EOREADER)
    ),
    "geoeye-1": curves("GeoEye-1", "geoeye1", "GeoEye1", MAXAR, (1.64, DLPAN)),
    "quickbird-2": curves("QuickBird-2", "quickbird2", "QuickBird2", MAXAR, (2.4, DLPAN)),
    "ikonos-2": curves("IKONOS-2", "ikonos2", "IKONOS2", MAXAR),
    "pleiades-1a": curves("Pleiades 1A", "pleiades1a", "PHR1A", AIRBUS, (2.0, EOREADER)),
    "pleiades-1b": curves("Pleiades 1B", "pleiades1b", "PHR1B", AIRBUS, (2.0, EOREADER)),
    "pleiades-neo-3": curves("Pleiades Neo 3", "pleiades_neo3", "PNEO3", AIRBUS, (1.2, EOREADER)),
    "pleiades-neo-4": curves("Pleiades Neo 4", "pleiades_neo4", "PNEO4", AIRBUS),
    "spot-6": curves("SPOT-6", "spot6", "SPOT6", AIRBUS, (6.0, EOREADER)),
    "spot-7": curves("SPOT-7", "spot7", "SPOT7", AIRBUS, (6.0, EOREADER)),
    **{
        f"planetscope-dove-{unit.replace('_', '-')}": curves(
            f"PlanetScope Dove {unit.replace('_', ' ').upper()}",
            f"planetscope_dove_{unit}",
            f"PlanetScope_{unit.removeprefix('r_')}",
            PLANET,
            (3.7, EOREADER),
        )
        for unit in ("0c", "0d05", "0d06", "0e", "0f", "r_22")
    },
    "planetscope-superdove-curves": curves(
        "PlanetScope SuperDove, measured curves",
        "planetscope_superdove",
        "PlanetScope_SD8",
        PLANET,
        (3.7, EOREADER),
    ),
    "skysat-1": curves("SkySat-1", "skysat1", "Skysat1", PLANET),
    "rapideye": curves("RapidEye", "rapideye", "RapidEye", PLANET, (6.5, EOREADER)),
    "venus": Entry(
        title="VENuS superspectral camera",
        kind="ms",
        table="venus_vssc",
        srf_status="measured",
        url="CNES, as copied in jbferet/prosail@5bdc2c7cd94afa7e056741569e2f3f5d3c3ad9c4:"
        "data-raw/Venus_Spectral_Response.csv",
        licence=f"none: {GPL}",
        withheld=GPL,
    ),
    "enmap-2022": bands(
        "EnMAP, sorted by wavelength as in HySpecNet-11k",
        "enmap_2022",
        f"{ENMAP_BOX}enmap.csv",
        GPL,
    ),
    "prisma-234": bands("PRISMA, 234 bands", "prisma_enmapbox234", f"{ENMAP_BOX}prisma.csv", GPL),
    "aviris-2008": bands(
        "AVIRIS (classic), season of 2008", "aviris_classic_2008", f"{PYCOAL}f080702t01p00r08", GPL
    ),
    "aviris-ng-432": bands(
        "AVIRIS-NG, 432 bands of 2014", "aviris_ng_432_2014", f"{PYCOAL}ang20140912t192359", GPL
    ),
    "gf5b-ahsi-swir": bands(
        "GF-5B AHSI, SWIR", "gf5b_ahsi_swir", f"{MF}archive/AHSI_MF", NO_LICENCE, "nominal"
    ),
    "zy1-02d-ahsi": bands(
        "ZY1-02D AHSI", "zy1_02d_ahsi", f"{MF}data/satellite_channels", NO_LICENCE, "nominal"
    ),
    **{
        f"{model.replace('_', '-')}-{binning}": bands(
            f"{model.replace('_', ' ').title()}, binning {binning}",
            f"{model}_{binning}",
            "PyPI hylite 1.41; the FWHM is the sampling step, less than the optical width",
            FACTORY,
            "specification",
        )
        for model in ("specim_fenix", "specim_fenix1k")
        for binning in ("2x2", "4x2", "8x2")
    },
    "hydice-dc-mall": bands(
        "HYDICE as in the Washington DC Mall scene", "hydice_dcmall", UNRECORDED, UNKNOWN, "nominal"
    ),
    "hydice-urban": bands(
        "HYDICE as in the Urban scene", "hydice_urban", UNRECORDED, UNKNOWN, "nominal"
    ),
    "chikusei": bands(
        "Headwall Hyperspec-VNIR-C as in the Chikusei scene",
        "chikusei_headwall",
        UNRECORDED,
        UNKNOWN,
        "nominal",
    ),
    "hymap-karlsruhe": bands(
        "HyMap as in the Karlsruhe scene", "hymap_karlsruhe", UNRECORDED, UNKNOWN, "nominal"
    ),
    "specim-iq": bands("Specim IQ", "specim_iq", UNRECORDED, UNKNOWN, "specification"),
    "casi-hsrs-sc": bands(
        "CASI as in the HSRS-SC scenes",
        "casi_hsrs_sc48",
        "doi 10.11834/jig.200835, table 3",
        UNKNOWN,
        "nominal",
    ),
    **{
        entry.table.replace("_", "-"): entry
        for entry in (camera(maker, model) for maker, model in _CAMERAS)
    },
}
