"""Outputs and inputs on Azure Blob Storage and Google Cloud Storage, at emulators of both."""

import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from urllib.request import Request, urlopen

import dask.array
import numpy as np
import pytest
import xarray as xr
from object_server import serving
from raster_files import cube

from hsfuse.errors import OutputError, RasterError
from hsfuse.io.files.cloud_environment import gdal_options, store_options
from hsfuse.io.files.url import as_path
from hsfuse.io.read import open_raster
from hsfuse.io.settings import NETWORK
from hsfuse.io.write import write_raster

BUCKET = "scenes"
# Azurite is an npm package; its account and key are the same everywhere.
AZURITE = "azurite-blob"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture(scope="module", params=["az", "gs"])
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of an empty container or bucket, to which the environment leads."""
    if request.param == "az" and shutil.which(AZURITE) is None:
        pytest.skip(f"{AZURITE} is not installed (npm install --global azurite)")
    emulator = azure() if request.param == "az" else google()
    with emulator as variables, pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(name, value)
        environment.setenv("GDAL_HTTP_RETRY_DELAY", "0.05")
        environment.setattr("hsfuse.io.files.bucket.NETWORK", replace(NETWORK, retry_delay=0.05))
        yield f"{request.param}://{BUCKET}"


@contextmanager
def google() -> Iterator[dict[str, str]]:
    """Serve the XML interface of Google Cloud Storage, which is that of S3 for these requests."""
    with serving() as served:
        public = {"x-amz-acl": "public-read-write"}
        urlopen(Request(f"{served.address}/{BUCKET}", method="PUT", headers=public)).close()
        yield {"STORAGE_EMULATOR_HOST": served.address}


@contextmanager
def azure() -> Iterator[dict[str, str]]:
    """Serve Azure Blob Storage."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [AZURITE, "--blobPort", str(port), "--inMemoryPersistence", "--disableTelemetry"]
    command += ["--silent", "--skipApiVersionCheck"]
    address = f"http://127.0.0.1:{port}/{ACCOUNT}"
    fields = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={address};"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        create_container(address)
        yield {"AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;{fields}"}
    finally:
        process.kill()
        process.wait()


def create_container(address: str) -> None:
    """Create the container as soon as the server answers; by Azure's own interface alone."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    signed = "".join(f"{name}:{value}\n" for name, value in headers.items())
    resource = f"/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
    text = f"PUT\n\n\n\n\n\n\n\n\n\n\n\n{signed}{resource}".encode()
    signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), text, hashlib.sha256)).decode()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{signature}"
    headers["Content-Length"] = "0"
    url = f"{address}/{BUCKET}?restype=container"
    for attempt in range(100):
        try:
            urlopen(Request(url, method="PUT", headers=headers)).close()
        except OSError:
            if attempt == 99:
                raise
            time.sleep(0.1)
        else:
            return


def raster(value: float = 0.0) -> xr.DataArray:
    values = np.random.default_rng(0).random((3, 48, 32), dtype=np.float32) + np.float32(value)
    return cube(dask.array.from_array(values, chunks=(3, 48, 32)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_what_is_written_is_read_back(
    place: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zarr by obstore, GeoTIFF uploaded and read by GDAL; replaced only where that is asked for."""
    monkeypatch.chdir(tmp_path)
    out = f"{place}/round/{name}"
    write_raster(raster(), out)
    np.testing.assert_array_equal(open_raster(out).values, raster().values)
    with pytest.raises(OutputError, match="exists already"):
        write_raster(raster(1), out)
    write_raster(raster(1), out, overwrite=True)
    np.testing.assert_array_equal(open_raster(out).values, raster(1).values)


@pytest.mark.slow
def test_what_is_missing_is_named(place: str) -> None:
    """An object, and the container or bucket."""
    with pytest.raises(RasterError, match="no such object"):
        open_raster(f"{place}/none.tif")
    scheme = place.partition(":")[0]
    with pytest.raises(RasterError, match="there is no bucket nowhere"):
        open_raster(f"{scheme}://nowhere/none.zarr")


def test_either_library_finds_what_is_set_for_the_other() -> None:
    """By the names of Azure's tools, of Google's, of GDAL and of obstore."""
    of_gdal = {"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_ACCESS_KEY": "k"}
    of_obstore = {"AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_STORAGE_ACCOUNT_KEY": "k"}
    for names in (of_gdal, of_obstore):
        assert store_options("az", names) == {"account_name": "a", "account_key": "k"}
    assert gdal_options("az", of_gdal) == {}
    assert gdal_options("az", of_obstore) == of_gdal
    text = "BlobEndpoint=http://localhost:1/a;SharedAccessSignature=sv=2&sig=x%3D"
    shared = store_options("az", {"AZURE_STORAGE_CONNECTION_STRING": text})
    assert shared["sas_token"] == "sv=2&sig=x%3D"
    assert shared["client_options"] == {"allow_http": True}
    assert store_options("gs", {"GS_NO_SIGN_REQUEST": "YES"}) == {"skip_signature": True}
    assert gdal_options("gs", {"GOOGLE_SKIP_SIGNATURE": "true"}) == {"GS_NO_SIGN_REQUEST": "true"}
    emulator = {"STORAGE_EMULATOR_HOST": "localhost:9"}
    assert gdal_options("gs", emulator)["CPL_GS_ENDPOINT"] == "http://localhost:9/"
    assert "http://localhost:9" in store_options("gs", emulator)["service_account_key"]


@pytest.mark.parametrize(
    ("endpoint", "account"),
    [
        ("https://alpha.blob.core.windows.net/", "alpha"),
        ("https://alpha.z01.blob.storage.azure.net", "alpha"),
        ("http://127.0.0.1:10000/alpha", "alpha"),
        ("http://localhost:10000/alpha/", "alpha"),
        ("https://images.example.org/", "beta"),
    ],
)
def test_the_account_of_a_shared_access_signature_is_that_of_the_endpoint(
    endpoint: str, account: str
) -> None:
    """In the host, or the path of an emulator; a domain of one's own names none."""
    text = f"BlobEndpoint={endpoint};QueueEndpoint=https://q/;SharedAccessSignature=sv=2&sig=x%3D"
    names = {"AZURE_STORAGE_CONNECTION_STRING": text, "AZURE_STORAGE_ACCOUNT": "beta"}
    options = store_options("az", names)
    assert (options["account_name"], options["endpoint"]) == (account, endpoint.rstrip("/"))


def test_a_missing_account_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line that says what to set."""
    for name in ("CONNECTION_STRING", "ACCOUNT", "ACCOUNT_NAME"):
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)
    with pytest.raises(RasterError, match="az://none: no storage account; expected AZURE"):
        as_path("az://none/scene.tif").exists()
