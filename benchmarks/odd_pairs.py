"""
Pairs that are odd or broken in one to three ways, drawn at random from a table.

A sound small pair is made by hsfuse itself; each entry of :data:`MUTATIONS` spoils one thing
of it: before it is written (values, grid, type, metadata), in the written bytes (headers,
directories, lengths), or in what the command line is given (names, outputs, sensors). Long
because it is a table, one line a way.
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from hsfuse.synthetic.sample import make_sample

__all__ = ["HARMLESS", "MUTATIONS", "Pair", "Raster", "draw_pair", "sound_pair"]

Draw = np.random.Generator
Mutation = Callable[["Pair", Draw], None]

_STEP, _BYTE_STEP = 1e-4, 5e-3  # reflectance of one stored step of an integer
_NO_DATA_TAG = 42113  # GDAL_NODATA


@dataclass
class Raster:
    """One raster of a pair, as it is about to be written."""

    name: str
    values: NDArray[np.float64]
    transform: Affine | None
    wavelength: list[float]
    fwhm: list[float]
    crs: str | None = "EPSG:32633"
    dtype: str = "float32"
    nodata: float | None = None
    driver: str = "GTiff"
    options: dict[str, object] = field(default_factory=dict)
    inside: list[Callable[[Any], None]] = field(default_factory=list)  # of the open dataset
    after: list[Callable[[Path], None]] = field(default_factory=list)  # of the written file

    def write(self, folder: Path) -> None:
        """Write the raster, then spoil its bytes."""
        path = folder / self.name
        bands, rows, columns = self.values.shape
        with (
            warnings.catch_warnings(),
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"),
        ):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(
                path, "w", driver=self.driver, count=bands, height=rows, width=columns,
                dtype=self.dtype, crs=self.crs, transform=self.transform, nodata=self.nodata,
                **self.options,
            ) as dataset:  # fmt: skip
                self._fill(dataset)
        if self.driver == "ENVI":
            lists = {"wavelength": self.wavelength, "fwhm": self.fwhm}
            with header_of(path).open("a") as header:
                header.write("wavelength units = Nanometers\n")
                for name, numbers in lists.items():
                    header.write(f"{name} = {{{', '.join(map(str, numbers))}}}\n")
        for spoil in self.after:
            spoil(path)

    def _fill(self, dataset: Any) -> None:
        stored = self.values
        if np.dtype(self.dtype).kind in "iu":
            limits = np.iinfo(self.dtype)
            step = _BYTE_STEP if np.dtype(self.dtype).itemsize == 1 else _STEP
            stored = np.clip(np.nan_to_num(stored / step), limits.min, limits.max).round()
            dataset.scales = [step] * dataset.count
        with np.errstate(invalid="ignore", over="ignore"):
            dataset.write(stored.astype(self.dtype))
        pairs = zip(self.wavelength, self.fwhm, strict=True)
        if self.driver == "GTiff":
            for band, (centre, width) in enumerate(pairs, start=1):
                tags = {"CENTRAL_WAVELENGTH_UM": centre / 1e3, "FWHM_UM": width / 1e3}
                if band <= dataset.count:
                    dataset.update_tags(band, ns="IMAGERY", **tags)
        for change in self.inside:
            change(dataset)

    def select(self, bands: list[int]) -> None:
        """Keep some bands, in this order."""
        self.values = self.values[bands]
        self.wavelength = [self.wavelength[band] for band in bands]
        self.fwhm = [self.fwhm[band] for band in bands]

    def as_envi(self) -> None:
        """Write ENVI instead of GeoTIFF."""
        self.driver, self.name = "ENVI", str(Path(self.name).with_suffix(".bsq"))


@dataclass
class Pair:
    """Two rasters, what the command line is told of them, and what was done to them."""

    hs: Raster
    rgb: Raster
    out: str = "out.tif"
    options: list[str] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)  # arguments that are not the names
    after: list[Callable[[Path], None]] = field(default_factory=list)  # of the folder
    also_named: list[str] = field(default_factory=list)  # what an error may name instead
    mutations: tuple[str, ...] = ()

    def write(self, folder: Path) -> list[str]:
        """Write both rasters; return the command line."""
        self.hs.write(folder)
        self.rgb.write(folder)
        for spoil in self.after:
            spoil(folder)
        scene, rgb = (
            self.given.get(role, raster.name)
            for role, raster in (("hs", self.hs), ("rgb", self.rgb))
        )
        words = [str(folder / word) if word == "mask.tif" else word for word in self.options]
        return [
            "run",
            *(str(folder / name) for name in (scene, rgb)),
            "-o",
            str(folder / self.out),
            *words,
        ]

    def either(self, draw: Draw) -> Raster:
        """Return one of the two."""
        return self.hs if draw.random() < 0.6 else self.rgb


def header_of(path: Path) -> Path:
    """Return the header that GDAL writes beside ENVI data."""
    return path.with_suffix(".hdr")


@cache
def _sound() -> tuple[xr.DataArray, xr.DataArray]:
    made = make_sample(
        hs_sensor="generic-vnir", rgb_sensor="sentinel-2a:B2,B3,B4", size=(20, 18), ratio=4
    )
    return made.scene[::5][:12].compute(), made.rgb.compute()


def _raster(name: str, array: xr.DataArray) -> Raster:
    widths = np.asarray(array["fwhm"].values, dtype=float)
    return Raster(
        name,
        array.to_numpy().astype(np.float64),
        array.rio.transform(),
        [float(number) for number in array["wavelength"].values],
        [float(number) if np.isfinite(number) else 50.0 for number in widths],
    )


def sound_pair() -> Pair:
    """Return a pair with which nothing is wrong."""
    scene, rgb = _sound()
    return Pair(_raster("scene.tif", scene), _raster("rgb.tif", rgb))


def draw_pair(seed: int, number: int) -> Pair:
    """Return the pair of one number: sound, then spoiled in one to three ways."""
    draw = np.random.default_rng([seed, number])
    pair = sound_pair()
    count = int(draw.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))
    names = [str(name) for name in draw.choice(list(MUTATIONS), count, replace=False)]
    names.sort(key=list(MUTATIONS).index)
    for name in names:
        MUTATIONS[name](pair, draw)
    pair.mutations = tuple(names)
    return pair


# What is changed before writing: values, sizes, grids, types


def _where(mask: Callable[[NDArray[np.float64], Draw], object]) -> Mutation:
    """Return a mutation that puts other values into one raster."""

    def change(pair: Pair, draw: Draw) -> None:
        raster = pair.either(draw)
        with np.errstate(over="ignore"):
            raster.values = np.array(
                np.broadcast_to(mask(raster.values, draw), raster.values.shape), dtype=float
            )

    return change


def _one_finite(values: NDArray[np.float64], _: Draw) -> NDArray[np.float64]:
    kept = np.full_like(values, np.nan)
    kept[:, values.shape[1] // 2, values.shape[2] // 2] = 0.5
    return kept


def _sprinkled(number: float) -> Mutation:
    return _where(lambda values, draw: np.where(draw.random(values.shape) < 0.02, number, values))


def _resize(rows: int, columns: int, role: str = "hs") -> Mutation:
    """Return a mutation that keeps the first rows and columns of one raster."""

    def change(pair: Pair, _: Draw) -> None:
        raster: Raster = getattr(pair, role)
        raster.values = raster.values[:, :rows, :columns]

    return change


def _ratio(ratio: float) -> Mutation:
    """Return a mutation that keeps the HS extent and changes the fine pixels."""

    def change(pair: Pair, _: Draw) -> None:
        if pair.hs.transform is None:
            return
        rows, columns = (max(1, round(length * ratio)) for length in pair.hs.values.shape[1:])
        old = pair.rgb.values.shape[1:]
        down = np.minimum((np.arange(rows) * old[0] / rows).astype(int), old[0] - 1)
        across = np.minimum((np.arange(columns) * old[1] / columns).astype(int), old[1] - 1)
        pair.rgb.values = pair.rgb.values[:, down[:, None], across]
        pair.rgb.transform = pair.hs.transform * Affine.scale(1 / ratio)

    return change


def _in_turn(*mutations: Mutation) -> Mutation:
    def mutate(pair: Pair, draw: Draw) -> None:
        for change in mutations:
            change(pair, draw)

    return mutate


def _grid(change: Callable[[Affine, Raster], Affine | None], both: bool = False) -> Mutation:
    """Return a mutation of one transform, or of both."""

    def mutate(pair: Pair, draw: Draw) -> None:
        for raster in (pair.hs, pair.rgb) if both else (pair.either(draw),):
            if raster.transform is not None:
                raster.transform = change(raster.transform, raster)

    return mutate


def _entries(**entries: float) -> Mutation:
    """Return a mutation of single numbers of one transform."""

    def change(place: Affine, _: Raster) -> Affine:
        numbers = {name: getattr(place, name) for name in "abcdef"} | entries
        return Affine(*numbers.values())

    return _grid(change)


def _south_up(place: Affine, raster: Raster) -> Affine:
    raster.values = raster.values[:, ::-1]
    return place * Affine.translation(0, raster.values.shape[1]) * Affine.scale(1, -1)


def _one_pixel_shared(pair: Pair, _: Draw) -> None:
    if pair.rgb.transform is not None:
        rows, columns = pair.rgb.values.shape[1:]
        pair.rgb.transform = pair.rgb.transform * Affine.translation(columns - 1, rows - 1)


def _set(name: str, *choices: object, both: bool = False) -> Mutation:
    """Return a mutation that sets one field to one of several values."""

    def change(pair: Pair, draw: Draw) -> None:
        value = choices[int(draw.integers(len(choices)))]
        for raster in (pair.hs, pair.rgb) if both else (pair.either(draw),):
            setattr(raster, name, value)

    return change


def _typed(dtype: str, nodata: float | None = None) -> Mutation:
    def change(pair: Pair, draw: Draw) -> None:
        raster = pair.either(draw)
        raster.dtype, raster.nodata = dtype, nodata

    return change


def _flags(pair: Pair, draw: Draw) -> None:
    """Keep only 0 and 1 in bytes, as a mask has."""
    raster = pair.either(draw)
    raster.values = (raster.values > np.nanmedian(raster.values)) * _BYTE_STEP
    raster.dtype = "uint8"


def _frequent_no_data(pair: Pair, draw: Draw) -> None:
    raster = pair.either(draw)
    raster.dtype, raster.nodata = "int16", 1500.0
    raster.values = np.where(draw.random(raster.values.shape) < 0.3, 0.15, raster.values)


def _bands(role: str, *counts: int) -> Mutation:
    def change(pair: Pair, draw: Draw) -> None:
        raster: Raster = getattr(pair, role)
        raster.select([i % len(raster.values) for i in range(int(draw.choice(counts)))])

    return change


def _panchromatic(pair: Pair, _: Draw) -> None:
    pair.rgb.select([0])
    pair.rgb.wavelength, pair.rgb.fwhm = [600.0], [300.0]


def _swapped(pair: Pair, _: Draw) -> None:
    pair.hs, pair.rgb = pair.rgb, pair.hs


def _inside(change: Callable[[Any, Draw], None], role: str | None = None) -> Mutation:
    """Return a mutation of the open GeoTIFF."""

    def mutate(pair: Pair, draw: Draw) -> None:
        raster = getattr(pair, role) if role else pair.either(draw)
        raster.inside.append(partial(_try, change, draw))

    return mutate


def _try(change: Callable[[Any, Draw], None], draw: Draw, dataset: Any) -> None:
    # Two mutations may exclude each other: a palette wants one band of bytes.
    try:
        change(dataset, draw)
    except (ValueError, rasterio.errors.RasterioError, rasterio._err.CPLE_BaseError):
        return


def _scales(number: float) -> Mutation:
    return _inside(lambda dataset, _: setattr(dataset, "scales", [number] * dataset.count))


def _offsets(number: float) -> Mutation:
    return _inside(lambda dataset, _: setattr(dataset, "offsets", [number] * dataset.count))


def _contradict(dataset: Any, _: Draw) -> None:
    for band in dataset.indexes:
        dataset.update_tags(band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=12 - band)
        dataset.update_tags(band, wavelength=400 + band, wavelength_units="nm")
        dataset.set_band_description(band, f"{2000 - band} nm")


def _tag(text: str) -> Mutation:
    def change(dataset: Any, _: Draw) -> None:
        for band in dataset.indexes:
            dataset.update_tags(band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=text)

    return _inside(change)


def _last_is_alpha(dataset: Any, _: Draw) -> None:
    dataset.colorinterp = [*[ColorInterp.gray] * (dataset.count - 1), ColorInterp.alpha]


def _palette(pair: Pair, _: Draw) -> None:
    pair.rgb.select([0])
    pair.rgb.dtype = "uint8"
    pair.rgb.inside.append(
        lambda dataset: dataset.write_colormap(1, {i: (i, 255 - i, 0, 255) for i in range(256)})
    )


def _mask_half(dataset: Any, _: Draw) -> None:
    mask = np.full(dataset.shape, 255, dtype=np.uint8)
    mask[: dataset.height // 2] = 0
    dataset.write_mask(mask)


def _mask_all(dataset: Any, _: Draw) -> None:
    dataset.write_mask(np.zeros(dataset.shape, dtype=np.uint8))


def _mask_file(option: str, shape: tuple[int, int] | None) -> Mutation:
    """Return a mutation that gives a mask file, of the raster's size or of another."""

    def mutate(pair: Pair, draw: Draw) -> None:
        raster = pair.hs if option == "--hs-mask" else pair.rgb
        size = shape or raster.values.shape[1:]
        kept = (draw.random((1, *size)) < 0.9).astype(float) * _BYTE_STEP
        mask = Raster("mask.tif", kept, raster.transform, [], [], crs=raster.crs, dtype="uint8")
        pair.after.append(mask.write)
        pair.options += [option, "mask.tif"]
        pair.also_named.append("mask.tif")

    return mutate


