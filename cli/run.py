"""`hsfuse run`: fuse one pair of files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from .config import CONFIG, config_option
from .help import GroupedCommand
from .interrupt import stop
from .options import FileOrUrl, json_option, quiet_option, run_options, verbose_option
from .progress import Progress, Stages
from .stac import Inputs, find_inputs, find_times, stac_options, stac_words

if TYPE_CHECKING:
    from hsfuse.fusion.job import Job, Outcome
    from hsfuse.fusion.settings import Settings
    from hsfuse.io.files.url import AnyPath
    from hsfuse.report.files import ReportPaths

__all__ = ["run"]


@click.command(
    cls=GroupedCommand,
    no_args_is_help=True,
    short_help="Fuse a hyperspectral (HS) and a multispectral (MS) image.",
)
@click.argument("scene", type=FileOrUrl())
@click.argument("rgb", type=FileOrUrl(), metavar="MS")
@click.option(
    "-o",
    "--out",
    type=FileOrUrl(),
    metavar="OUT",
    help="Output: .tif (cloud-optimised GeoTIFF), .zarr, .dat or .bsq (ENVI), .nc (netCDF).  "
    "[default: <scene>_fused.tif in the folder of SCENE]",
)
@run_options
@stac_options
@config_option
@click.option("--dry-run", is_flag=True, help="Show the plan and write nothing.")
@click.option(
    "--report/--no-report",
    default=True,
    show_default=True,
    help="Write a record (OUT.json), a quicklook (OUT.png) and a report (OUT.html) beside the "
    "output. A style for QGIS is written in any case, beside a file of three or more bands.",
)
@click.option(
    "--page/--no-page",
    default=True,
    show_default=True,
    help="Write the report (OUT.html): images, spectra, maps and quality, for a browser; "
    "without it record and quicklook alone.",
)
@json_option
@quiet_option
@verbose_option
def run(
    scene: AnyPath,
    rgb: AnyPath,
    out: AnyPath | None,
    *,
    dry_run: bool,
    report: bool,
    page: bool,
    assets: tuple[str, str] | None,
    stac_item: bool,
    when: str | None,
    as_json: bool,
    quiet: bool,
    **choices: Any,
) -> None:
    """
    Fuse the hyperspectral (HS) image SCENE with the high-resolution multispectral (MS) image MS.

    An RGB image is an MS image of three bands; options and columns call either rgb. The output has
    the bands of the HS image on the pixel grid of the MS image, cut to the overlap of both.

    Inputs are GeoTIFF, ENVI, zarr or products as their makers deliver them (EnMAP, PRISMA,
    EMIT, DESIS, Sentinel-2 and others), of any size. GeoTIFF, ENVI and zarr are also read by URL
    (s3://, gs://, az://, https://), and outputs are written to s3://, gs:// and az://. A STAC item
    (.json, or its URL) stands for the image that it holds.

    \b
    Examples:
      hsfuse run scene.tif rgb.tif
      hsfuse run enmap.bsq s2.tif -o out.zarr --hs-sensor enmap \\
          --rgb-sensor sentinel-2a
      hsfuse run ENMAP01-____L2A-.../ S2A_MSIL2A_....SAFE -o out.tif
      hsfuse run s3://bucket/scene.tif s3://bucket/rgb.tif -o s3://bucket/out.zarr
      hsfuse run scene.tif rgb.tif --dry-run
      hsfuse run scene.tif rgb.tif --dtype int16 --scale 0.0001 \\
          --co COMPRESS=DEFLATE
    """  # noqa: D301 - click reads the mark
    from hsfuse.fusion.settings import Settings, check_weights

    settings = Settings(**choices)  # raises for invalid values before an input is opened
    check_weights(settings)
    inputs = find_inputs(scene, rgb, assets)
    times = find_times(when, inputs) if stac_item else None
    files = _files(inputs)
    from hsfuse.fusion.output import find_output

    find_output(  # before an input is opened
        inputs.scene, out, settings, inputs=[*settings.files, *files, *inputs[:2]], dry_run=dry_run
    )
    verbose = not (quiet or as_json)
    if verbose:
        click.echo(_describe_inputs(inputs, settings))
    job = _plan(inputs, out, settings, files=files, dry_run=dry_run, quiet=quiet)
    from hsfuse.report.cost import report_cost, report_files
    from hsfuse.report.record import as_json as to_text
    from hsfuse.report.record import outcome_as_dict, plan_as_dict
    from hsfuse.report.text import describe_plan, summarise

    if times is not None:
        from hsfuse.report.stac import check_footprint, write_item

        check_footprint(job.plan.pair.rgb)  # before it is fused
        job = replace(job, words=stac_words(times))
    parts = report_files(picture=report, page=report and page)
    if dry_run:
        click.echo(
            to_text(plan_as_dict(job) | {"report": report_cost(job, parts)._asdict()})
            if as_json
            else describe_plan(job, inputs=quiet, files=parts)
        )
        return
    if verbose:
        click.echo(describe_plan(job, inputs=False, files=parts) + "\n")
    outcome = _fuse(job, quiet=quiet)
    paths = _write_report(outcome, page=page, quiet=quiet) if report else None
    item = None if times is None else write_item(outcome, times)
    if as_json:
        click.echo(to_text(outcome_as_dict(outcome)))
    elif not quiet:
        click.echo(summarise(outcome, paths))
        click.echo("" if item is None else f"STAC item       {item}\n", nl=False)


def _describe_inputs(inputs: Inputs, settings: Settings) -> str:
    """Return both inputs, before the numerical libraries are imported, which takes seconds."""
    with Stages("inputs") as stage:
        stage("metadata", 0.0)
        from hsfuse.report.inputs import PartOfPair, describe_inputs

        return describe_inputs(
            inputs.scene,
            inputs.rgb,
            sensors=(settings.hs_sensor, settings.rgb_sensor),
            masks=(settings.hs_mask, settings.rgb_mask),
            part=PartOfPair(*(getattr(settings, name) for name in PartOfPair._fields)),
        )


def _files(inputs: Inputs) -> list[AnyPath | str]:
    """Return the files that are given, with the configuration: the output must not replace them."""
    config = click.get_current_context().meta.get(CONFIG)
    return [*inputs.given, *([] if config is None else [config])]


def _plan(
    inputs: Inputs,
    out: AnyPath | None,
    settings: Settings,
    *,
    files: list[AnyPath | str],
    dry_run: bool,
    quiet: bool,
) -> Job:
    with Stages("planning", hidden=quiet) as stage:
        stage("loading libraries", 0.0)
        from hsfuse.fusion.run import prepare

        job = prepare(
            inputs.scene, inputs.rgb, out, settings, dry_run=dry_run, stage=stage, inputs=files
        )
    return replace(job, config=click.get_current_context().meta.get(CONFIG))


def _fuse(job: Job, *, quiet: bool) -> Outcome:
    from hsfuse.fusion.run import execute

    _, rows, columns = job.plan.shape
    expected = job.expected
    try:
        with Progress(
            rows * columns,
            item="tile" if job.plan.fuser.local_models is None else "step",
            expected=None if expected is None else expected.conditioning + expected.fusing,
            parallel=job.workers,
            hidden=quiet,
        ) as progress:
            return execute(job, progress=progress, stage=progress.close_with)
    except KeyboardInterrupt:
        stop("--resume")


def _write_report(outcome: Outcome, *, page: bool, quiet: bool) -> ReportPaths:
    with Stages("report", hidden=quiet) as stage:
        stage("record, quicklook and report" if page else "record and quicklook", 0.0)
        from hsfuse.report.files import write_report

        return write_report(outcome, page=page)
