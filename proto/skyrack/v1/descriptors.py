"""File descriptors over Unix sockets."""

import array
import socket


def receive_fds(sock: socket.socket, max_bytes: int, max_fds: int) -> tuple[bytes, list[int]]:
    """One message and the descriptors that came with it, which are close-on-exec and the caller's to close.

    `socket.recv_fds` ignores its flags in CPython 3.11, so its descriptors would leak into every child. The
    kernel closes descriptors beyond `max_fds`.
    """
    fds = array.array("i")
    size = socket.CMSG_LEN(max_fds * fds.itemsize)
    data, ancillary, _, _ = sock.recvmsg(max_bytes, size, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds)
