"""Path of the output of a run, checked before an input is opened; imports no numerical library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from hsfuse.fusion.settings import PathLike, Settings
from hsfuse.io.files.url import AnyPath, as_path
from hsfuse.io.output.creation import check_partial, local_path
from hsfuse.io.output.destination import check_output, default_output
from hsfuse.io.output.formats import find_format
from hsfuse.io.output.leftover import find_leftover

__all__ = ["Output", "check_path", "find_output"]


class Output(NamedTuple):
    """
    The output of a run.

    Attributes
    ----------
    path : Path or Url
        Where it is written.
    leftover : bool
        Whether a resumed run was stopped after its output had got this name.
    """

    path: AnyPath
    leftover: bool


def find_output(
    scene: AnyPath,
    out: PathLike | None,
    settings: Settings,
    *,
    inputs: Sequence[PathLike] = (),
    dry_run: bool = False,
) -> Output:
    """
    Return the output of a run after the checks that need no input.

    Parameters
    ----------
    scene : Path or Url
        The HS image, after which an output without a name is called.
    out : str or path, optional
        The output.
    settings : Settings
        Settings of the run.
    inputs : sequence of str or path
        All files that are read, which it must not replace.
    dry_run : bool
        Plan only: it may exist.

    Raises
    ------
    OutputError, PlanError
        If it cannot be written, exists already, or the options are not those of its format.
    """
    path = as_path(out) if out else default_output(scene)
    leftover = settings.resume and find_leftover(path)
    replacing = replace(settings, overwrite=settings.overwrite or leftover)
    return Output(check_path(path, replacing, inputs=inputs, dry_run=dry_run), leftover)


def check_path(
    path: AnyPath, settings: Settings, *, inputs: Sequence[PathLike] = (), dry_run: bool = False
) -> AnyPath:
    """Check path and options of an output; see :func:`find_output`."""
    overwrite = settings.overwrite or dry_run  # a dry run writes nothing
    path = check_output(path, overwrite=overwrite, inputs=inputs)
    find_format(path).check_options(settings.creation_options, settings.likely_dtype)
    local = local_path(path, settings.temporary)
    check_partial(local, overwrite=overwrite, resume=settings.resume)
    return path
