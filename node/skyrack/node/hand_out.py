"""Hands descriptors of the node's network to whoever measures it, who need not be able to enter it.

Every connection gets its own and then stays open: its end tells that the node is dead.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.logs import fields, log
from skyrack.v1.descriptors import discard_connection, receive_fds
from skyrack.v1.hand_out import Handed, send_error, send_node
from skyrack.v1.sockets import owner_only

RETRY_S = 1.0
BACKLOG = 64


async def hand_out(config: NodeConfig, clock: Clock) -> None:
    """Serve the node's net socket for ever. Raises OSError when it cannot listen there."""
    loop = asyncio.get_running_loop()
    with _listener(config.net_socket) as listener:
        async with asyncio.TaskGroup() as connections:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError as error:  # out of descriptors
                    log.warning("cannot hand out", extra=fields(error=str(error)))
                    await clock.sleep(RETRY_S)
                    continue
                connections.create_task(_serve(connection, config), name="hand out")


@contextlib.contextmanager
def _listener(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as listener:
        listener.bind(os.fspath(path))
        owner_only(path)
        listener.listen(BACKLOG)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


async def _serve(connection: socket.socket, config: NodeConfig) -> None:
    """Hand out, then hold the connection until the other end closes it."""
    try:
        with contextlib.suppress(OSError):
            try:
                with open_descriptors(config) as handed:
                    send_node(connection, handed)
            except OSError as error:
                log.warning("cannot hand out", extra=fields(error=str(error)))
                send_error(connection, str(error))
            while await _said(connection):
                pass
    finally:
        discard_connection(connection)


async def _said(connection: socket.socket) -> bytes:
    """What the other end says next, nothing at its end; descriptors that come along are not waited for."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    return receive_fds(connection, 64, 0)[0]


@contextlib.contextmanager
def open_descriptors(config: NodeConfig) -> Iterator[Handed]:
    """What this process can hand out without any privilege, closed afterwards. Raises OSError."""
    with (
        _ping_socket() as ping,
        open("/proc/self/net/dev", "rb", buffering=0) as net_dev,
        open("/proc/self/schedstat", "rb", buffering=0) as schedstat,
    ):
        yield Handed(config.name, config.address, ping.fileno(), net_dev.fileno(), schedstat.fileno())


def _ping_socket() -> socket.socket:
    """Needs no capability where `net.ipv4.ping_group_range` includes this process's group."""
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    except OSError as error:
        number = error.errno or 0
        raise OSError(number, f"open a ping socket: {os.strerror(number)}") from error
