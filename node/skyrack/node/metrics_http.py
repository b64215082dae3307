"""GET /metrics over a Unix socket: as little of HTTP/1.1 as a scraper needs, whatever a client sends."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from skyrack.node.logs import log
from skyrack.v1.sockets import owner_only

MAX_REQUEST_BYTES = 16_384
REQUEST_TIMEOUT_S = 5.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@contextlib.asynccontextmanager
async def serve_metrics(path: Path, render: Callable[[], bytes]) -> AsyncIterator[None]:
    """Serve `render()` as /metrics on the Unix socket `path` while the context lasts; one request per connection."""
    _remove(path)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                writer.write(await _respond(reader, render))
                await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(handle, os.fspath(path), limit=MAX_REQUEST_BYTES)
    owner_only(path)
    try:
        yield
    finally:
        server.close()
        _remove(path)


async def _respond(reader: asyncio.StreamReader, render: Callable[[], bytes]) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return _response("400 Bad Request", b"not an HTTP request\n")
    words = head.split(b"\r\n", 1)[0].split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return _response("400 Bad Request", b"not an HTTP request\n")
    if words[0] != b"GET":
        return _response("405 Method Not Allowed", b"GET only\n", "Allow: GET\r\n")
    if words[1].split(b"?")[0] != b"/metrics":
        return _response("404 Not Found", b"try /metrics\n")
    try:
        return _response("200 OK", render())
    except Exception:
        log.exception("metrics failed")
        return _response("500 Internal Server Error", b"metrics failed, see the log\n")


def _response(status: str, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n{headers}"
    return f"{head}Connection: close\r\n\r\n".encode() + body


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
