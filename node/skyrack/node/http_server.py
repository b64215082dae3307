"""As little of HTTP/1.1 as a scraper or curl needs, whatever a client sends: GET, PUT at some sites, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Protocol

from skyrack.node.logs import log

MAX_REQUEST_BYTES = 16_384
MAX_CONNECTIONS = 128
REQUEST_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Response:
    """What a client gets. A body that is an iterator is sent piece by piece until it or the client ends."""

    status: HTTPStatus
    body: bytes | AsyncIterator[bytes]
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def head(self) -> bytes:
        """The status line and the headers."""
        headers = {"Content-Type": self.content_type, **self.headers, "Connection": "close"}
        if isinstance(self.body, bytes):
            headers["Content-Length"] = str(len(self.body))
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            *(f"{k}: {v}" for k, v in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Site(Protocol):
    """What is served."""

    def get(self, path: str) -> Response:
        """The answer to GET of a path, without its query. What it raises is logged, and the client gets a 500."""
        ...

    @property
    def put(self) -> Callable[[str, bytes], Response] | None:
        """The same for PUT of a body; None: nothing can be put."""
        ...

    def error(self, status: HTTPStatus, text: str) -> Response:
        """What a client gets who asked wrongly, or asked for what went wrong."""
        ...


Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def handler(site: Site) -> Connected:
    """What `asyncio.start_server` and `start_unix_server` call for each connection; give them `limit=MAX_REQUEST_BYTES`."""
    open_connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_connections
        open_connections += 1
        try:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    if open_connections > MAX_CONNECTIONS:
                        response = site.error(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
                    else:
                        response = await _respond(reader, site)
                    writer.write(response.head)
                    if isinstance(response.body, bytes):
                        writer.write(response.body)
                    await writer.drain()
                if not isinstance(response.body, bytes):
                    await _stream(reader, writer, response.body)
        finally:
            open_connections -= 1
            writer.close()

    return handle


async def _respond(reader: asyncio.StreamReader, site: Site) -> Response:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return site.error(HTTPStatus.BAD_REQUEST, "not an HTTP request")
    words = head.split(b"\r\n", 1)[0].split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return site.error(HTTPStatus.BAD_REQUEST, "not an HTTP request")
    path = words[1].split(b"?")[0].decode("latin-1")
    if words[0] != b"GET" and (words[0] != b"PUT" or site.put is None):
        return replace(site.error(HTTPStatus.METHOD_NOT_ALLOWED, "GET only"), headers={"Allow": "GET"})
    try:
        if words[0] == b"PUT" and site.put is not None:
            length = _content_length(head)
            if not 0 <= length <= MAX_REQUEST_BYTES:
                return site.error(
                    HTTPStatus.BAD_REQUEST, f"PUT needs a body of up to {MAX_REQUEST_BYTES} bytes"
                )
            return site.put(path, await reader.readexactly(length))
        return site.get(path)
    except asyncio.IncompleteReadError:
        return site.error(HTTPStatus.BAD_REQUEST, "the body ends too early")
    except Exception:
        log.exception("request failed")
        return site.error(HTTPStatus.INTERNAL_SERVER_ERROR, "the request failed, see the node's log")


def _content_length(head: bytes) -> int:
    """-1: not said, or not a number."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return -1


async def _stream(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pieces: AsyncIterator[bytes]
) -> None:
    """Until the pieces or the client end; who does not read holds up nothing but his own pieces."""

    async def send() -> None:
        async for piece in pieces:
            writer.write(piece)
            await writer.drain()

    async def leave() -> None:
        while await reader.read(MAX_REQUEST_BYTES):
            pass

    tasks = [
        asyncio.create_task(send(), name="http stream"),
        asyncio.create_task(leave(), name="http client"),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, OSError):
            log.error("stream failed", exc_info=result)
