"""Hands descriptors of the node's network to whoever measures it, who need not be able to enter it.

Every connection gets its own and then stays open: its end tells that the node is dead.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from functools import partial

from skyrack.node import asked
from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.logs import fields, log
from skyrack.v1.descriptors import discard_connection
from skyrack.v1.hand_out import Handed, send_error, send_node


async def hand_out(config: NodeConfig, clock: Clock) -> None:
    """Serve the node's net socket for ever. Raises OSError when it cannot listen there."""
    await asked.serve(config.net_socket, partial(_serve, config), clock)


async def _serve(config: NodeConfig, connection: socket.socket) -> None:
    """Hand out, then hold the connection until the other end closes it."""
    try:
        with contextlib.suppress(OSError):
            try:
                with open_descriptors(config) as handed:
                    send_node(connection, handed)
            except OSError as error:
                log.warning("cannot hand out", extra=fields(error=str(error)))
                send_error(connection, str(error))
            while await asked.said(connection):
                pass
    finally:
        discard_connection(connection)


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
