"""Who is answered: this machine by its own name, with the token, for what is read."""

import asyncio
import socket
import sys

import pytest
from click.testing import CliRunner
from hsfuse.cli.main import main

from hsfuse.errors import OutputError
from hsfuse.viewer.server import ADDRESS, ViewServer, application, refusal

TOKEN, PORT = "secret", 8123
HOST = f"{ADDRESS}:{PORT}"


@pytest.mark.parametrize("host", [HOST, f"localhost:{PORT}"])
def test_a_reader_with_the_token_is_answered(host):
    assert refusal("GET", f"/{TOKEN}/scene.json", host, token=TOKEN, port=PORT) is None


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("GET", f"/{TOKEN}/", "", 403),
        ("GET", f"/{TOKEN}/", "example.org", 403),
        ("GET", f"/{TOKEN}/", f"example.org:{PORT}", 403),
        ("GET", f"/{TOKEN}/", f"{ADDRESS}:80", 403),
        ("GET", f"/{TOKEN}/", f"{HOST}.example.org", 403),
        ("GET", "/", HOST, 403),
        ("GET", "/scene.json", HOST, 403),
        ("GET", f"/{TOKEN}x/scene.json", HOST, 403),
        ("GET", f"/{TOKEN[:-1]}/scene.json", HOST, 403),
        ("GET", "/\u00e9/", HOST, 403),
        ("POST", f"/{TOKEN}/scene.json", HOST, 405),
        ("PUT", f"/{TOKEN}/scene.json", HOST, 405),
        ("DELETE", f"/{TOKEN}/", HOST, 405),
        ("OPTIONS", f"/{TOKEN}/", HOST, 405),
    ],
)
def test_others_are_refused(method, path, host, status):
    response = refusal(method, path, host, token=TOKEN, port=PORT)
    assert response is not None
    assert response.status == status
    assert TOKEN.encode() not in response.body


def ask(app, path, method="GET", host=HOST):
    """Return status, headers and body of one request to the application."""
    sent = []

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"host", host.encode())],
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_the_application_answers_and_lets_no_page_load_from_elsewhere(scene):
    app = application(scene, TOKEN, PORT)
    status, headers, body = ask(app, f"/{TOKEN}/")
    assert (status, headers[b"content-type"]) == (200, b"text/html; charset=utf-8")
    assert body.startswith(b"<!doctype html>")
    assert b"default-src 'none'" in headers[b"content-security-policy"]
    assert b"http" not in headers[b"content-security-policy"]
    assert headers[b"content-length"] == str(len(body)).encode()
    assert ask(app, f"/{TOKEN}")[:2][1][b"location"] == f"/{TOKEN}/".encode()
    assert ask(app, f"/{TOKEN}/", host="example.org")[0] == 403
    assert ask(app, f"/{TOKEN}/", method="POST")[0] == 405
    assert ask(app, f"/{TOKEN}/tile/fused/0/9/0.png")[0] == 400


def test_a_server_listens_on_this_machine_alone_with_a_token_of_its_own(scene):
    servers = ViewServer(scene), ViewServer(scene)
    try:
        assert servers[0]._socket.getsockname()[0] == "127.0.0.1"
        tokens = {server.url.split("/")[3] for server in servers}
        assert len(tokens) == 2
        assert min(map(len, tokens)) >= 32
    finally:
        for server in servers:
            server._socket.close()


def test_a_port_in_use_is_named(scene):
    with socket.socket() as other:
        other.bind((ADDRESS, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OutputError, match=f"port {port} of 127"):
            ViewServer(scene, port)


def test_a_missing_extra_is_named_in_one_line(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    found = CliRunner().invoke(main, ["view", str(files[0] / "fused.tif"), "--no-browser"])
    assert found.exit_code == 1
    assert "pip install 'hsfuse[view]'" in found.output
    assert found.output.count("\n") == 1


def test_one_image_alone_is_refused(files):
    names = [str(files[0] / name) for name in ("fused.tif", "hs.tif")]
    found = CliRunner().invoke(main, ["view", *names])
    assert found.exit_code == 2
    assert "FUSED SCENE MS" in found.output
