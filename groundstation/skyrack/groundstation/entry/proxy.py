"""One client of the proxy, from its request to the end of both connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from skyrack.groundstation.entry import answer
from skyrack.groundstation.entry.answer import ESTABLISHED, Mesh, page
from skyrack.groundstation.entry.request import (
    BadRequestError,
    Forward,
    Own,
    Tunnel,
    close_response,
    is_interim,
    parse_request,
)
from skyrack.v1 import entry
from skyrack.v1.entry import Connect, EntryRefusedError
from skyrack.v1.relay import relay, reset

LARGEST_HEAD_BYTES = 16 << 10
HEAD_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 30.0
STATION_PATIENCE_S = 2.0  # beyond that: its process does not run
LINGER_S = 1.0
_END = b"\r\n\r\n"


class _GoneError(Exception):
    """The client left before it had asked."""


class _RefusedError(Exception):
    """Answer this, and no more."""

    def __init__(self, response: bytes) -> None:
        super().__init__(response)
        self.response = response


class Gate:
    """The entry at one station: serves each client that connected there."""

    def __init__(self, mesh_dir: Path, station: str) -> None:
        self.station = station
        self._mesh_dir = mesh_dir

    async def serve(self, client: socket.socket) -> None:
        """Serve one client, whose socket is not blocking, and close it."""
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            try:
                await self._serve(client)
            except _RefusedError as refused:
                await _say(client, refused.response)
        except (_GoneError, OSError):
            reset(client)
        finally:
            client.close()

    async def _serve(self, client: socket.socket) -> None:
        """Raises _RefusedError, _GoneError, OSError when either side broke."""
        head, rest = await _client_head(client)
        try:
            request = parse_request(head, self.station)
        except BadRequestError as error:
            raise _RefusedError(page(400, str(error))) from error
        if isinstance(request, Own):
            raise _RefusedError(self._own(request, client))
        with (
            contextlib.closing(await self._ask(request)) as life,
            await self._connected(life, request) as mesh,
        ):
            try:
                await self._carry(client, mesh, life, request, rest)
            except OSError:
                reset(mesh)
                raise

    async def _carry(
        self,
        client: socket.socket,
        mesh: socket.socket,
        life: socket.socket,
        request: Tunnel | Forward,
        rest: bytes,
    ) -> None:
        """Relay until the end of the connection, or of the station, which raises ConnectionResetError as a break does."""
        loop = asyncio.get_running_loop()
        if isinstance(request, Tunnel):
            await loop.sock_sendall(client, ESTABLISHED)
            first = None
        else:
            rest = request.head + rest
            first = partial(self._response_heads, mesh, client)
        if rest:
            await loop.sock_sendall(mesh, rest)
        carried = asyncio.ensure_future(relay(client, mesh, first))
        try:
            with _readable(life) as ended:
                await asyncio.wait((carried, ended), return_when=asyncio.FIRST_COMPLETED)
            if not carried.done():
                raise ConnectionResetError(f"{self.station} has ended")
            carried.result()
        finally:
            carried.cancel()
            await asyncio.wait((carried,))

    async def _response_heads(self, mesh: socket.socket, client: socket.socket) -> None:
        """Pass on the heads of the response, and what of the body has come with them."""
        loop = asyncio.get_running_loop()
        data = b""
        while True:
            head, data = await _head(mesh, data)
            if head.endswith(_END) and is_interim(head):
                await loop.sock_sendall(client, head)
                continue
            if head.endswith(_END):
                head = close_response(head, self.station)
            await loop.sock_sendall(client, head + data)
            return

    async def _ask(self, request: Tunnel | Forward) -> socket.socket:
        """The station's end of the matter, asked to connect. Raises _RefusedError."""
        life = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            life.connect(os.fspath(entry.entry_socket(self._mesh_dir, self.station)))
            life.send(entry.pack_connect(Connect(request.host, request.port, CONNECT_TIMEOUT_S)))
        except BlockingIOError as error:
            life.close()
            raise _RefusedError(page(503, f"{self.station} does not keep up with new connections")) from error
        except OSError as error:
            life.close()
            raise _RefusedError(answer.dead(self.station)) from error
        return life

    async def _connected(self, life: socket.socket, request: Tunnel | Forward) -> socket.socket:
        """The connected socket. Raises _RefusedError."""
        try:
            with _readable(life) as answered:
                async with asyncio.timeout(CONNECT_TIMEOUT_S + STATION_PATIENCE_S):
                    await answered
            mesh = socket.socket(fileno=entry.receive_connected(life).fd)
        except EntryRefusedError as error:
            refusal = answer.failure(
                self.station, request.host, request.port, error.kind, str(error), self._mesh()
            )
            raise _RefusedError(refusal) from error
        except TimeoutError as error:
            text = f"{self.station} does not answer: its process is stopped, or has too much to do"
            raise _RefusedError(page(504, text)) from error
        except (OSError, entry.EntryError) as error:
            raise _RefusedError(answer.dead(self.station)) from error
        mesh.setblocking(False)
        return mesh

    def _own(self, request: Own, client: socket.socket) -> bytes:
        """The proxy's own page."""
        if request.method not in ("GET", "HEAD"):
            return page(
                405, "a request for the proxy itself: expected CONNECT NODE:PORT, or http://NODE:PORT/..."
            )
        host, port, *_ = client.getsockname()
        body, found = request.method == "GET", request.path == "/"
        return answer.usage(
            self.station, request.host or f"{host}:{port}", self._mesh(), found=found, body=body
        )

    def _mesh(self) -> Mesh:
        """The nodes as their files tell: asked for only where something is to be explained."""
        names: list[str] = []
        with contextlib.suppress(OSError):
            lines = Path(self._mesh_dir, "hosts").read_text().splitlines()
            names = [name for line in lines for name in line.split()[1:] if name != "localhost"]
        sockets = {path.name.removesuffix(".net.sock") for path in self._mesh_dir.glob("nodes/*.net.sock")}
        return Mesh(names, [name for name in names if name in sockets])


