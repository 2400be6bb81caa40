"""A file is read from this machine and its own folder, and from archives on this machine."""

import gzip
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest
from raster_files import numbers, refused, write_envi, write_tiff

from hsfuse.io.read import open_raster

VRT = (
    '<VRTDataset rasterXSize="48" rasterYSize="40"><VRTRasterBand dataType="Int16" band="1">'
    '<SimpleSource><SourceFilename relativeToVRT="{beside}">{name}</SourceFilename>'
    '<SourceBand>1</SourceBand><SourceProperties RasterXSize="48" RasterYSize="40" '
    'DataType="Int16" BlockXSize="48" BlockYSize="40"/></SimpleSource></VRTRasterBand></VRTDataset>'
)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder on this machine's own address, and list what is asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_vrt_of_remote_files_is_refused_and_fetches_nothing(tmp_path: Path) -> None:
    """Under any name of the VRT, within another VRT, and through an archive."""
    write_tiff(tmp_path / "a.tif", numbers(shape=(1, 40, 48)))
    with served(tmp_path) as (address, asked):
        for name in (
            f"/vsicurl/{address}/a.tif", f"/vsizip//vsicurl/{address}/a.zip/a.tif",
            f"/vsicurl?url={address}/a.tif", "/vsis3/bucket/a.tif", f"{address}/a.tif",
            f"WMS:{address}", f'NETCDF:"/vsicurl/{address}/a.nc":x',
        ):  # fmt: skip
            path = tmp_path / "remote.dat"
            path.write_text(VRT.format(beside=0, name=name))
            refused(path, "its source", "another machine", "download")
            (tmp_path / "outer.vrt").write_text(VRT.format(beside=1, name="remote.dat"))
            with pytest.raises(OSError, match=r"remote\.dat: its source .* another machine"):
                open_raster(tmp_path / "outer.vrt")
        (tmp_path / "wms.xml").write_text(
            f"<GDAL_WMS><Service name='TMS'><ServerUrl>{address}/a.tif</ServerUrl></Service>"
            "</GDAL_WMS>"
        )
        refused(tmp_path / "wms.xml", "service on another machine")
        assert asked == []


def test_a_vrt_of_files_beside_it_is_read_if_they_are_whole(tmp_path: Path) -> None:
    """A source that is missing or truncated is named."""
    stored = numbers(shape=(1, 40, 48))
    data = write_envi(tmp_path, stored, name="part.rfl")
    vrt = tmp_path / "a.vrt"
    vrt.write_text(VRT.format(beside=1, name="part.rfl"))
    np.testing.assert_array_equal(open_raster(vrt), stored)
    data.write_bytes(data.read_bytes()[:2000])
    with pytest.raises(OSError, match=r"part\.rfl: truncated"):
        open_raster(vrt)
    vrt.write_text(VRT.format(beside=1, name="gone.tif"))
    refused(vrt, "its source gone.tif is missing")
    vrt.write_text(VRT.format(beside=1, name="a.vrt"))
    refused(vrt, "name each other")