# What is changed in the written bytes


def _header(field_name: str, *texts: str | None) -> Mutation:
    """Return a mutation of one ENVI header field; None takes it out."""

    def mutate(pair: Pair, draw: Draw) -> None:
        text = texts[int(draw.integers(len(texts)))]
        _edit_header(pair, draw, lambda header: _replaced(header, field_name, text))

    return mutate


def _edit_header(pair: Pair, draw: Draw, edit: Callable[[str], str]) -> None:
    raster = pair.either(draw)
    raster.as_envi()

    def spoil(path: Path) -> None:
        header = header_of(path)
        text = header.read_bytes().decode("utf-8", "surrogateescape")
        header.write_bytes(edit(text).encode("utf-8", "surrogateescape"))

    raster.after.append(spoil)


def _replaced(header: str, name: str, text: str | None) -> str:
    pattern = re.compile(rf"^{name}\s*=\s*(\{{[^}}]*\}}|[^\n]*)\n", re.MULTILINE)
    without = pattern.sub("", header)
    return without if text is None else f"{without}{name} = {text}\n"


def _whole_header(edit: Callable[[str], str]) -> Mutation:
    return lambda pair, draw: _edit_header(pair, draw, edit)


def _list(name: str, change: Callable[[list[str]], list[str]]) -> Mutation:
    """Return a mutation of one list of an ENVI header."""

    def edit(header: str) -> str:
        found = re.search(rf"^{name}\s*=\s*\{{([^}}]*)\}}", header, re.MULTILINE)
        words = [word.strip() for word in found.group(1).split(",")] if found else ["1"]
        return _replaced(header, name, "{" + ", ".join(change(words)) + "}")

    return _whole_header(edit)


