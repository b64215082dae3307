"""Who knocks at fabric.sock, and how much of the loop's time that may take.

listener, silent connections -> epoll of the door -> one look at a time -> what was said -> the loop

Any process of a node's user can knock. So the loop looks at the door PACE_S after the last look at the earliest, a look
is one system call or two, nothing that came in is closed by the loop (closer.py), and of those who say nothing the
oldest makes room for the newest.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from dataclasses import dataclass
from pathlib import Path

from skyrack.orchestrator.fabric.closer import Closer
from skyrack.v1 import attach
from skyrack.v1.sockets import owner_only

PACE_S = 0.0005  # a node knocks twice: 1,000 nodes are in after a second; a look takes a tenth of that
BACKLOG = 1024
MOST_SILENT = 256
MOST_UNCLOSED = 64  # beyond, nobody is looked at until some of it is closed


@dataclass(frozen=True)
class Knock:
    """Somebody's one message. The connection and the descriptor belong to whoever takes it."""

    connection: socket.socket
    said: attach.Watch | tuple[attach.Hello, int]


class Door:
    """The attach socket. `fileno` can be polled: readable when a look is worth while."""

    def __init__(self, path: Path) -> None:
        """Listen. Raises OSError."""
        self._closer = Closer()  # of its own: a stranger's descriptor must not keep a dead node's device open
        self._silent: dict[int, socket.socket] = {}  # in the order of their coming
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(os.fspath(path))
        owner_only(path)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._epoll.fileno()

    def look(self) -> Knock | None:
        """Let somebody in, or hear one who is in. Gives what was said when it is a whole opening."""
        if self._closer.waiting > MOST_UNCLOSED:
            return None
        ready = [descriptor for descriptor, _ in self._epoll.poll(0, 2)]
        # Who is in has said something or is gone: heard first, so that many who come at once are not taken for silent.
        for descriptor in ready:
            if descriptor in self._silent:
                return self._hear(descriptor)
        if ready:
            self._let_in()
        return None

    def show_out(self, connection: socket.socket, descriptor: int | None = None) -> None:
        """Close what a knock gave, with whatever else its sender has left in it; returns at once."""
        if descriptor is not None:
            self._closer.close(descriptor)
        self._closer.close(connection)

    def close(self, patience_s: float) -> None:
        """Stop listening; wait until everything is closed, for so long at most."""
        self._listener.close()
        self._epoll.close()
        for connection in self._silent.values():
            self._closer.close(connection)
        self._silent.clear()
        self._closer.end(patience_s)

    def _let_in(self) -> None:
        # Out of descriptors is the newcomer's misfortune, not the mesh's.
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            if len(self._silent) >= MOST_SILENT:
                self._forget(next(iter(self._silent)))
            self._silent[connection.fileno()] = connection
            self._epoll.register(connection, select.EPOLLIN)

    def _hear(self, descriptor: int) -> Knock | None:
        connection = self._silent[descriptor]
        try:
            said = attach.receive_opening(connection, self._closer.close)
        except BlockingIOError:
            return None
        except (OSError, attach.AttachError) as error:
            with contextlib.suppress(OSError):
                attach.send_reply(connection, attach.Refused(str(error)))
            said = None
        if said is None:
            self._forget(descriptor)
            return None
        del self._silent[descriptor]
        self._epoll.unregister(descriptor)
        return Knock(connection, said)

    def _forget(self, descriptor: int) -> None:
        connection = self._silent.pop(descriptor)
        self._epoll.unregister(descriptor)
        self._closer.close(connection)
