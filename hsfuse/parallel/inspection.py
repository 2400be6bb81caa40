"""Inspection of dask workers: device, versions, and access to files."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hsfuse.errors import PlanError
from hsfuse.parallel.devices import pick_device

__all__ = ["WorkerReport", "compare_reports", "inspect_worker", "token_beside"]

# Path and content of a file, which verify that a worker accesses the same folder.
Token = tuple[str, str]


@dataclass(frozen=True)
class WorkerReport:
    """
    Report of a worker.

    Attributes
    ----------
    device : str
        ``cpu`` or ``cuda``; empty where it was not checked.
    versions : mapping of str to str
        Versions of the distributions; empty where one is not installed.
    sees_folder : bool
        Whether the token could be read and its folder is writable.
    absent : tuple of str
        Files that the worker cannot access.
    """

    device: str
    versions: Mapping[str, str]
    sees_folder: bool
    absent: tuple[str, ...]


def inspect_worker(
    device: str,
    token: Token | None,
    files: tuple[str, ...],
    libraries: tuple[str, ...],
    *,
    any_device: bool = False,
) -> WorkerReport:
    """
    Return the report of the process that runs this.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    token : tuple of str, optional
        From :func:`token_beside`.
    files : tuple of str
        Absolute paths.
    libraries : tuple of str
        Names of distributions.
    any_device : bool
        Do not check the device.
    """
    return WorkerReport(
        "" if any_device else pick_device(device),
        {name: _version(name) for name in libraries},
        token is None or _reads(*token),
        tuple(path for path in files if not os.path.exists(path)),
    )


@contextmanager
def token_beside(folder: Path | None) -> Iterator[Token | None]:
    """Create a temporary file with random content in a folder; yield None without a folder."""
    if folder is None:
        yield None
        return
    path, content = folder.absolute() / f".{uuid.uuid4().hex}.hsfuse", uuid.uuid4().hex
    try:
        path.write_text(content, encoding="ascii")
        yield str(path), content
    finally:
        path.unlink(missing_ok=True)


def compare_reports(
    reports: Mapping[str, WorkerReport], here: WorkerReport, folder: Path | None
) -> str:
    """
    Check that all workers can do the work of this process; return their device.

    Raises
    ------
    PlanError
        If a worker cannot, with the reason.
    """
    for address, report in reports.items():
        if not report.sees_folder:
            raise PlanError(
                f"dask worker {address} does not see the output's folder {folder} or may not "
                "write there; workers write the output themselves, so choose a folder on a "
                "file system that all of them share"
            )
        if report.absent:
            raise PlanError(
                f"dask worker {address} does not see the input {report.absent[0]}; workers read "
                "the inputs themselves, so these have to be on a file system that all of them share"
            )
        for name, wanted in here.versions.items():
            if report.versions[name] != wanted:
                raise PlanError(
                    f"dask worker {address} has {name} {report.versions[name] or 'not installed'}, "
                    f"expected {wanted} as here: other versions may give other pixels"
                )
    found = sorted({report.device for report in reports.values()})
    if len(found) > 1:
        raise PlanError(
            f"the dask workers have different devices, {' and '.join(found)}; "
            "choose one with `--device`"
        )
    return found[0]


def _reads(path: str, content: str) -> bool:
    try:
        seen = Path(path).read_text(encoding="ascii") == content
    except OSError:
        return False
    return seen and os.access(Path(path).parent, os.W_OK | os.X_OK)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
