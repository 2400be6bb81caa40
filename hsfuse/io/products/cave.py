"""
Reader of scenes of the CAVE data set: a folder of 31 PNG files, one for each band.

Yasuma, Mitsunaga, Iso and Nayar 2010, Generalized assorted pixel camera: the archive has a folder
``NAME_ms`` for each scene, in some copies within another of the same name, with ``NAME_ms_01.png``
to ``NAME_ms_31.png`` of 16 bits: reflectance at 400 to 700 nm in steps of 10 nm, 1 at the largest
stored number.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from hsfuse.core.text import image_size
from hsfuse.errors import RasterError
from hsfuse.io.input.bands import BandTable
from hsfuse.io.input.gdal_reader import open_dataset
from hsfuse.io.input.pixels import FilePixels, Opened, StackedPixels

__all__ = ["open_product"]

_WAVELENGTHS = np.arange(400.0, 701.0, 10.0)
_FILE = re.compile(r"(.+_ms)_(\d\d)\.png", re.IGNORECASE)


def open_product(path: Path) -> Opened | None:
    """
    Open a scene of the CAVE data set.

    Parameters
    ----------
    path : Path
        Folder of the scene, or the file of one of its bands.

    Returns
    -------
    Opened or None
        None where the folder has no such files.

    Raises
    ------
    RasterError
        If bands are missing, damaged, of different sizes or of other types than unsigned integers.
    """
    if path.is_dir():
        folder = path / path.name if (path / path.name).is_dir() else path
        scene = path.name
    else:
        name = _FILE.fullmatch(path.name)
        if name is None:
            return None
        folder, scene = path.parent, name.group(1)
    files = _files(folder, scene)
    if not files:
        return None
    missing = [str(band) for band in range(1, len(_WAVELENGTHS) + 1) if band not in files]
    if missing or len(files) != len(_WAVELENGTHS):
        raise RasterError(
            f"{folder}: holds {len(files)} files {scene}_NN.png"
            + (f", none of band {', '.join(missing)}" if missing else "")
            + "; expected those of the bands 01 to 31"
        )
    notes: list[str] = []
    layers = [_layer(files[band], notes) for band in sorted(files)]
    sizes = {layer.size for layer, _ in layers}
    if len(sizes) != 1:
        raise RasterError(
            f"{folder}: its bands have the sizes {', '.join(image_size(*size) for size in sizes)}; "
            "expected one size"
        )
    kinds = sorted({kind for _, kind in layers})
    attributes: dict[str, object] = {
        "source_dtype": kinds[0] if len(kinds) == 1 else [kind for _, kind in layers],
        "product": "CAVE",
        "units": "reflectance",
        "full_scale": 1.0,
        "notes": list(dict.fromkeys(notes)),
    }
    pixels = StackedPixels(str(folder), tuple(layer for layer, _ in layers))
    return Opened(pixels, layers[0][0].size, _bands(), None, None, attributes)


def _files(folder: Path, scene: str) -> dict[int, Path]:
    """Return the files of a scene in a folder, by band number."""
    return {
        int(name.group(2)): file
        for file in sorted(folder.iterdir())
        if (name := _FILE.fullmatch(file.name)) is not None
        and name.group(1).lower() == scene.lower()
    }


def _layer(file: Path, notes: list[str]) -> tuple[FilePixels, str]:
    """Return the pixels of a band as reflectance, and the type of the stored numbers."""
    opened = open_dataset(file)
    pixels: FilePixels = opened.pixels
    kind = str(np.ravel(np.array(opened.attributes["source_dtype"]))[0])
    if kind not in ("uint8", "uint16"):
        raise RasterError(f"{file}: pixels are {kind}; expected uint16, or uint8")
    if len(pixels.indexes) > 1:
        notes.append("files of several channels: the first is taken for the band")
    scale = 1.0 / np.iinfo(kind).max
    return (
        replace(
            pixels,
            indexes=pixels.indexes[:1],
            nodata=(None,),
            scale=(scale,),
            offset=(0.0,),
            nodata_in_all_bands=False,
            mask="none",
        ),
        kind,
    )


def _bands() -> BandTable:
    count = len(_WAVELENGTHS)
    return BandTable(
        wavelength=_WAVELENGTHS.copy(),
        fwhm=np.full(count, np.nan),
        good=np.ones(count, dtype=bool),
        names=tuple(f"{wavelength:.0f} nm" for wavelength in _WAVELENGTHS),
        source="layout of the data set",
        named=True,
    )