def _all_bad(header: str) -> str:
    found = re.search(r"^bands\s*=\s*(\d+)$", header, re.MULTILINE)
    return _replaced(header, "bbl", f"{{{', '.join('0' * int(found[1] if found else 1))}}}")


def _in_micrometres(header: str) -> str:
    """Return a header in micrometres that does not say so."""
    for name in ("wavelength", "fwhm"):
        found = re.search(rf"^{name} = \{{([^}}]*)\}}", header, re.MULTILINE)
        words = found[1].split(",") if found else []
        header = _replaced(header, name, f"{{{', '.join(str(float(w) / 1e3) for w in words)}}}")
    return _replaced(header, "wavelength units", None)


def _bytes(change: Callable[[bytes, Draw], bytes], *, envi: bool | None = None) -> Mutation:
    """Return a mutation of the written bytes of one raster, as ENVI, TIFF or either."""

    def mutate(pair: Pair, draw: Draw) -> None:
        raster = pair.either(draw)
        if envi or (envi is None and draw.random() < 0.5):
            raster.as_envi()
        raster.after.append(lambda path: _rewrite(path, change, draw))

    return mutate


def _rewrite(path: Path, change: Callable[[bytes, Draw], bytes], draw: Draw) -> None:
    path.write_bytes(change(path.read_bytes(), draw))


