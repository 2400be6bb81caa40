"""Files made to harm: absurd headers, references to other places, code in data."""

import gzip
import json
import os
import pickle
import struct
import zlib
from pathlib import Path

import h5py
import pytest
from raster_files import numbers, refused, write_tiff

from hsfuse.errors import RasterError
from hsfuse.io.products.document import read_document
from hsfuse.io.read import open_raster

SOURCE = (
    '<VRTDataset rasterXSize="48" rasterYSize="40"><VRTRasterBand dataType="Byte" band="1"{more}>'
    "{source}</VRTRasterBand></VRTDataset>"
)


def zarr_group(folder: Path, **arrays: tuple[list[int], list[int], str]) -> Path:
    """Write the metadata of a group of arrays: shape, chunk and type of each; no chunk."""
    group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    folder.mkdir()
    (folder / "zarr.json").write_text(json.dumps(group))
    for name, (shape, chunk, kind) in arrays.items():
        (folder / name).mkdir()
        array = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": shape,
            "data_type": kind,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": {},
            "dimension_names": ["band", "y", "x"] if len(shape) == 3 else [name],
        }
        (folder / name / "zarr.json").write_text(json.dumps(array))
    return folder


def test_absurd_shapes_and_chunks_of_a_zarr_store_are_refused(tmp_path: Path) -> None:
    """Before a chunk, an index or a graph is made of them."""
    huge = 10**11
    refused(
        zarr_group(tmp_path / "a.zarr", cube=([1000, 10**7, 10**7], [10, 64, 64], "uint8")),
        "declares 1000 bands of 10000000 rows x 10000000 columns",
    )
    refused(
        zarr_group(tmp_path / "b.zarr", cube=([3, 64, 64], [1000, 10**6, 10**6], "uint8")),
        "is stored in blocks of 1000 x 1000000 x 1000000",
    )
    cube = ([3, 64, huge], [3, 64, 64], "uint8")
    refused(
        zarr_group(tmp_path / "c.zarr", cube=cube, x=([huge], [10**6], "float64")),
        "x declares 100000000000 entries",
    )
    refused(
        zarr_group(tmp_path / "d.zarr", cube=cube, x=([huge], [huge], "float64")),
        "is stored in blocks of 100000000000",
    )


def test_absurd_coordinates_of_a_netcdf_file_are_refused(tmp_path: Path) -> None:
    """They are read when a file is opened, and chunks that are not written take no room in it."""
    with h5py.File(tmp_path / "a.nc", "w") as file:
        sizes = {"band": 3, "y": 64, "x": 10**11}
        for name, size in sizes.items():
            file.create_dataset(name, (size,), chunks=(min(size, 10**6),), dtype="f8").make_scale()
        cube = file.create_dataset("cube", tuple(sizes.values()), chunks=(3, 64, 64), dtype="u1")
        for axis, name in enumerate(sizes):
            cube.dims[axis].attach_scale(file[name])
    refused(tmp_path / "a.nc", "x declares 100000000000 entries")


def test_an_envi_header_of_an_absurd_size_is_refused(tmp_path: Path) -> None:
    """By the length of its data file."""
    (tmp_path / "a.dat").write_bytes(bytes(1000))
    (tmp_path / "a.hdr").write_text(
        "ENVI\nsamples = 10000000\nlines = 10000000\nbands = 1000\nheader offset = 0\n"
        "data type = 4\ninterleave = bsq\nbyte order = 0\n"
    )
    refused(tmp_path / "a.dat", "truncated", "400000000000000000")


