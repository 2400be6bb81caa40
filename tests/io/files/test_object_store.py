"""Inputs and outputs in a real S3-compatible store, which refuses requests now and then."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import dask.array
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from click.testing import CliRunner
from hsfuse.cli.main import main
from object_server import Served, serving
from raster_files import cube, write_tiff
from runs import Stopped, chunk_files, new_store, stop_after

import hsfuse
from hsfuse.errors import OutputError, RasterError
from hsfuse.io.files.url import AnyPath, Url, as_path
from hsfuse.io.output.journal import Journal
from hsfuse.io.read import open_raster
from hsfuse.io.settings import NETWORK
from hsfuse.io.write import (
    Block,
    OutputLayout,
    Receipt,
    blocks,
    check_partial,
    count_partial,
    create_store,
    local_path,
    write_blocks,
    write_raster,
)

BUCKET = "scenes"
PLACE = Affine(10.0, 0.0, 400000.0, 0.0, -10.0, 5800000.0)


@pytest.fixture(scope="module")
def store() -> Iterator[Served]:
    """Return a store with an empty bucket, to which the environment leads."""
    with serving() as served, pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_PROFILE", "AWS_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3"):
            environment.delenv(name, raising=False)
        environment.setenv("AWS_ACCESS_KEY_ID", "id")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        environment.setenv("AWS_REGION", "us-east-1")
        environment.setenv("AWS_ENDPOINT_URL", served.address)
        environment.setenv("GDAL_HTTP_RETRY_DELAY", "0.05")
        environment.setattr("hsfuse.io.files.bucket.NETWORK", replace(NETWORK, retry_delay=0.05))
        create_bucket(BUCKET)
        yield served


def create_bucket(name: str) -> None:
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=name)


def delete_bucket(name: str) -> None:
    boto3.client("s3", region_name="us-east-1").delete_bucket(Bucket=name)


def upload(source: Path, name: str) -> str:
    """Copy a file or folder into the bucket, and return its URL."""
    url = as_path(f"s3://{BUCKET}/{name}")
    assert isinstance(url, Url)
    for file in [source] if source.is_file() else source.rglob("*"):
        if file.is_file():
            at = url if source.is_file() else url / file.relative_to(source).as_posix()
            at.write_bytes(file.read_bytes())
    return str(url)


def objects(url: str) -> dict[str, bytes]:
    """Return every object in a folder by its name."""
    top = as_path(url)
    assert isinstance(top, Url)
    return {each.key.removeprefix(f"{top.key}/"): each.read_bytes() for each in top.objects()}


def raster(value: float = 0.0) -> xr.DataArray:
    """Return a small array with a corner without data."""
    values = np.random.default_rng(0).random((3, 48, 32), dtype=np.float32) + np.float32(value)
    values[:, :16, :16] = np.nan
    return cube(dask.array.from_array(values, chunks=(3, 48, 32)))


def chunks_of(made: dict[str, bytes]) -> dict[str, bytes]:
    """Return the chunks of the cube among the objects of a store."""
    return {name: content for name, content in made.items() if name.startswith("cube/c/")}


def write_in_blocks(
    out: str | Path,
    *,
    plan_hash: str = "plan",
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
    temporary: Path | None = None,
) -> AnyPath:
    """Write six blocks, the first without data."""
    values = raster().values
    layout = OutputLayout.of(raster())
    layout = replace(layout, chunk=(3, 16, 16))
    path = as_path(out)
    check_partial(local_path(path, temporary), resume=resume)
    store, journal = create_store(
        path, layout, plan_hash=plan_hash, resume=resume, temporary=temporary
    )

    def write_block(block: Block) -> Receipt:
        rows = slice(block.row, block.row + block.rows)
        columns = slice(block.column, block.column + block.columns)
        return store.write(block.row, block.column, values[:, rows, columns])

    return write_blocks(store, journal, blocks(layout, 16), write_block, progress=progress).path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with scene.tif and rgb.tif."""
    folder = tmp_path_factory.mktemp("pair")
    random = np.random.default_rng(1)
    fine = np.cumsum(random.random((3, 80, 80)), axis=2).astype(np.float32)
    mixed = np.tensordot(random.random((5, 3)), fine, 1).astype(np.float32)
    coarse = mixed.reshape(5, 20, 4, 20, 4).mean(axis=(2, 4))
    write_tiff(folder / "scene.tif", coarse, transform=PLACE @ Affine.scale(4.0))
    write_tiff(folder / "rgb.tif", fine, transform=PLACE)
    write_raster(open_raster(folder / "scene.tif"), folder / "scene.zarr")
    return folder


