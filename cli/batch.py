"""`hsfuse batch`: fuse many pairs of files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from .config import config_option
from .help import GroupedCommand
from .interrupt import stop
from .options import json_option, pair_options, quiet_option, verbose_option
from .progress import Progress, Stages

__all__ = ["batch"]

_MOST_FAULTS = 100  # of a manifest that are printed


@click.command(cls=GroupedCommand, no_args_is_help=True, short_help="Fuse many pairs of images.")
@click.argument("manifest", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of the outputs, of their status and of the summary.",
)
@click.option(
    "--pair",
    "patterns",
    nargs=2,
    metavar="SCENES MS",
    help="Instead of MANIFEST: patterns of the files, with the same {names} in braces, such as "
    "'hs/{id}_hs.tif' 'ms/{id}_rgb.tif'; *, ? and ** are wildcards.",
)
@click.option(
    "--assets",
    nargs=2,
    metavar="SCENE MS",
    help="Keys of the assets of STAC items that are HS and MS image.  [default: by key or role]",
)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["tif", "zarr", "dat", "nc"]),
    default="tif",
    show_default=True,
    callback=lambda _context, _parameter, value: f".{value}",
    help="Format of the outputs that the manifest does not name.",
)
@click.option(
    "--memory",
    metavar="SIZE",
    help="Memory that all pairs together may take, such as 8GB, by estimate.  [default: three "
    "quarters of what is available]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Tiles fused in parallel, of all pairs together.  [default: one per core, two for a GPU]",
)
@pair_options
@config_option
@click.option(
    "--share-psf",
    is_flag=True,
    help="Where the width of the PSF is not known, estimate it from the first three pairs of each "
    "sensor couple, and give it to the other pairs.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace outputs of other inputs or options; what is finished as asked is left.",
)
@click.option(
    "--quicklook/--no-quicklook",
    default=True,
    show_default=True,
    help="Write a quicklook (OUT.png) of each pair; the record (OUT.json) is always written.",
)
@click.option(
    "--page/--no-page",
    default=True,
    show_default=True,
    help="Write a report (OUT.html) of each pair; DIR/index.html lists all pairs.",
)
@click.option("--dry-run", is_flag=True, help="List the plans of all pairs and write nothing.")
@json_option
@quiet_option
@verbose_option
def batch(
    manifest: Path | None,
    *,
    out: Path,
    patterns: tuple[str, str] | None,
    assets: tuple[str, str] | None,
    suffix: str,
    memory: str | None,
    share_psf: bool,
    quicklook: bool,
    page: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **choices: Any,
) -> None:
    """
    Fuse all pairs of MANIFEST, several at a time, each as `hsfuse run` does.

    MANIFEST is CSV or JSON lines with the columns scene and rgb; optionally out (in DIR), and
    options of `hsfuse run` such as hs_sensor or method; or a STAC ItemCollection. Paths count from
    its folder.

    The same command again goes on: what is finished with the same inputs and options is left, and
    what was interrupted is resumed. DIR/batch.jsonl has a line for every event, DIR/batch.csv the
    table of all pairs, and DIR/index.html shows it with links to the reports. The exit status is 1
    if any pair failed.

    \b
    Examples:
      hsfuse batch pairs.csv -o fused
      hsfuse batch --pair 'hs/{id}_hs.tif' 'ms/{id}_rgb.tif' -o fused \\
          --method guided
      hsfuse batch items.json -o fused --format zarr --memory 8GB
      hsfuse batch pairs.csv -o fused --dry-run
    """  # noqa: D301 - click reads the mark
    source = manifest or patterns
    if source is None or (manifest and patterns):
        raise click.UsageError("expected either MANIFEST or --pair.")
    with Stages("batch", hidden=quiet) as stage:
        stage("loading libraries", 0.0)
        from hsfuse.batch.run import execute_batch, plan_batch, prepare_batch
        from hsfuse.batch.text import describe_batch, summarise_batch, summarise_plans
        from hsfuse.fusion.settings import Settings

        stage("manifest", 0.5)
        with _faults_in_lines():
            prepared = prepare_batch(
                source,
                out,
                Settings(**choices),
                memory=memory,
                suffix=suffix,
                assets=assets,
                share_psf=share_psf,
            )
    if not (quiet or as_json):
        click.echo(describe_batch(prepared) + "\n")
    with _progress(len(prepared.pairs), prepared.limits.processes, hidden=quiet) as progress:
        try:
            execute = plan_batch if dry_run else execute_batch
            outcome = execute(prepared, quicklook=quicklook, page=page, progress=progress)
        except KeyboardInterrupt:
            stop()
    if as_json:
        from hsfuse.report.record import as_json as to_text

        click.echo(to_text(outcome.as_dict()))
    elif not quiet:
        click.echo(summarise_plans(outcome) if dry_run else summarise_batch(outcome))
    if outcome.failed:
        raise click.exceptions.Exit(1)


@contextmanager
def _faults_in_lines() -> Iterator[None]:
    """Print each fault of a manifest in a line."""
    from hsfuse.errors import ManifestError

    try:
        yield
    except ManifestError as error:
        for fault in error.faults[:_MOST_FAULTS]:
            click.echo(f"Error: {' '.join(fault.split())}", err=True)
        if (more := len(error.faults) - _MOST_FAULTS) > 0:
            click.echo(f"Error: and {more} more faults", err=True)
        raise click.exceptions.Exit(1) from None


def _progress(pairs: int, processes: int, *, hidden: bool) -> Progress:
    return Progress(
        pairs, item="pair", unit="pairs", closing="summary", parallel=processes, hidden=hidden
    )
