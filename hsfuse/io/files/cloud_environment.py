"""
Endpoints and credentials of object stores from environment variables, for obstore and GDAL.

The tools of AWS, Azure and Google, GDAL and obstore use different names; any of these serves both
libraries. The functions take the environment variables as a mapping.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ["gdal_options", "is_true", "s3_endpoint", "store_options"]

# In order of precedence: the names of Azure's tools, of GDAL and of obstore.
_AZURE_ACCOUNT = ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")
_AZURE_KEY = ("AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY")
_AZURE_UNSIGNED = ("AZURE_NO_SIGN_REQUEST", "AZURE_SKIP_SIGNATURE")
_GOOGLE_UNSIGNED = ("GS_NO_SIGN_REQUEST", "GOOGLE_SKIP_SIGNATURE")


def store_options(scheme: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """
    Return the options of obstore that it does not read from the environment itself.

    Parameters
    ----------
    scheme : str
        Scheme of the URL; there are options for ``az`` and ``gs`` only.
    environment : mapping of str to str

    Examples
    --------
    >>> store_options("gs", {"GS_NO_SIGN_REQUEST": "YES"})
    {'skip_signature': True}
    >>> store_options("az", {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=b=="})
    {'account_name': 'a', 'account_key': 'b=='}
    """
    if scheme == "az":
        return _azure_options(environment)
    if scheme == "gs":
        return _google_options(environment)
    return {}


def _azure_options(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return account and credentials of Azure Blob Storage."""
    connection = _connection_string(environment.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    endpoint = connection.get("BlobEndpoint", "").rstrip("/")  # obstore would double the slash
    account = connection.get("AccountName") or _azure_account(endpoint)
    values = {
        "account_name": account or _first(environment, _AZURE_ACCOUNT),
        "account_key": connection.get("AccountKey") or _first(environment, _AZURE_KEY),
        "sas_token": connection.get("SharedAccessSignature"),
        "endpoint": endpoint,
    }
    options: dict[str, Any] = {name: value for name, value in values.items() if value}
    if options.get("endpoint", "").startswith("http://"):
        options["client_options"] = {"allow_http": True}
    if is_true(_first(environment, _AZURE_UNSIGNED)):
        options["skip_signature"] = True
    return options


def _azure_account(endpoint: str) -> str:
    """
    Return the storage account in the URL of a blob service; empty where the URL has none.

    A connection string with a shared access signature states the account only there: in the host,
    ``https://ACCOUNT.blob.core.windows.net``, or for an emulator and other servers in the path,
    ``http://127.0.0.1:10000/ACCOUNT``.
    """
    url = urlsplit(endpoint)
    if path := url.path.strip("/"):
        return path.partition("/")[0]
    host = url.hostname or ""
    return host.partition(".")[0] if ".blob." in host else ""


def _connection_string(text: str) -> dict[str, str]:
    """Return the fields of an Azure Storage connection string, ``Name=value;...``."""
    return dict(part.strip().split("=", 1) for part in text.split(";") if "=" in part)


def _google_options(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of Google Cloud Storage, or of an emulator of it."""
    if emulator := _google_emulator(environment):
        # obstore accepts the address of a server only as a part of the credentials.
        key = {"gcs_base_url": emulator, "disable_oauth": True, "client_email": ""}
        key |= {"private_key": "", "private_key_id": ""}
        return {
            "service_account_key": json.dumps(key),
            "client_options": {"allow_http": emulator.startswith("http://")},
        }
    return {"skip_signature": True} if is_true(_first(environment, _GOOGLE_UNSIGNED)) else {}


def _google_emulator(environment: Mapping[str, str]) -> str:
    """Return the URL of an emulator of Google Cloud Storage; empty for Google's own server."""
    host = environment.get("STORAGE_EMULATOR_HOST", "").rstrip("/")
    return host if "://" in host or not host else f"http://{host}"


def gdal_options(scheme: str, environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return the GDAL options for variables that are set under the names of other libraries.

    Variables with GDAL's own names are omitted: GDAL reads these itself.

    Examples
    --------
    >>> gdal_options("s3", {"AWS_ENDPOINT_URL": "http://localhost:9000"})["AWS_S3_ENDPOINT"]
    'localhost:9000'
    >>> gdal_options("az", {"AZURE_STORAGE_ACCOUNT_NAME": "a"})
    {'AZURE_STORAGE_ACCOUNT': 'a'}
    """
    options: dict[str, str] = {}
    if scheme == "s3":
        options = _gdal_s3(environment)
    elif scheme == "az" and not environment.get("AZURE_STORAGE_CONNECTION_STRING"):
        options = {
            names[0]: _first(environment, names)
            for names in (_AZURE_ACCOUNT, _AZURE_KEY, _AZURE_UNSIGNED)
        }
    elif scheme == "gs" and (emulator := _google_emulator(environment)):
        options = {"CPL_GS_ENDPOINT": f"{emulator}/", "GS_NO_SIGN_REQUEST": "YES"}
    elif scheme == "gs":
        options = {_GOOGLE_UNSIGNED[0]: _first(environment, _GOOGLE_UNSIGNED)}
    return {name: value for name, value in options.items() if value and name not in environment}


def _gdal_s3(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the GDAL options of the S3 endpoint."""
    url = _aws_endpoint_url(environment)
    if "AWS_S3_ENDPOINT" in environment or not url:
        return {}
    scheme, _, host = url.rstrip("/").rpartition("://")
    return {
        "AWS_S3_ENDPOINT": host,
        "AWS_HTTPS": "NO" if scheme == "http" else "YES",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }


def s3_endpoint(environment: Mapping[str, str]) -> str:
    """Return the URL of the S3 endpoint set for boto3 or GDAL; empty for the default of AWS."""
    if url := _aws_endpoint_url(environment):
        return url
    host = environment.get("AWS_S3_ENDPOINT", "")
    secure = environment.get("AWS_HTTPS", "YES").upper() not in ("NO", "FALSE", "OFF", "0")
    return f"{'https' if secure else 'http'}://{host}" if host else ""


def _aws_endpoint_url(environment: Mapping[str, str]) -> str:
    """Return the URL of the S3 endpoint from the variables of the AWS tools."""
    return _first(environment, ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    """Return the first of some variables that is set and not empty; otherwise an empty string."""
    return next((value for name in names if (value := environment.get(name))), "")


def is_true(text: str) -> bool:
    """Return whether the value of an option of GDAL or obstore is true."""
    return text.upper() in ("YES", "TRUE", "ON", "1")
