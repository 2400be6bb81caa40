"""What a URL is, and what is none, before any store is asked."""

import pickle
from pathlib import Path

import pytest

from hsfuse.errors import HsfuseError, OutputError, RasterError
from hsfuse.io.files.bucket import open_bucket
from hsfuse.io.files.url import Url, as_path
from hsfuse.io.write import check_output, default_output, local_path


@pytest.mark.parametrize(
    ("text", "virtual"),
    [
        ("s3://bucket/a b/c.tif", "/vsis3/bucket/a b/c.tif"),
        ("gs://bucket/c.tif", "/vsigs/bucket/c.tif"),
        ("az://container/c.tif", "/vsiaz/container/c.tif"),
        ("https://host:8000/a b/c.tif", "/vsicurl/https://host:8000/a%20b/c.tif"),
        ("https://host/a%20b.tif", "/vsicurl/https://host/a%20b.tif"),
    ],
)
def test_a_url_survives_pathlib_gdal_and_pickle(text: str, virtual: str) -> None:
    """Each spelling of a URL names the same object, and it is spelt as it was given."""
    url = as_path(text)
    assert isinstance(url, Url)
    assert str(url) == text
    assert as_path(Path(text)) == url == as_path(url) == pickle.loads(pickle.dumps(url))
    assert url.virtual == virtual
    if url.writable:
        assert as_path(virtual) == url
    assert str(url.with_name("d.zarr") / "x") == text.rpartition("/")[0] + "/d.zarr/x"


@pytest.mark.parametrize("text", ["a/b.tif", "/s3/b.tif", "C:/b.tif", "s3.tif", "x-s3://b/c"])
def test_other_texts_are_paths(text: str) -> None:
    """Names of files on this machine stay what they are."""
    assert as_path(text) == Path(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://host/a.tif?X-Amz-Signature=1234", "query"),
        ("https://user:secret@host/a.tif", "password"),
        ("s3://bucket/a/../b.tif", r"\.\."),
    ],
)
def test_secrets_and_steps_upwards_are_refused(text: str, reason: str) -> None:
    """A record of a run would show what is secret in a URL; the message does not repeat it."""
    with pytest.raises(RasterError, match=reason) as caught:
        as_path(text)
    assert "1234" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_output_at_a_url_needs_a_store_and_a_name() -> None:
    """Web servers are read only, and beside a scene at a URL nothing is written unasked."""
    with pytest.raises(OutputError, match="a web server, which is only read"):
        check_output("https://host/out.zarr")
    with pytest.raises(OutputError, match="expected the name of the output"):
        default_output(as_path("s3://bucket/scene.tif"))


def test_only_a_file_is_written_on_this_machine_first(tmp_path: Path) -> None:
    """Two outputs of one name do not share a place, and a zarr store needs none."""
    one, two = (local_path(as_path(f"s3://{name}/out.tif"), tmp_path) for name in ("a", "b"))
    assert one != two
    assert isinstance(one, Path)
    assert one.parent == tmp_path
    zarr = as_path("s3://a/out.zarr")
    assert local_path(zarr, tmp_path) == zarr


def test_a_client_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for an environment; another endpoint or key makes another one."""
    for name, value in (("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:1")
    first = open_bucket("s3", "bucket")
    assert open_bucket("s3", "bucket") is first
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:2")
    second = open_bucket("s3", "bucket")
    assert second is not first
    assert "localhost:2" in str(second.config)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "c")
    assert open_bucket("s3", "bucket") is not second


def test_a_missing_extra_and_missing_credentials_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each in one line that says what to do, before anything is waited for."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(HsfuseError, match=r"s3://no-credentials: no credentials; .*AWS_ACCESS"):
        open_bucket("s3", "no-credentials")
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(HsfuseError, match=r"pip install 'hsfuse\[cloud\]'"):
        as_path("s3://no-extra/scene.tif").exists()
