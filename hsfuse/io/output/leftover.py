"""
What a run left beside its output that was stopped after the output got its final name.

Of a file the chunks are still in the partial folder, and it is exported again to the same bytes; a
zarr store itself was moved, and is moved back.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from hsfuse.errors import OutputError
from hsfuse.io.files.replacement import remove_folder
from hsfuse.io.files.url import AnyPath, Url
from hsfuse.io.output.journal import Journal, PartialOutput
from hsfuse.io.output.provenance import read_provenance

__all__ = ["find_leftover", "remove_leftover", "remove_partial", "take_back"]


def find_leftover(path: AnyPath) -> bool:
    """
    Return whether an output exists, and so does the partial folder of the same plan.

    Parameters
    ----------
    path : Path or Url
        The output; at a URL nothing is moved, and nothing found.
    """
    if not (isinstance(path, Path) and path.exists()):
        return False
    plan = PartialOutput(path).read_plan()
    return "plan" in plan and bool(plan["plan"] == read_provenance(path).get("plan"))


def take_back(path: AnyPath) -> None:
    """
    Move a zarr store back to its partial folder, from which a resumed run goes on.

    Parameters
    ----------
    path : Path or Url
        As for :func:`find_leftover`.
    """
    root = PartialOutput(path).root
    if isinstance(path, Path) and isinstance(root, Path) and path.is_dir() and not root.exists():
        path.rename(root)


def remove_leftover(path: AnyPath) -> None:
    """Remove the partial folder beside a finished output of the same plan, unless a run uses it."""
    if not find_leftover(path):
        return
    with suppress(OutputError):  # another run has locked it
        remove_partial(Journal(PartialOutput(path), owned=False))


def remove_partial(journal: Journal) -> None:
    """
    Remove a partial output and close its journal, which locks it until then.

    The plan is removed last: until then a killed run is found as a leftover.
    """
    output = journal.output
    if isinstance(output.partial, Url):
        remove_folder(output.partial)
        return
    if os.name == "nt":  # pragma: no cover - Windows does not remove an open file
        journal.close()
    for folder in (output.root, output.models):
        if isinstance(folder, Path) and folder.exists():
            shutil.rmtree(folder)
    for file in (output.journal, output.plan):
        file.unlink(missing_ok=True)
    with suppress(OSError):  # another run may begin there, now that there is no journal
        output.partial.rmdir()
    journal.close()  # last: to close a removed file takes time, in which the run may be killed