@pytest.mark.parametrize("kind", ["external link", "external storage", "virtual dataset"])
@pytest.mark.parametrize("suffix", [".nc", ".h5"])
def test_hdf5_that_leads_out_of_its_folder_is_refused(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    """By the name of the object and of the file; what lies beside it is read."""
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / f"scene{suffix}"
    values = np.random.default_rng(0).random((3, 20, 24)).astype("f4")
    for folder in (tmp_path, tmp_path / "inner"):
        with h5py.File(folder / "other.h5", "w") as other:
            other["cube"] = values
        values.tofile(folder / "raw.bin")
    for start in ("../", ""):
        with h5py.File(path, "w") as file:
            if kind == "external link":
                file["cube"] = h5py.ExternalLink(f"{start}other.h5", "cube")
            elif kind == "external storage":
                name = str((path.parent / f"{start}raw.bin").resolve())
                file.create_dataset(
                    "cube", values.shape, "f4", external=[(name, 0, h5py.h5f.UNLIMITED)]
                )
            else:
                layout = h5py.VirtualLayout(values.shape, "f4")
                layout[:] = h5py.VirtualSource(f"{start}other.h5", "cube", values.shape)
                file.create_virtual_dataset("cube", layout)
            for axis, length in (("band", 3), ("y", 20), ("x", 24)):
                file[axis] = np.arange(length)
                file[axis].make_scale(axis)
        if start:
            refused(path, "cube lies in another file", "outside the folder")


@pytest.mark.parametrize("kind", ["zip", "tar", "gzip"])
def test_a_file_in_an_archive_is_read(tmp_path: Path, kind: str) -> None:
    """By GDAL's name for it, with one slash or two before an absolute path, or as a URL."""
    stored = numbers()
    path = write_tiff(tmp_path / "a.tif", stored)
    archive = tmp_path / f"a.tif.{ {'zip': 'zip', 'tar': 'tgz', 'gzip': 'gz'}[kind] }"
    inside = "" if kind == "gzip" else "/folder/a.tif"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.write(path, "folder/a.tif")
    elif kind == "tar":
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(path, "folder/a.tif")
    else:
        archive.write_bytes(gzip.compress(path.read_bytes()))
    for start in (f"/vsi{kind}/", f"/vsi{kind}"):
        np.testing.assert_array_equal(open_raster(f"{start}{archive}{inside}"), stored)
    if kind == "zip":
        np.testing.assert_array_equal(open_raster(f"zip://{archive}!folder/a.tif"), stored)
        with pytest.raises(OSError, match=r"a\.tif\.zip: holds folder/a\.tif, no b\.tif"):
            open_raster(f"/vsizip/{archive}/b.tif")
        archive.write_bytes(archive.read_bytes()[:500])
        with pytest.raises(OSError, match="damaged or incomplete"):
            open_raster(f"/vsizip/{archive}/folder/a.tif")
    with pytest.raises(OSError, match=f"named as /vsi{kind}/"):
        open_raster(archive)


def test_a_truncated_file_in_an_archive_is_refused(tmp_path: Path) -> None:
    """As it is outside."""
    path = write_tiff(tmp_path / "a.tif", numbers())
    data = write_envi(tmp_path, numbers(), name="b.rfl")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("a.tif", path.read_bytes()[:9000])
        packed.writestr("b.rfl", data.read_bytes()[:9000])
        packed.write(data.with_suffix(".hdr"), "b.hdr")
    for name in ("a.tif", "b.rfl"):
        refused(f"/vsizip/{tmp_path}/a.zip/{name}", "truncated")


@pytest.mark.parametrize(
    "name",
    [
        "ftp://example.org/a.tif", "hdfs:/host/a.tif", "/vsihdfs/host/a.tif", "WMS:host/a",
        "/vsizip//vsicurl/https://example.org/a.zip/a.tif", "/vsizip/s3://bucket/a.zip/a.tif",
        'NETCDF:"https://example.org/a.nc":x',
    ],
)  # fmt: skip
def test_a_path_to_another_machine_gets_a_line_about_that(name: str) -> None:
    """Nothing is fetched, and nobody is told that a local file is missing."""
    with pytest.raises(OSError, match=r"lies on another machine; .* download it"):
        open_raster(name)


@pytest.mark.parametrize(
    "name",
    [
        "PRS_L2D_STD_20201107101404_20201107101408_0001.he5",
        "EMIT_L2A_RFL_001_20220903T163129_2224611_012.nc",
    ],
)
def test_a_product_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    """Products are read through h5py, which follows links as well."""
    (tmp_path / "inner").mkdir()
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["cube"] = np.zeros((3, 20, 24), "f4")
    with h5py.File(tmp_path / "inner" / name, "w") as file:
        file["reflectance"] = h5py.ExternalLink("../other.h5", "cube")
    refused(tmp_path / "inner" / name, "reflectance lies in another file")
