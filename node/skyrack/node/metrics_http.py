"""GET /metrics over a Unix socket."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from pathlib import Path

from skyrack.node.http_server import MAX_REQUEST_BYTES, Response, handler
from skyrack.v1.sockets import owner_only

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Metrics:
    put = None

    def __init__(self, render: Callable[[], bytes]) -> None:
        self._render = render

    def get(self, path: str) -> Response:
        if path != "/metrics":
            return self.error(HTTPStatus.NOT_FOUND, "try /metrics")
        return Response(HTTPStatus.OK, self._render(), CONTENT_TYPE)

    def error(self, status: HTTPStatus, text: str) -> Response:
        return Response(status, f"{text}\n".encode())


@contextlib.asynccontextmanager
async def serve_metrics(path: Path, render: Callable[[], bytes]) -> AsyncIterator[None]:
    """Serve `render()` as /metrics on the Unix socket `path` while the context lasts; one request per connection."""
    _remove(path)
    server = await asyncio.start_unix_server(
        handler(_Metrics(render)), os.fspath(path), limit=MAX_REQUEST_BYTES
    )
    owner_only(path)
    try:
        yield
    finally:
        server.close()
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
