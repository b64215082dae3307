"""The station's part of an entry: connections in its own network, handed to who asks for them (skyrack.v1.entry)."""

import asyncio
import contextlib
import errno
import os
import socket
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from skyrack.node import asked
from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.v1 import entry
from skyrack.v1.descriptors import discard_connection
from skyrack.v1.entry import Connect, Connected, EntryError, EntryRefusedError, Kind

HOSTS = Path("/etc/hosts")
NOT_SENT_BYTES = 1 << 17  # beyond what is in flight: about 1 ms of a gigabit
TCP_NOTSENT_LOWAT = 25  # not in the socket module
_KINDS: dict[int, Kind] = {errno.ECONNREFUSED: "refused", errno.ETIMEDOUT: "timeout"}


async def serve_entry(config: NodeConfig, clock: Clock) -> None:
    """Serve the node's entry socket for ever. Raises OSError when it cannot listen there."""
    await asked.serve(entry.entry_socket(config.socket_dir, config.name), partial(_serve, config), clock)


async def _serve(config: NodeConfig, asker: socket.socket) -> None:
    """Answer one request, then hold the connection until the other end closes it."""
    try:
        with contextlib.suppress(OSError):
            if data := await asked.said(asker):
                ended = asyncio.create_task(_ended(asker))
                attempt = asyncio.create_task(_answer(config, asker, data))
                try:
                    await asyncio.wait((ended, attempt), return_when=asyncio.FIRST_COMPLETED)
                    await ended
                finally:
                    ended.cancel()
                    attempt.cancel()
                    await asyncio.wait((ended, attempt))
    finally:
        discard_connection(asker)


async def _ended(asker: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while await asked.said(asker):
            pass


async def _answer(config: NodeConfig, asker: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):  # who asked has gone
        try:
            request = entry.unpack_connect(data)
            address = _address(request.host, config)
            with await _connect(address, request) as connected:
                entry.send_connected(asker, Connected(address, connected.fileno()))
        except EntryError as error:
            entry.send_refused(asker, "bad-request", str(error))
        except EntryRefusedError as error:
            entry.send_refused(asker, error.kind, str(error))


def _address(host: str, config: NodeConfig) -> str:
    return resolve(host, HOSTS.read_text(), IPv4Network(config.network))


def resolve(host: str, hosts: str, network: IPv4Network) -> str:
    """The address on the mesh of a name in the text of /etc/hosts, or of an address. Raises EntryRefusedError. Pure.

    The node's own loopback is not on the mesh: what listens there is for programs in the node.
    """
    name = host.removesuffix(".").lower()
    for line in hosts.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if name in map(str.lower, names):
            break
    else:
        address = name
    try:
        if IPv4Address(address) in network:
            return address
    except ValueError:
        raise EntryRefusedError("unknown-name", "no such node") from None
    raise EntryRefusedError("unknown-name", f"{address} is not an address of the mesh, {network}")


async def _connect(address: str, request: Connect) -> socket.socket:
    """A connected socket that adds no delay of its own. Raises EntryRefusedError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOT_SENT_BYTES)
        async with asyncio.timeout(request.timeout_s):
            await asyncio.get_running_loop().sock_connect(sock, (address, request.port))
    except BaseException as error:
        sock.close()
        if isinstance(error, TimeoutError) and error.errno is None:
            raise EntryRefusedError("timeout", f"no answer within {request.timeout_s:g} s") from error
        if isinstance(error, OSError):
            number = error.errno or 0
            raise EntryRefusedError(_KINDS.get(number, "unreachable"), os.strerror(number).lower()) from error
        raise
    return sock
