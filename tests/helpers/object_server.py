"""
A real S3-compatible server, and a proxy in front of it that counts and refuses requests.

Each is a process of its own: GDAL holds the interpreter lock while it waits for an answer.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, NamedTuple
from urllib.request import urlopen

__all__ = ["Served", "serving"]


class Counts(NamedTuple):
    """What passed a proxy: requests, those answered with 503, bytes of content by path."""

    requests: int
    refused: int
    sent: dict[str, int]


class Served(NamedTuple):
    """The address of a server, behind a proxy."""

    address: str

    def counts(self, *, refuse_every: int = 0) -> Counts:
        """Return what passed since the last call, and refuse every nth request from now on."""
        with urlopen(f"{self.address}/_proxy/{refuse_every}") as answer:
            return Counts(**json.load(answer))


@contextmanager
def serving(folder: Path | None = None) -> Iterator[Served]:
    """Start a server of S3, or of the files in a folder, and a proxy in front of it."""
    started: list[subprocess.Popen[str]] = []
    try:
        port = _start(started, "s3" if folder is None else str(folder))
        yield Served(f"http://127.0.0.1:{_start(started, 'proxy', port)}")
    finally:
        for process in reversed(started):
            process.kill()
            process.communicate()


def _start(started: list[subprocess.Popen[str]], *arguments: str) -> str:
    command = [sys.executable, __file__, *arguments]
    errors = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    started.append(process)
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _announce(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


def _serve_s3() -> None:
    """Serve S3 on a free port, which is printed, until the process ends."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _announce(server.get_host_and_port()[1])
    threading.Event().wait()


class _Server(ThreadingHTTPServer):
    """A server on a free port, with room for the connections of all tests on a busy machine."""

    request_queue_size = 128

    def __init__(self, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)


class _Ranges(SimpleHTTPRequestHandler):
    """Serves files, or the range of bytes that is asked for."""

    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path, asked = Path(self.translate_path(self.path)), self.headers.get("Range")
        if asked is None or not path.is_file():
            super().do_GET()
            return
        size = path.stat().st_size
        first, last = asked.removeprefix("bytes=").split("-")
        stop = min(int(last or size) + 1, size)
        content = path.read_bytes()[int(first) : stop]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", self.date_time_string(path.stat().st_mtime))
        self.end_headers()
        self.wfile.write(content)


def _serve_files(folder: str) -> None:
    server = _Server(partial(_Ranges, directory=folder))
    _announce(server.server_port)
    server.serve_forever()


def _serve_proxy(port: int) -> None:
    """
    Pass requests on to another port, and answer every nth one with 503.

    ``GET /_proxy/N`` sets n (0: none), starts the counts anew and returns those of before, as JSON:
    the requests, those that were refused, and the bytes of the content that was sent, by path.
    An authorization without a token, which the client of Google Cloud Storage sends to an emulator,
    is not passed on: the server of S3 does not know it.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # an answer is written in parts, each would wait 40 ms
        lock, every = threading.Lock(), 0
        requests = refused = 0
        sent: ClassVar[dict[str, int]] = {}

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            if self.command != "HEAD":
                headers = [("Content-Length", str(len(content)))]
            for name, value in headers:
                if name.lower() == "content-length":
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def _pass_on(self) -> None:
            own = type(self)
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path.startswith("/_proxy/"):
                facts = {"requests": own.requests, "refused": own.refused, "sent": own.sent}
                own.every = int(self.path.rpartition("/")[2])
                own.requests, own.refused, own.sent = 0, 0, {}
                self._answer(200, [], json.dumps(facts).encode())
                return
            with own.lock:
                own.requests += 1
                refuse = own.every > 0 and own.requests % own.every == 0
                own.refused += refuse
            if refuse:
                self._answer(503, [("Content-Type", "text/plain")], b"slow down")
                return
            behind = http.client.HTTPConnection("127.0.0.1", port)
            headers = {
                key: value for key, value in self.headers.items() if value.strip() != "Bearer"
            }
            behind.request(self.command, self.path, content, headers)
            found = behind.getresponse()
            answer = found.read()
            with own.lock:
                path = self.path.partition("?")[0]
                own.sent[path] = own.sent.get(path, 0) + len(answer)
            self._answer(found.status, found.getheaders(), answer)
            behind.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

    server = _Server(Handler)
    _announce(server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "s3":
        _serve_s3()
    elif sys.argv[1] == "proxy":
        _serve_proxy(int(sys.argv[2]))
    else:
        _serve_files(sys.argv[1])