def _cut(content: bytes, draw: Draw) -> bytes:
    return content[: int(draw.integers(1, max(2, len(content))))]


def _flip(content: bytes, draw: Draw) -> bytes:
    """Change up to four bytes of the directory of a TIFF."""
    start, count = _directory(content)
    spoiled = bytearray(content)
    for _ in range(int(draw.integers(1, 5))):
        place = start + int(draw.integers(2 + 12 * count)) if count else int(draw.integers(8))
        if place < len(spoiled):
            spoiled[place] = int(draw.integers(256))
    return bytes(spoiled)


def _directory(content: bytes) -> tuple[int, int]:
    """Return place and length of the first directory of a little-endian TIFF; 0 if none."""
    if content[:4] != b"II*\0":
        return 0, 0
    (start,) = struct.unpack_from("<I", content, 4)
    return start, struct.unpack_from("<H", content, start)[0]


def _impossible_no_data(pair: Pair, draw: Draw) -> None:
    """Give a no-data number that the type cannot hold, written into the tag itself."""
    raster = pair.either(draw)
    raster.dtype, raster.nodata = "uint8", 255.0
    raster.after.append(lambda path: _rewrite(path, _other_no_data, draw))


def _other_no_data(content: bytes, _: Draw) -> bytes:
    start, count = _directory(content)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, entry)[0] == _NO_DATA_TAG:
            return content[: entry + 8] + b"-99\0" + content[entry + 12 :]
    return content