@pytest.mark.slow
def test_a_run_in_a_store_that_refuses_requests_has_the_same_bits(
    store: Served, pair: Path, tmp_path: Path
) -> None:
    """From GeoTIFF and zarr inputs by URL, with every fifth request answered by 503."""
    local = hsfuse.run(
        pair / "scene.tif", pair / "rgb.tif", tmp_path / "out.zarr", method="bicubic", align=False
    )
    scene, rgb = (
        upload(pair / "scene.zarr", "in/scene.zarr"),
        upload(pair / "rgb.tif", "in/rgb.tif"),
    )
    mask = upload(
        write_tiff(tmp_path / "mask.tif", np.ones((1, 80, 80), np.uint8), transform=PLACE),
        "in/mask.tif",
    )
    out = f"s3://{BUCKET}/run/out.zarr"
    store.counts(refuse_every=5)
    arguments = ["--method", "bicubic", "--no-align", "--rgb-mask", mask, "-q"]
    result = CliRunner().invoke(main, ["run", scene, rgb, "-o", out, *arguments])
    counts = store.counts()
    assert result.exit_code == 0, result.output
    assert counts.refused > 10
    made = objects(out)
    assert chunks_of(made) == chunk_files(Path(local.path))
    xr.testing.assert_equal(open_raster(out), open_raster(local.path))
    record = json.loads(objects(f"s3://{BUCKET}/run")["out.zarr.json"])
    assert record["result"]["blocks"] == local.blocks
    assert record["scene"]["path"] == scene


@pytest.mark.slow
def test_a_stopped_output_goes_on_with_the_same_bits(store: Served, tmp_path: Path) -> None:
    """Finished blocks are kept but for one whose object is not what was written."""
    out = f"s3://{BUCKET}/stopped/out.zarr"
    with pytest.raises(Stopped):
        write_in_blocks(out, progress=stop_after(3))
    with pytest.raises(OutputError, match="an interrupted run left 3 finished tiles; pass `res"):
        write_in_blocks(out)
    with pytest.raises(OutputError, match="other inputs, options or versions"):
        write_in_blocks(out, plan_hash="other", resume=True)
    (as_path(out) / "cube/c/0/0/1").write_bytes(b"other")
    counted: list[int] = []
    write_in_blocks(out, resume=True, progress=lambda finished, _: counted.append(finished))
    assert counted == [3, 4, 5, 6]  # two of the three were kept
    write_in_blocks(tmp_path / "out.zarr")
    made = objects(out)
    assert chunks_of(made) == chunk_files(tmp_path / "out.zarr")
    sums = "cube/checksums.sha256"
    assert made[sums] == (tmp_path / "out.zarr" / sums).read_bytes()
    assert objects(f"{out}.partial") == {}


@pytest.mark.slow
def test_an_output_that_exists_is_kept_unless_it_is_to_be_replaced(store: Served) -> None:
    """Nothing is left of the old one afterwards."""
    out = f"s3://{BUCKET}/kept/out.zarr"
    write_raster(raster(), out)
    before = objects(f"s3://{BUCKET}/kept")
    with pytest.raises(OutputError, match="exists already and is complete"):
        write_raster(raster(1), out)
    assert objects(f"s3://{BUCKET}/kept") == before
    write_raster(raster(1), out, overwrite=True)
    np.testing.assert_array_equal(open_raster(out).values, raster(1).values)
    with pytest.raises(OutputError, match="is also an input"):
        write_raster(open_raster(out), out, overwrite=True)


def test_a_geotiff_is_written_here_and_uploaded(store: Served, tmp_path: Path) -> None:
    """It is the file that would be written here; where its bucket is gone the run can go on."""
    here = tmp_path / "here"
    here.mkdir()
    with pytest.raises(OutputError, match="there is no bucket nowhere"):
        write_raster(raster(), "s3://nowhere/out.tif", temporary=here)
    assert list(here.iterdir()) == []
    out = "s3://files/out.tif"
    create_bucket("files")
    with pytest.raises(OutputError, match="there is no bucket files"):
        write_in_blocks(
            out, temporary=here, progress=lambda done, _: done < 6 or delete_bucket("files")
        )
    create_bucket("files")
    computed: list[int] = []
    path = write_in_blocks(
        out, temporary=here, resume=True, progress=lambda done, _: computed.append(done)
    )
    assert computed == []
    assert list(here.iterdir()) == []
    write_in_blocks(tmp_path / "out.tif")
    assert str(path) == out
    assert path.read_bytes() == (tmp_path / "out.tif").read_bytes()


def test_of_two_runs_on_one_output_the_older_ends(store: Served) -> None:
    """A store has no locks; what the older one has written until then is verified by the other."""
    layout = OutputLayout(1, 32, 16, tuple(PLACE)[:6], chunk=(1, 16, 16))
    out = as_path(f"s3://{BUCKET}/two/out.zarr")
    first = new_store(out, layout, plan_hash="a")
    top, bottom = (
        first.write(block.row, block.column, np.ones((1, 16, 16))) for block in blocks(layout, 16)
    )
    with Journal(first) as older:
        older.append(top)
        assert count_partial(out) == (1, 0)
        older.append(bottom)  # that another one looked changes nothing
        second = new_store(out, layout, plan_hash="a", resume=True)
        with Journal(second) as newer:
            assert len(newer.finished()) == 2
            with pytest.raises(OutputError, match="another run has begun to write there"):
                older.append(bottom)
            newer.append(bottom)