@contextlib.contextmanager
def _readable(sock: socket.socket) -> Iterator[asyncio.Future[None]]:
    """Done when there is something to read, or the end."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[None] = loop.create_future()

    def ready() -> None:
        if not found.done():
            found.set_result(None)

    fd = sock.fileno()
    loop.add_reader(fd, ready)
    try:
        yield found
    finally:
        loop.remove_reader(fd)


async def _client_head(client: socket.socket) -> tuple[bytes, bytes]:
    """The head of the request, and what came after it. Raises _RefusedError, _GoneError, OSError."""
    try:
        async with asyncio.timeout(HEAD_TIMEOUT_S):
            head, rest = await _head(client, b"")
    except TimeoutError as error:
        raise _RefusedError(page(408, f"no whole request within {HEAD_TIMEOUT_S:g} s")) from error
    if not head:
        raise _GoneError
    if len(head) > LARGEST_HEAD_BYTES + len(_END):
        raise _RefusedError(page(431, f"the head of a request has at most {LARGEST_HEAD_BYTES} bytes here"))
    if not head.endswith(_END):
        raise _RefusedError(page(400, "the request ends within its head"))
    return head, rest


async def _head(source: socket.socket, data: bytes) -> tuple[bytes, bytes]:
    """Up to the first empty line, and the rest. Without one: all until the end, or until it is too much. Raises OSError."""
    loop = asyncio.get_running_loop()
    while True:
        head, end, rest = data.partition(_END)
        if end and len(head) <= LARGEST_HEAD_BYTES:
            return head + end, rest
        if len(data) > LARGEST_HEAD_BYTES + len(_END):
            return data, b""
        more = await loop.sock_recv(source, LARGEST_HEAD_BYTES)
        if not more:
            return data, b""
        data += more


async def _say(client: socket.socket, response: bytes) -> None:
    """Answer and close, so that the answer arrives although more may still come in. Raises OSError."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            await loop.sock_sendall(client, response)
            client.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(client, LARGEST_HEAD_BYTES):
                pass
