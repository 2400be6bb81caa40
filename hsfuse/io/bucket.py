"""
The connection to a bucket of an object store, or to a web server, and what its errors mean.

obstore is imported where there is a URL: it is an extra.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any

from hsfuse.errors import RasterError
from hsfuse.io.settings import NETWORK

__all__ = ["NETWORK_OPTIONS", "gdal_endpoint", "open_bucket", "translated"]

#: Of GDAL: what obstore does by itself. A user's own options, in the environment, take precedence.
NETWORK_OPTIONS = {
    "GDAL_HTTP_MAX_RETRY": str(NETWORK.retries),
    "GDAL_HTTP_RETRY_DELAY": str(NETWORK.retry_delay),
    "GDAL_HTTP_TIMEOUT": str(NETWORK.timeout),
    "GDAL_HTTP_CONNECTTIMEOUT": str(NETWORK.connect_timeout),
}

# Of an environment that holds credentials, or names where they come from without boto3.
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE")


@cache
def open_bucket(scheme: str, host: str, prefix: str = "") -> Any:
    """
    Return obstore's client of a bucket, or of a web server.

    Parameters
    ----------
    scheme, host : str
        Of a :class:`~hsfuse.io.url.Url`.
    prefix : str
        Of all keys.

    Raises
    ------
    RasterError
        If obstore is not installed, or no credentials are found.
    """
    name = f"{scheme}://{host}"
    try:
        from obstore import exceptions, store
    except ImportError as error:
        raise RasterError(
            f"{name}: URLs need the package obstore; pip install 'hsfuse[cloud]'"
        ) from error
    endpoint = _endpoint(os.environ) if scheme == "s3" else ""
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
    if scheme == "az" and (account := os.environ.get("AZURE_STORAGE_ACCOUNT")):
        options["account_name"] = account
    try:
        return store.from_url(f"{name}/{prefix}", **options)
    except (exceptions.BaseError, ValueError) as error:
        raise RasterError(f"{name}: cannot be opened ({_first_line(error)})") from error


def _s3_options(name: str, endpoint: str) -> dict[str, Any]:
    """Return endpoint, region and credentials, as AWS_* of boto3 or of GDAL name them."""
    found: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    if _is_true(os.environ.get("AWS_NO_SIGN_REQUEST", "")):  # GDAL's name
        return found | {"skip_signature": True}
    if any(key in os.environ for key in _CREDENTIALS):
        return found
    try:
        import boto3
    except ImportError:
        return found  # obstore asks the machine that it runs on
    session = boto3.Session()
    if session.get_credentials() is None:
        raise RasterError(
            f"{name}: no credentials; expected them in the environment (AWS_ACCESS_KEY_ID and "
            "others) or in ~/.aws, or AWS_NO_SIGN_REQUEST=YES for a public bucket"
        )
    if session.region_name:
        found["region"] = session.region_name
    from obstore.auth.boto3 import Boto3CredentialProvider

    return found | {"credential_provider": Boto3CredentialProvider(session)}


def gdal_endpoint(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return the options by which GDAL finds the S3 endpoint that other libraries are told.

    Examples
    --------
    >>> gdal_endpoint({"AWS_ENDPOINT_URL": "http://localhost:9000"})["AWS_S3_ENDPOINT"]
    'localhost:9000'
    """
    url = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL", "")
    if "AWS_S3_ENDPOINT" in environment or not url:
        return {}
    scheme, _, host = url.rstrip("/").rpartition("://")
    return {
        "AWS_S3_ENDPOINT": host,
        "AWS_HTTPS": "NO" if scheme == "http" else "YES",
        "AWS_VIRTUAL_HOSTING": environment.get("AWS_VIRTUAL_HOSTING", "FALSE"),
    }


def _endpoint(environment: Mapping[str, str]) -> str:
    """Return the URL of the S3 endpoint, as boto3 or GDAL is told; empty for that of AWS."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if environment.get(name):
            return environment[name]
    host = environment.get("AWS_S3_ENDPOINT", "")
    secure = environment.get("AWS_HTTPS", "YES").upper() not in ("NO", "FALSE", "OFF", "0")
    return f"{'https' if secure else 'http'}://{host}" if host else ""


def _is_true(text: str) -> bool:
    return text.upper() in ("YES", "TRUE", "ON", "1")


@contextmanager
def translated(name: str) -> Iterator[None]:
    """
    Turn errors of obstore into one line, that of an object that is not there excepted.

    Raises
    ------
    FileNotFoundError
        If there is no such object.
    RasterError
        If there is no such bucket, access is denied, or the store does not answer.
    """
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise RasterError(_no_bucket(name)) from error
        raise FileNotFoundError(f"{name}: no such object") from error
    except Exception as error:
        raise _meaning(name, error) from error


def _meaning(name: str, error: Exception) -> Exception:
    """Return what an error of obstore says to people; any other error as it is."""
    try:
        from obstore import exceptions
    except ImportError:  # pragma: no cover - nothing of it was called
        return error
    if not isinstance(error, exceptions.BaseError):
        return error
    text = str(error)
    if "NoSuchBucket" in text:
        return RasterError(_no_bucket(name))
    denied = isinstance(error, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError))
    if denied or "403 Forbidden" in text or "401 Unauthorized" in text:
        return RasterError(
            f"{name}: access is denied; expected credentials that may read it, and write it "
            "where it is an output"
        )
    return RasterError(f"{name}: the store does not answer as expected ({_first_line(error)})")


def _no_bucket(name: str) -> str:
    return f"{name}: there is no bucket {name.split('/')[2]}"


def _first_line(error: Exception) -> str:
    """Return what happened without the long account that obstore adds of it."""
    return " ".join(str(error).partition("\n")[0].split())
