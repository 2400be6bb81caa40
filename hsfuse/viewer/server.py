"""
The HTTP server of the viewer, restricted to this machine and to holders of a token.

It listens on 127.0.0.1. A request needs the random token in its path, which other web pages cannot
know, and the name of this server in its Host header, which defeats DNS rebinding. Requests only
read, and no part of a request is used as a file name.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from hsfuse.errors import OutputError
from hsfuse.viewer.responses import Response, respond
from hsfuse.viewer.scene import Scene

__all__ = ["ADDRESS", "ViewServer", "application", "refusal"]

ADDRESS = "127.0.0.1"
# Maximum number of concurrent requests that read pixels: they share cores and memory.
_READERS = 4
# Seconds granted to pending requests when the server is stopped.
_PATIENCE = 1

_HEADERS = {
    # The page loads nothing from other origins. Leaflet and the charts set inline styles.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_Scope = Mapping[str, Any]
_Receive = Callable[[], Awaitable[Mapping[str, Any]]]
_Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


class ViewServer:
    """
    A server bound to a port, which runs until it is interrupted.

    Parameters
    ----------
    scene : Scene
    port : int
        Port number; 0 for any free port.

    Raises
    ------
    OutputError
        If uvicorn is not installed, or the port cannot be bound.
    """

    def __init__(self, scene: Scene, port: int = 0) -> None:
        try:
            self._uvicorn = import_module("uvicorn")
        except ImportError as error:
            raise OutputError(
                "the viewer needs uvicorn, which is not installed: pip install 'hsfuse[view]'"
            ) from error
        self._socket = _listening(port)
        self._token = secrets.token_urlsafe(24)
        self._scene = scene

    @property
    def url(self) -> str:
        """URL of the page, with the token."""
        return f"http://{ADDRESS}:{self._port}/{self._token}/"

    @property
    def _port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def run(self) -> None:
        """
        Serve requests until the process is interrupted.

        Raises
        ------
        KeyboardInterrupt
            On interruption, after the pending requests.
        """
        config = self._uvicorn.Config(
            application(self._scene, self._token, self._port),
            lifespan="off",
            ws="none",
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE,
        )
        try:
            self._uvicorn.Server(config).run(sockets=[self._socket])
        finally:
            self._socket.close()


def refusal(method: str, path: str, host: str, *, token: str, port: int) -> Response | None:
    """
    Return the response that refuses a request, or None if the request is allowed.

    Parameters
    ----------
    method, path, host : str
        Method, path and Host header of the request.
    token : str
        Required first component of the path.
    port : int
        Port of this server.
    """
    if host not in (f"{ADDRESS}:{port}", f"localhost:{port}"):
        return Response.refusal(403, "this server answers to its own name alone")
    given = path.removeprefix("/").partition("/")[0]
    if not secrets.compare_digest(given.encode(), token.encode()):
        return Response.refusal(403, "the address lacks the token that hsfuse view printed")
    if method != "GET":
        allowed = {"Allow": "GET"}
        return Response(405, body=b"only GET is answered\n", headers=allowed)
    return None


def application(scene: Scene, token: str, port: int) -> Application:
    """Return the ASGI application of a scene."""
    readers = ThreadPoolExecutor(_READERS, thread_name_prefix="hsfuse-view")

    async def answer(scope: _Scope, receive: _Receive, send: _Send) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        path, host = str(scope["path"]), headers.get(b"host", b"").decode("latin-1")
        response = refusal(scope["method"], path, host, token=token, port=port)
        if response is None:
            rest = path.removeprefix(f"/{token}")
            if rest.startswith("/"):
                query = scope["query_string"].decode("latin-1")
                response = await _read(receive, readers, scene, rest[1:], query)
            else:  # file names on the page are relative to this folder
                response = Response(308, headers={"Location": f"/{token}/"})
        if response is not None:
            await _send(send, response)

    return answer


async def _read(
    receive: _Receive, readers: ThreadPoolExecutor, scene: Scene, path: str, query: str
) -> Response | None:
    """Compute the response in a thread; return None if the browser has cancelled the request."""
    work = asyncio.get_running_loop().run_in_executor(readers, respond, scene, path, query)
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and work.cancel():  # queued tiles of a view that the user has left
            return None
        return await work
    finally:
        gone.cancel()


async def _disconnected(receive: _Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: _Send, response: Response) -> None:
    headers = {
        "Content-Type": response.kind,
        "Content-Length": str(len(response.body)),
        "Cache-Control": "no-store",
        **_HEADERS,
        **response.headers,
    }
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
    await send({"type": "http.response.body", "body": response.body})


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
        listener.listen()  # a browser opened before the server runs waits
    except OSError as error:
        listener.close()
        raise OutputError(
            f"port {port} of {ADDRESS}: {error.strerror or error}; choose another with `--port`, "
            "or none for any that is free"
        ) from error
    return listener
