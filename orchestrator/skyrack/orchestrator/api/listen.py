"""Where the API listens over TCP, and how much a client may take: connections, silence, unread answers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

PORTS_TRIED = 100
MOST_CONNECTIONS = 128
HEADER_TIMEOUT_S = 10.0  # from the connection to the end of the first request's headers
KEEPALIVE_TIMEOUT_S = 30.0  # from an answer to the end of the next request's headers
UNREAD_TIMEOUT_S = 30.0  # an answer that the client's kernel does not take
_COMPOSE_SERVICE = "orchestrator"
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Listen:
    """A TCP address and the rules there.

    `next_free`: a busy port moves on to the next one. `token_keeper`: see `run_token`. `published`: the address by which users
    reach it where that is another one, empty otherwise.
    """

    host: str
    port: int
    next_free: bool = False
    allow_hosts: tuple[str, ...] = ()
    protect_reads: bool = False
    token_keeper: Path | None = None
    published: str = ""

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        allow_hosts: tuple[str, ...] = (),
        protect_reads: bool = False,
        token_keeper: Path | None = None,
        published: str = "",
    ) -> Listen:
        """From HOST:PORT, as in 0.0.0.0:8080 or [::1]:8080. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (colon and host and port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError(f"{text!r}: expected HOST:PORT, as in 0.0.0.0:8080")
        return cls(host, int(port), False, allow_hosts, protect_reads, token_keeper, published)

    @property
    def names(self) -> frozenset[str]:
        """Names that clients may use for this listener, beside addresses and localhost."""
        beyond = () if self._is_loopback else (_COMPOSE_SERVICE,)
        return frozenset(name.lower() for name in (self.host, *beyond, *self.allow_hosts))

    @property
    def _is_loopback(self) -> bool:
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def url(self, port: int) -> str:
        """How somebody on this machine calls the listener."""
        if self.published:
            return self.published
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def open(self) -> socket.socket:
        """A listening socket. Raises RuntimeError with a text for the user."""
        last = min(self.port + PORTS_TRIED - 1, 65535) if self.next_free else self.port
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        reason = ""
        for port in range(self.port, last + 1):
            try:
                return socket.create_server((self.host, port), family=family, backlog=MOST_CONNECTIONS)
            except OSError as error:
                reason = error.strerror or os.strerror(error.errno or 0)
        if self.next_free:
            raise RuntimeError(
                f"no port from {self.port} to {last} on {self.host} can be had ({reason}): "
                "choose with --port, or 0 for none"
            )
        raise RuntimeError(f"cannot listen on {self.host}:{self.port}: {reason}")


class Door:
    """Lets connections in to one aiohttp server: not too many, and none that says nothing."""

    def __init__(self) -> None:
        self._silent: dict[object, asyncio.TimerHandle] = {}

    @web.middleware
    async def heard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Middleware: this connection has brought a request; from here on aiohttp's keep-alive timer holds."""
        if (timer := self._silent.pop(request.protocol, None)) is not None:
            timer.cancel()
        return await handler(request)

    @contextlib.asynccontextmanager
    async def open(self, server: web.Server, listener: socket.socket) -> AsyncIterator[None]:
        """Serve on the listening socket, which is closed at the end, while the context lasts."""
        loop = asyncio.get_running_loop()

        def connection() -> asyncio.Protocol:
            if len(server.connections) >= MOST_CONNECTIONS:
                return _Busy()
            protocol = server()
            self._silent[protocol] = loop.call_later(HEADER_TIMEOUT_S, self._give_up, protocol)
            return protocol

        # Accepted sockets have it from the listener.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_TIMEOUT_S * 1e3))
        listening = await loop.create_server(connection, sock=listener)
        try:
            yield
        finally:
            listening.close()
            for timer in self._silent.values():
                timer.cancel()

    def _give_up(self, protocol: web.RequestHandler) -> None:
        self._silent.pop(protocol, None)
        if protocol.transport is not None:
            protocol.transport.abort()


class _Busy(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(_BUSY)
        transport.close()