def test_a_strip_that_unpacks_to_more_than_it_declares_is_refused(tmp_path: Path) -> None:
    """GDAL returns what memory holds of it."""
    strip = zlib.compress(bytes([7]) * 2**24, 9)
    entries = [
        (256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (273, 0), (277, 1), (278, 16),
        (279, len(strip)), (284, 1),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(entries) + 4
    directory = b"".join(
        struct.pack("<HHII", tag, 4, 1, start if tag == 273 else value) for tag, value in entries
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    (tmp_path / "a.tif").write_bytes(head + directory + bytes(4) + strip)
    refused(tmp_path / "a.tif", "a block of 256 bytes of pixels is stored in")


def test_chunks_that_unpack_to_more_than_they_declare_are_refused(tmp_path: Path) -> None:
    """Of zarr and HDF5, by the length that is stored."""
    bomb = gzip.compress(bytes(2**25), 9)
    folder = zarr_group(tmp_path / "a.zarr", cube=([3, 8, 8], [3, 8, 8], "uint8"))
    path = folder / "cube" / "zarr.json"
    array = json.loads(path.read_text())
    array["codecs"].append({"name": "gzip", "configuration": {"level": 9}})
    path.write_text(json.dumps(array))
    (folder / "cube" / "c" / "0" / "0").mkdir(parents=True)
    (folder / "cube" / "c" / "0" / "0" / "0").write_bytes(bomb)
    with pytest.raises(RasterError, match="a block of 192 bytes of pixels is stored in"):
        _ = open_raster(folder).values
    with h5py.File(tmp_path / "a.nc", "w") as file:
        cube = file.create_dataset("cube", (3, 8, 8), "u1", chunks=(3, 8, 8), compression="gzip")
        cube.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(2**25), 9))
    refused(tmp_path / "a.nc", "a block of 192 bytes of pixels is stored in")


@pytest.mark.parametrize(
    "source",
    [
        '<SimpleSource><SourceFilename relativeToVRT="0">{out}</SourceFilename></SimpleSource>',
        "<SimpleSource><SourceFilename>../in/../out.tif</SourceFilename></SimpleSource>",
        '<SourceFilename relativetoVRT="0">{out}</SourceFilename><ImageOffset>0</ImageOffset>',
        "<SimpleSource><SourceFilename>/vsisubfile/0_2000,{out}</SourceFilename></SimpleSource>",
        "<SimpleSource><SourceFilename>link.tif</SourceFilename></SimpleSource>",
    ],
)
def test_a_vrt_that_reads_outside_its_folder_is_refused(tmp_path: Path, source: str) -> None:
    """As any file's bytes would be pixels of the output; whatever the way."""
    out = write_tiff(tmp_path / "out.tif", numbers("uint8", (1, 40, 48), 200))
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link.tif").symlink_to(out)
    more = ' subClass="VRTRawRasterBand"' if "ImageOffset" in source else ""
    source = source.format(out=out).replace("ame>../", 'ame relativeToVRT="1">../')
    source = source.replace(">link.tif", ' relativeToVRT="1">link.tif')
    (folder / "a.vrt").write_text(SOURCE.format(more=more, source=source))
    with pytest.raises(RasterError, match=r"outside the folder of the VRT|only files and /vsizip/"):
        open_raster(folder / "a.vrt")


def test_code_in_a_vrt_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the environment lets GDAL run it."""
    monkeypatch.setenv("GDAL_VRT_ENABLE_PYTHON", "YES")
    write_tiff(tmp_path / "a.tif", numbers("uint8", (1, 40, 48), 200))
    mark = tmp_path / "ran"
    code = (
        "<PixelFunctionType>f</PixelFunctionType>"
        "<PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionCode><![CDATA["
        f"def f(*_, **__):\n    open({str(mark)!r}, 'w')\n]]></PixelFunctionCode>"
        '<SimpleSource><SourceFilename relativeToVRT="1">a.tif</SourceFilename></SimpleSource>'
    )
    derived = ' subClass="VRTDerivedRasterBand"'
    (tmp_path / "a.vrt").write_text(SOURCE.format(more=derived, source=code))
    with pytest.raises(RasterError):
        _ = open_raster(tmp_path / "a.vrt").values
    assert not mark.exists()


def test_a_pickle_in_a_zarr_store_is_not_loaded(tmp_path: Path) -> None:
    """An array of objects is no raster."""
    mark = tmp_path / "ran"

    class Code:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(mark),)

    folder = tmp_path / "a.zarr"
    (folder / "cube").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    array = {
        "zarr_format": 2, "shape": [3, 8, 8], "chunks": [3, 8, 8], "dtype": "|O", "order": "C",
        "compressor": None, "fill_value": 0, "filters": [{"id": "pickle"}],
    }  # fmt: skip
    (folder / "cube" / ".zarray").write_text(json.dumps(array))
    (folder / "cube" / ".zattrs").write_text('{"_ARRAY_DIMENSIONS": ["band", "y", "x"]}')
    (folder / "cube" / "0.0.0").write_bytes(pickle.dumps(Code()))
    refused(folder)
    assert not mark.exists()


def test_entities_of_xml_are_neither_expanded_without_end_nor_fetched(tmp_path: Path) -> None:
    """Of the metadata of a product."""
    nested = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' if n else '<!ENTITY e0 "1234567890">'
        for n in range(10)
    )
    (tmp_path / "laughs.xml").write_text(f"<!DOCTYPE a [{nested}]><a>&e9;</a>")
    with pytest.raises(RasterError, match="not XML that can be read"):
        read_document(tmp_path / "laughs.xml")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outside.xml").write_text(
        f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]><a>&e;</a>'
    )
    with pytest.raises(RasterError, match="not XML that can be read"):
        read_document(tmp_path / "outside.xml")
