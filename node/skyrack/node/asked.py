"""A Unix socket of the node's own user on which every connection is served by itself."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

from skyrack.node.clock import Clock
from skyrack.node.logs import fields, log
from skyrack.v1.descriptors import receive_fds
from skyrack.v1.sockets import owner_only

RETRY_S = 1.0
BACKLOG = 1024  # an entry's clients may all come at once
MAX_MESSAGE_BYTES = 4096


async def serve(
    path: Path, each: Callable[[socket.socket], Coroutine[None, None, None]], clock: Clock
) -> None:
    """Listen there, with whole messages (SOCK_SEQPACKET), for ever; `each` closes what it is given. Raises OSError."""
    loop = asyncio.get_running_loop()
    with _listener(path) as listener:
        async with asyncio.TaskGroup() as connections:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError as error:  # out of descriptors
                    log.warning("cannot accept", extra=fields(socket=path.name, error=str(error)))
                    await clock.sleep(RETRY_S)
                    continue
                connections.create_task(each(connection), name=path.name)


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


async def said(connection: socket.socket) -> bytes:
    """What the other end says next, nothing at its end; descriptors that come along are not waited for. Raises OSError."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    fd = connection.fileno()
    loop.add_reader(fd, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(fd)
    return receive_fds(connection, MAX_MESSAGE_BYTES, 0)[0]