def _no_data_of_each_band(pair: Pair, draw: Draw) -> None:
    raster = pair.either(draw)
    name = Path(raster.name).with_suffix(".vrt").name

    def wrap(path: Path) -> None:
        vrt = path.with_name(name)
        rasterio.shutil.copy(path, vrt, driver="VRT")
        numbers = iter(range(1000))
        text = re.sub(
            r"(<VRTRasterBand [^>]*>)",
            lambda found: f"{found[1]}<NoDataValue>{next(numbers) / 10}</NoDataValue>",
            vrt.read_text(),
        )
        vrt.write_text(text)

    raster.after.append(wrap)
    pair.given["hs" if raster is pair.hs else "rgb"] = name


# What the command line is given


def _named(*stems: str) -> Mutation:
    def mutate(pair: Pair, draw: Draw) -> None:
        raster = pair.either(draw)
        raster.name = stems[int(draw.integers(len(stems)))] + Path(raster.name).suffix

    return mutate


def _given(role: str, prepare: Callable[[Path, str], str]) -> Mutation:
    """Return a mutation that gives something else than the file that was written."""

    def mutate(pair: Pair, _: Draw) -> None:
        raster: Raster = getattr(pair, role)
        name = "given"

        def make(folder: Path) -> None:
            prepare(folder, raster.name)

        pair.after.append(make)
        pair.given[role] = name

    return mutate


def _link(folder: Path, name: str) -> str:
    (folder / "given").symlink_to(folder / name)
    return "given"


def _dangling(folder: Path, _: str) -> str:
    (folder / "given").symlink_to(folder / "nowhere.tif")
    return "given"


def _folder(folder: Path, _: str) -> str:
    (folder / "given").mkdir()
    return "given"


def _moved(folder: Path, name: str) -> str:
    (folder / name).rename(folder / "given")
    return "given"


def _header_given(pair: Pair, draw: Draw) -> None:
    raster = pair.either(draw)
    raster.as_envi()
    pair.given["hs" if raster is pair.hs else "rgb"] = Path(raster.name).with_suffix(".hdr").name


def _output(out: str, content: bytes | None = None, *options: str) -> Mutation:
    def mutate(pair: Pair, _: Draw) -> None:
        pair.out = out
        pair.options += options
        if content is not None:
            pair.after.append(lambda folder: (folder / out).write_bytes(content) and None)

    return mutate


def _output_is_input(pair: Pair, draw: Draw) -> None:
    pair.out = pair.either(draw).name
    pair.options += ["--overwrite"] if draw.random() < 0.5 else []


def _output_is_folder(pair: Pair, draw: Draw) -> None:
    pair.out = "there.zarr" if draw.random() < 0.5 else "there.tif"
    pair.options += ["--overwrite"] if draw.random() < 0.5 else []
    pair.after.append(lambda folder: _fill_folder(folder / pair.out))


def _fill_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir()
        (folder / "mine.txt").write_text("mine")


def _sensor(option: str, *names: str) -> Mutation:
    def mutate(pair: Pair, draw: Draw) -> None:
        name = names[int(draw.integers(len(names)))]
        pair.options += [option, name]
        pair.also_named.append(name.partition(":")[0])

    return mutate


_NUMBERS = (None, "-5", "0", "999999999", "99999999999999999999", "7.5", "1e3", "many", "{20}", "")

