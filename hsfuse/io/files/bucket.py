"""
Client of a bucket of an object store or of a web server, and translation of its errors.

obstore is an optional dependency, imported only when a URL is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any

from hsfuse.errors import RasterError
from hsfuse.io.files.cloud_environment import is_true, s3_endpoint, store_options
from hsfuse.io.settings import NETWORK

__all__ = ["NETWORK_OPTIONS", "entity_tag", "open_bucket", "translate_errors"]

#: GDAL options with the retries and timeouts of obstore. Environment variables take precedence.
NETWORK_OPTIONS = {
    "GDAL_HTTP_MAX_RETRY": str(NETWORK.retries),
    "GDAL_HTTP_RETRY_DELAY": str(NETWORK.retry_delay),
    "GDAL_HTTP_TIMEOUT": str(NETWORK.timeout),
    "GDAL_HTTP_CONNECTTIMEOUT": str(NETWORK.connect_timeout),
}

# Environment variables by which obstore finds credentials without boto3.
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE")


# Environment variables that say where an object store is and who may read it.
_STORE_VARIABLES = ("AWS_", "AZURE_", "GOOGLE_", "GS_", "STORAGE_EMULATOR_HOST")


def open_bucket(scheme: str, host: str, prefix: str = "") -> Any:
    """
    Return the obstore client of a bucket or web server, the same while the environment is the same.

    Parameters
    ----------
    scheme, host : str
        As in :class:`~hsfuse.io.files.url.Url`.
    prefix : str
        Prefix of all keys.

    Raises
    ------
    RasterError
        If obstore is not installed, or no credentials are found.
    """
    relevant = (pair for pair in os.environ.items() if pair[0].startswith(_STORE_VARIABLES))
    return _client(scheme, host, prefix, tuple(sorted(relevant)))


@cache
def _client(scheme: str, host: str, prefix: str, environment: tuple[tuple[str, str], ...]) -> Any:
    """Return the client for an environment, which distinguishes the clients in the cache."""
    del environment  # boto3 and obstore read it themselves
    name = f"{scheme}://{host}"
    try:
        from obstore import exceptions, store
    except ImportError as error:
        raise RasterError(
            f"{name}: URLs need the package obstore; pip install 'hsfuse[cloud]'"
        ) from error
    endpoint = s3_endpoint(os.environ) if scheme == "s3" else ""
    options: dict[str, Any] = {
        "client_options": {
            "timeout": timedelta(seconds=NETWORK.timeout),
            "connect_timeout": timedelta(seconds=NETWORK.connect_timeout),
            "allow_http": (endpoint or name).startswith("http://"),
        },
        "retry_config": {
            "max_retries": NETWORK.retries,
            "retry_timeout": timedelta(seconds=NETWORK.retry_timeout),
            "backoff": {"init_backoff": timedelta(seconds=NETWORK.retry_delay)},
        },
    }
    if scheme == "s3":
        options |= _s3_options(name, endpoint)
    own = store_options(scheme, os.environ)
    options["client_options"] |= own.pop("client_options", {})
    options |= own
    if scheme == "az" and "account_name" not in options:
        raise RasterError(
            f"{name}: no storage account; expected AZURE_STORAGE_CONNECTION_STRING, or "
            "AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_ACCESS_KEY, AZURE_STORAGE_SAS_TOKEN or "
            "AZURE_NO_SIGN_REQUEST=YES"
        )
    try:
        return store.from_url(f"{name}/{prefix}", **options)
    except (exceptions.BaseError, ValueError) as error:
        raise RasterError(f"{name}: cannot be opened ({_first_line(error)})") from error


def entity_tag(tag: str | None) -> str:
    """
    Return the entity tag of an object without quotation marks.

    Azure returns tags with quotation marks when an object is written, without them in a listing.

    Examples
    --------
    >>> entity_tag('"0x8DC"') == entity_tag("0x8DC")
    True
    """
    return (tag or "").removeprefix("W/").strip('"')


def _s3_options(name: str, endpoint: str) -> dict[str, Any]:
    """Return endpoint, region and credentials from the AWS_* variables of boto3 and GDAL."""
    options: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    if is_true(os.environ.get("AWS_NO_SIGN_REQUEST", "")):  # GDAL's name
        return options | {"skip_signature": True}
    if any(key in os.environ for key in _CREDENTIALS):
        return options
    try:
        import boto3
    except ImportError:
        return options  # obstore then queries the instance metadata service
    session = boto3.Session()
    if session.get_credentials() is None:
        raise RasterError(
            f"{name}: no credentials; expected them in the environment (AWS_ACCESS_KEY_ID and "
            "others) or in ~/.aws, or AWS_NO_SIGN_REQUEST=YES for a public bucket"
        )
    if session.region_name:
        options["region"] = session.region_name
    from obstore.auth.boto3 import Boto3CredentialProvider

    return options | {"credential_provider": Boto3CredentialProvider(session)}


@contextmanager
def translate_errors(name: str) -> Iterator[None]:
    """
    Convert errors of obstore to RasterError with a one-line message, or FileNotFoundError.

    Raises
    ------
    FileNotFoundError
        If the object does not exist.
    RasterError
        If the bucket does not exist, access is denied, or the store does not answer.
    """
    try:
        yield
    except FileNotFoundError as error:
        if _is_bucket_missing(str(error)):
            raise RasterError(_no_bucket(name)) from error
        raise FileNotFoundError(f"{name}: no such object") from error
    except Exception as error:
        raise _translate(name, error) from error


def _translate(name: str, error: Exception) -> Exception:
    """Return the RasterError for an error of obstore; any other error unchanged."""
    try:
        from obstore import exceptions
    except ImportError:  # pragma: no cover - then the error is not one of obstore
        return error
    if not isinstance(error, exceptions.BaseError):
        return error
    text = str(error)
    if _is_bucket_missing(text):
        return RasterError(_no_bucket(name))
    denied = isinstance(error, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError))
    if denied or "403 Forbidden" in text or "401 Unauthorized" in text:
        return RasterError(
            f"{name}: access is denied; expected credentials that may read it, and write it "
            "where it is an output"
        )
    return RasterError(f"{name}: the store does not answer as expected ({_first_line(error)})")


def _is_bucket_missing(text: str) -> bool:
    """Return whether a server says that there is no such bucket, or container of Azure."""
    return "NoSuchBucket" in text or "ContainerNotFound" in text


def _no_bucket(name: str) -> str:
    return f"{name}: there is no bucket {name.split('/')[2]}"


def _first_line(error: Exception) -> str:
    """Return the first line of the message; obstore appends the request log."""
    return " ".join(str(error).partition("\n")[0].split())
