"""File descriptors over Unix sockets."""

import array
import contextlib
import os
import socket
import stat
import struct
from collections.abc import Iterable

MOST_FDS = 253  # SCM_MAX_FD: more do not fit into a message
_NO_LINGER = struct.pack("=ii", 0, 0)
_CREDENTIALS = struct.calcsize("=iII")
_ROOM = socket.CMSG_SPACE(MOST_FDS * array.array("i").itemsize) + socket.CMSG_SPACE(_CREDENTIALS)


def receive_fds(sock: socket.socket, max_bytes: int, max_fds: int) -> tuple[bytes, list[int]]:
    """One message and the descriptors that came with it, which are close-on-exec and the caller's to close.

    `socket.recv_fds` ignores its flags in CPython 3.11, so its descriptors would leak into every child. All that a
    message can hold are taken and those beyond `max_fds` discarded: the kernel would close them in this very call, and
    wait if the sender wants it to.
    """
    data, ancillary, _, _ = sock.recvmsg(max_bytes, _ROOM, socket.MSG_CMSG_CLOEXEC)
    fds = _fds(ancillary)
    for fd in fds[max_fds:]:
        discard(fd)
    return data, fds[:max_fds]


def discard(fd: int) -> None:
    """Close a descriptor that a stranger sent: without waiting as long as SO_LINGER of a socket says."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        os.close(fd)
        return
    with socket.socket(fileno=fd) as sock, contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def discard_connection(connection: socket.socket) -> None:
    """Close a Unix socket to which a stranger may have sent descriptors: closing it closes them as they came."""
    with connection, contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)  # nothing more comes in
        connection.setblocking(False)
        # Every message has ancillary data then, an empty one too, which else would look like the end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        while ancillary := connection.recvmsg(1, _ROOM, socket.MSG_CMSG_CLOEXEC)[1]:
            for fd in _fds(ancillary):
                discard(fd)


def _fds(ancillary: Iterable[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return list(fds)