#: What may be wrong: a name -> what does it. One line says what is meant.
MUTATIONS: dict[str, Mutation] = {
    # Made before writing
    "values: all NaN": _where(lambda values, _: np.nan),
    "values: all equal": _where(lambda values, _: 0.25),
    "values: all zero": _where(lambda values, _: 0.0),
    "values: infinite here and there": _sprinkled(np.inf),
    "values: minus infinite here and there": _sprinkled(-np.inf),
    "values: NaN here and there": _sprinkled(np.nan),
    "values: 1e30 here and there": _sprinkled(1e30),
    "values: all 1e30": _where(lambda values, _: values * 1e30),
    "values: all 1e38": _where(lambda values, _: values * 1e38),
    "values: all 1e-30": _where(lambda values, _: values * 1e-30),
    "values: negative": _where(lambda values, _: -values),
    "values: saturated": _where(lambda values, _: np.minimum(values, np.nanmedian(values))),
    "values: one finite pixel": _where(_one_finite),
    "values: noise": _where(lambda values, draw: draw.random(values.shape)),
    "values: one band NaN": _where(
        lambda values, _: np.where(np.arange(len(values))[:, None, None] == 1, np.nan, values)
    ),
    "size: HS 1 x 1": _resize(1, 1),
    "size: HS 1 row": _resize(1, 18),
    "size: HS 1 column": _resize(20, 1),
    "size: HS 2 x 2": _resize(2, 2),
    "size: HS 3 x 2": _resize(3, 2),
    "size: RGB covers a few HS pixels": _resize(9, 13, "rgb"),
    "size: RGB is smaller than an HS pixel": _resize(2, 3, "rgb"),
    "size: RGB 1 x 1": _resize(1, 1, "rgb"),
    "ratio: 1": _ratio(1.0),
    "ratio: 1.5": _ratio(1.5),
    "ratio: 2": _ratio(2.0),
    "ratio: 3.37": _ratio(3.37),
    "ratio: 40": _in_turn(_resize(5, 4), _ratio(40.0)),
    "ratio: 0.5": _ratio(0.5),
    "grid: rotated": _grid(lambda place, _: place * Affine.rotation(17)),
    "grid: both rotated": _grid(lambda place, _: Affine.rotation(0.001) * place, both=True),
    "grid: sheared": _grid(lambda place, _: place * Affine.shear(10, 0)),
    "grid: south up": _grid(_south_up),
    "grid: a little off parallel": _grid(lambda place, _: place * Affine.rotation(0.5)),
    "grid: unequal pixel sizes": _grid(lambda place, _: place * Affine.scale(1, 1.7)),
    "grid: pixel size 0": _entries(a=0.0),
    "grid: both pixel sizes 0": _entries(a=0.0, e=0.0),
    "grid: pixel size NaN": _entries(a=float("nan")),
    "grid: pixel size infinite": _entries(e=float("inf")),
    "grid: origin NaN": _entries(c=float("nan")),
    "grid: huge origin": _entries(c=1e15),
    "grid: tiny pixels": _grid(lambda place, _: place * Affine.scale(1e-12)),
    "grid: huge pixels": _grid(lambda place, _: place * Affine.scale(1e9)),
    "grid: both far away": _grid(lambda place, _: Affine.translation(1e9, -1e9) * place, both=True),
    "grid: none": _set("transform", None),
    "grid: none in both": _set("transform", None, both=True),
    "grid: no overlap": _grid(lambda place, _: place * Affine.translation(1000, 0)),
    "grid: one fine pixel shared": _one_pixel_shared,
    "CRS: one missing": _set("crs", None),
    "CRS: both missing": _set("crs", None, both=True),
    "CRS: geographic": _set("crs", "EPSG:4326"),
    "CRS: geographic in both": _set("crs", "EPSG:4326", both=True),
    "CRS: next UTM zone": _set("crs", "EPSG:32632", "EPSG:32634"),
    "CRS: the other hemisphere": _set("crs", "EPSG:32733"),
    "CRS: local": _set("crs", 'LOCAL_CS["nowhere",UNIT["metre",1]]'),
    "CRS: local in both": _set("crs", 'LOCAL_CS["nowhere",UNIT["metre",1]]', both=True),
    "dtype: uint8": _typed("uint8"),
    "dtype: int8": _typed("int8"),
    "dtype: uint16": _typed("uint16"),
    "dtype: int16": _typed("int16"),
    "dtype: uint32": _typed("uint32"),
    "dtype: int32": _typed("int32"),
    "dtype: int64": _typed("int64"),
    "dtype: uint64": _typed("uint64"),
    "dtype: float64": _typed("float64"),
    "dtype: complex64": _typed("complex64"),
    "dtype: complex128": _typed("complex128"),
    "dtype: only 0 and 1": _flags,
    "no data: NaN": _typed("float32", float("nan")),
    "no data: -9999": _typed("float32", -9999.0),
    "no data: lowest float": _typed("float32", float(np.finfo("float32").min)),
    "no data: infinite": _typed("float32", float("inf")),
    "no data: 0 in bytes": _typed("uint8", 0.0),
    "no data: a frequent value": _frequent_no_data,
    "no data: impossible in its type": _impossible_no_data,
    "bands: one HS band": _bands("hs", 1),
    "bands: two HS bands": _bands("hs", 2),
    "bands: one MS band": _bands("rgb", 1),
    "bands: panchromatic": _panchromatic,
    "bands: 17 MS bands": _bands("rgb", 17),
    "metadata: scale 0": _scales(0.0),
    "metadata: scale NaN": _scales(float("nan")),
    "metadata: scale infinite": _scales(float("inf")),
    "metadata: scale negative": _scales(-0.5),
    "metadata: offset NaN": _offsets(float("nan")),
    "metadata: offset negative": _offsets(-0.2),
    "metadata: wavelengths that contradict each other": _inside(_contradict),
    "metadata: wavelength no number": _tag("blue"),
    "metadata: wavelength NaN": _tag("nan"),
    "metadata: wavelength negative": _tag("-0.5"),
    "metadata: wavelength 0": _tag("0"),
    "metadata: wavelength empty": _tag(""),
    "metadata: wavelength huge": _tag("1e300"),
    "metadata: last band is alpha": _inside(_last_is_alpha, "rgb"),
    "metadata: last HS band is alpha": _inside(_last_is_alpha, "hs"),
    "metadata: colour table": _palette,
    "mask: half, inside": _inside(_mask_half),
    "mask: everything, inside": _inside(_mask_all),
    "mask: a file for HS": _mask_file("--hs-mask", None),
    "mask: a file for RGB": _mask_file("--rgb-mask", None),
    "mask: a file of another size": _mask_file("--hs-mask", (7, 7)),
    "bands: swapped": _swapped,
    # In the written bytes
    "header: lines": _header("lines", *_NUMBERS, "19", "21"),
    "header: samples": _header("samples", *_NUMBERS, "17", "19"),
    "header: bands": _header("bands", *_NUMBERS, "3", "11", "13"),
    "header: interleave": _header("interleave", None, "bil", "bip", "BSQ", "tiles", "", "7"),
    "header: data type": _header("data type", *_NUMBERS, "1", "2", "3", "6", "7", "12", "99"),
    "header: byte order": _header("byte order", *_NUMBERS, "1", "2"),
    "header: offset": _header("header offset", *_NUMBERS, "1", "4", "100"),
    "header: map info": _header(
        "map info",
        None,
        "{}",
        "{UTM}",
        "{UTM, 1, 1, x, y, 4, 4, 33, North}",
        "{Arbitrary, 1, 1}",
        "{UTM, 1, 1, 392400, 5790600, 0, 0, 33, North}",
        "{UTM, 1, 1, nan, nan, 4, 4, 33, North}",
        "{UTM, 1, 1, 392400, 5790600, 4, 4, 99, North}",
        "UTM",
    ),
    "header: coordinate system": _header(
        "coordinate system string", None, "{}", "{PROJCS[}", "{not WKT}", '{GEOGCS["x"]}'
    ),
    "header: no wavelengths": _header("wavelength", None),
    "header: wavelengths too short": _list("wavelength", lambda words: words[:-2]),
    "header: wavelengths too long": _list("wavelength", lambda words: [*words, "999"]),
    "header: wavelengths with NaN": _list("wavelength", lambda words: ["nan", *words[1:]]),
    "header: wavelengths all NaN": _list("wavelength", lambda words: ["nan"] * len(words)),
    "header: wavelengths unsorted": _list("wavelength", lambda words: words[::-1]),
    "header: wavelengths equal": _list("wavelength", lambda words: ["550"] * len(words)),
    "header: wavelengths with words": _list("wavelength", lambda words: ["red", *words[1:]]),
    "header: wavelengths empty": _list("wavelength", lambda words: []),
    "header: wavelengths in micrometres, no unit": _whole_header(_in_micrometres),
    "header: wavelengths called micrometres": _header("wavelength units", "Micrometers"),
    "header: unit nonsense": _header("wavelength units", "furlongs", "Index", "", "{nm}"),
    "header: widths too short": _list("fwhm", lambda words: words[:1]),
    "header: widths 0": _list("fwhm", lambda words: ["0"] * len(words)),
    "header: widths negative": _list("fwhm", lambda words: ["-10"] * len(words)),
    "header: widths huge": _list("fwhm", lambda words: ["1e9"] * len(words)),
    "header: bbl odd": _header("bbl", "{}", "{1, 0}", "{yes, no}", "1", "{2.5}", "{-1, -1, -1}"),
    "header: bbl all bad": _whole_header(_all_bad),
    "header: band names": _header("band names", "{a}", "{}", "a, b", "{" + ",".join("abc") + "}"),
    "header: data ignore value": _header(
        "data ignore value", "0", "nan", "1e99", "none", "", "-9999", "{0}"
    ),
    "header: reflectance scale": _header(
        "reflectance scale factor", "0", "-1", "nan", "inf", "x", "10000", "1e-300"
    ),
    "header: gains": _header("data gain values", "{0}", "{nan}", "{}", "{x}", "{1, 2}"),
    "header: compressed": _header("file compression", "1", "yes"),
    "header: type": _header(
        "file type", "ENVI Classification", "TIFF", "", "ENVI Spectral Library"
    ),
    "header: not Latin": _header("description", "{Пойма, 草地}"),
    "header: broken text": _whole_header(
        lambda text: text + "description = {\udcff\udcfe\udc80}\n"
    ),
    "header: CRLF": _whole_header(lambda text: text.replace("\n", "\r\n")),
    "header: every line twice": _whole_header(
        lambda text: "ENVI\n" + "".join(line + "\n" for line in text.splitlines()[1:]) * 2
    ),
    "header: brace not closed": _whole_header(lambda text: text + "wavelength = {1, 2, 3\n"),
    "header: indented and upper case": _whole_header(
        lambda text: re.sub(
            r"^([a-z ]+)=", lambda found: f"  {found[1].upper()}=", text, flags=re.MULTILINE
        )
    ),
    "header: first line missing": _whole_header(lambda text: text.partition("\n")[2]),
    "header: empty": _whole_header(lambda text: ""),
    "header: garbage": _whole_header(lambda text: "\0\x01\x02" * 100),
    "header: cut": _whole_header(lambda text: text[: len(text) // 2]),
    "data: ENVI cut": _bytes(_cut, envi=True),
    "data: TIFF cut": _bytes(_cut, envi=False),
    "data: TIFF cut in its first 500 bytes": _bytes(
        lambda c, draw: _cut(c[:500], draw), envi=False
    ),
    "data: empty": _bytes(lambda content, _: b""),
    "data: garbage": _bytes(lambda content, draw: draw.bytes(len(content))),
    "data: ENVI longer than declared": _bytes(lambda content, _: content + b"\0" * 999, envi=True),
    "data: directory flipped": _bytes(_flip, envi=False),
    "data: directory flipped again": _bytes(_flip, envi=False),
    "data: directory flipped once more": _bytes(_flip, envi=False),
    "data: text": _bytes(lambda content, _: b"no raster\n"),
    "no data: another for each band": _no_data_of_each_band,
    # What the command line is given
    "name: odd": _named(
        "a scene, mine", "снимок 草地", "scène'é", "a%20b#c", "-x", "a\nb", "[x]*?"
    ),
    "name: no suffix": _given("hs", _moved),
    "name: link": _given("rgb", _link),
    "name: dangling link": _given("hs", _dangling),
    "name: folder": _given("rgb", _folder),
    "name: the header": _header_given,
    "output: exists": _output("there.tif", b"mine"),
    "output: exists, --overwrite": _output("there.tif", b"mine", "--overwrite"),
    "output: exists, zarr": _output("there.zarr", b"mine", "--overwrite"),
    "output: missing folder": _output("nowhere/out.tif"),
    "output: in a file": _output("rgb.tif/out.tif"),
    "output: unknown kind": _output("out.png"),
    "output: no suffix": _output("out"),
    "output: unicode": _output("выход 草.tif"),
    "output: zarr": _output("out.zarr"),
    "output: is an input": _output_is_input,
    "output: is a folder": _output_is_folder,
    "sensor: unknown": _sensor("--hs-sensor", "no-such-sensor", "", "scene.tif", "..", "a:b:c"),
    "sensor: unknown, fine": _sensor("--rgb-sensor", "sentinel-2a:B99", "nothing.toml", ":", "/"),
    "sensor: of other bands": _sensor("--rgb-sensor", "sentinel-2a", "sentinel-2a:B8,B8"),
    "sensor: HS of other bands": _sensor("--hs-sensor", "enmap", "sentinel-2a"),
}

#: Odd and yet sound: a pair that is odd in these ways alone is fused.
HARMLESS = {
    "values: NaN here and there",
    "ratio: 2",
    "ratio: 3.37",
    "grid: south up",
    "grid: both far away",
    "CRS: both missing",
    "CRS: one missing",
    "dtype: uint16",
    "dtype: int16",
    "dtype: uint32",
    "dtype: int32",
    "dtype: float64",
    "no data: NaN",
    "no data: -9999",
    "bands: panchromatic",
    "mask: a file for HS",
    "mask: a file for RGB",
    "header: wavelengths in micrometres, no unit",
    "header: not Latin",
    "header: broken text",
    "header: CRLF",
    "header: indented and upper case",
    "data: ENVI longer than declared",
    "name: no suffix",
    "name: link",
    "name: the header",
    "output: exists, --overwrite",
    "output: unicode",
    "output: zarr",
}