def test_what_is_missing_in_a_store_is_named(store: Served) -> None:
    """Buckets, objects, and what is no raster, one line each."""
    for url, reason in (
        ("s3://nowhere/a.tif", "there is no bucket nowhere"),
        (f"s3://{BUCKET}/none.tif", "no such object"),
        (f"s3://{BUCKET}/none.zarr", "no such object and no zarr store"),
        (f"s3://{BUCKET}/cube.nc", "read from this machine only"),
    ):
        with pytest.raises(RasterError, match=reason) as caught:
            open_raster(url)
        assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match="there is no bucket nowhere"):
        write_raster(raster(), "s3://nowhere/out.zarr")


def test_a_file_beside_the_raster_counts_as_on_this_machine(store: Served, tmp_path: Path) -> None:
    """GDAL reads masks and its own notes by URL too, and no other file that one names."""
    path = write_tiff(tmp_path / "a.tif", np.full((1, 16, 16), 7, np.uint8))
    (tmp_path / "a.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>7</NoDataValue></PAMRasterBand>'
        "</PAMDataset>"
    )
    upload(path.with_name("a.tif.aux.xml"), "beside/a.tif.aux.xml")
    assert np.isnan(open_raster(upload(path, "beside/a.tif")).values).all()
    (tmp_path / "b.vrt").write_text("<VRTDataset/>")
    with pytest.raises(RasterError, match="read from this machine only"):
        open_raster(upload(tmp_path / "b.vrt", "beside/b.vrt"))
    with pytest.raises(RasterError, match="not a raster"):
        open_raster(upload(tmp_path / "b.vrt", "beside/b.tif"))


def test_a_crop_of_a_raster_on_a_web_server_costs_a_crop(tmp_path: Path) -> None:
    """Of a file that is read in tiles the rest is not sent, and 503 is no answer."""
    stored = np.random.default_rng(0).integers(0, 255, (3, 1024, 1024)).astype(np.uint8)
    path = write_tiff(tmp_path / "a b.tif", stored, blockxsize=128, blockysize=128)
    with serving(tmp_path) as web:
        found = open_raster(f"{web.address}/a b.tif")
        web.counts(refuse_every=3)
        crop = found[:, 200:250, 200:250].values
        counts = web.counts()
        assert np.array_equal(crop, stored[:, 200:250, 200:250])
        assert counts.refused > 0
        assert sum(counts.sent.values()) < 0.1 * path.stat().st_size
        with pytest.raises(RasterError, match="no such object"):
            open_raster(f"{web.address}/none.tif")


@pytest.mark.slow
def test_a_zarr_output_gets_the_levels_that_it_has_here(store: Served, tmp_path: Path) -> None:
    """All objects of the levels are the files of those of a folder."""
    values = np.random.default_rng(0).random((2, 300, 270), dtype=np.float32)
    image = cube(dask.array.from_array(values, chunks=(2, 256, 256)))
    write_raster(image, f"s3://{BUCKET}/levels/out.zarr")
    write_raster(image, tmp_path / "out.zarr")
    level = tmp_path / "out.zarr" / "ovr_2x"
    files = {
        path.relative_to(level).as_posix(): path.read_bytes()
        for path in level.rglob("*")
        if path.is_file()
    }
    assert len(files) > 20
    assert objects(f"s3://{BUCKET}/levels/out.zarr/ovr_2x") == files
    with xr.open_zarr(tmp_path / "out.zarr") as opened:
        np.testing.assert_array_equal(
            open_raster(f"s3://{BUCKET}/levels/out.zarr").values, opened["cube"].values
        )


@pytest.mark.slow
def test_an_envi_output_is_uploaded_with_its_header(store: Served, tmp_path: Path) -> None:
    """And with its standard error; nothing is left here."""
    error = raster()[0].data
    image = raster().assign_coords(standard_error=(("y", "x"), error))
    out = f"s3://{BUCKET}/envi/out.dat"
    write_raster(image, out, temporary=tmp_path)
    names = ["out.dat", "out.hdr", "out_standard_error.dat", "out_standard_error.hdr"]
    assert sorted(objects(f"s3://{BUCKET}/envi")) == names
    assert not list(tmp_path.iterdir())
    found = open_raster(out)
    np.testing.assert_array_equal(found.values, raster().values)
    np.testing.assert_array_equal(found["standard_error"].values, raster()[0].values)
    with pytest.raises(OutputError, match="exists already"):
        write_raster(image, out, temporary=tmp_path)
