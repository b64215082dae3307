"""Wire format of `nodes/NAME.entry.sock`: a TCP connection on the mesh, made in that node, for a process outside of it.

    asks                               AF_UNIX SOCK_SEQPACKET                                       node
      |  {"op":"connect","host":"p0s03","port":2379,"timeout_s":30}                                  |
      | -------------------------------------------------------------------------------------------> |  connects
      | <------------------------------------------- {"address":"100.64.0.4"} + SCM_RIGHTS [socket]  |

What cannot be done is answered {"kind":"refused","error":"..."}. One request per connection. Who asks and goes away ends
the attempt; afterwards the connection stays open, and its end tells that the node has ended: then what was handed out
leads nowhere. No byte of the TCP connection passes the node's process. The socket is not blocking and has TCP_NODELAY,
because who relays must add no delay of its own, and TCP_NOTSENT_LOWAT, so that a sender is held up when the mesh is.

Exceptions: `EntryRefusedError` for a connection that was not made; `EntryError` for a message that breaks the format;
`OSError` from the socket itself, including `BlockingIOError`.
"""

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from skyrack.v1.descriptors import receive_fds
from skyrack.v1.messages import load_object

MAX_MESSAGE_BYTES = 4096
LONGEST_HOST = 253  # characters of a name in the DNS
LONGEST_TIMEOUT_S = 600.0

Kind = Literal["unknown-name", "refused", "unreachable", "timeout", "bad-request"]


class EntryError(ValueError):
    """The message is none of this format."""


class EntryRefusedError(Exception):
    """There is no connection, for a reason of this kind."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class Connect:
    """Connect to a port of a node, which is named or addressed, and give up after `timeout_s`."""

    host: str
    port: int
    timeout_s: float


@dataclass(frozen=True)
class Connected:
    """A connected TCP socket, the receiver's to close, and the address it leads to."""

    address: str
    fd: int


def entry_socket(mesh_dir: str | os.PathLike[str], name: str) -> Path:
    """Where a node that is no satellite makes connections."""
    return Path(mesh_dir, "nodes", f"{name}.entry.sock")


def pack_connect(request: Connect) -> bytes:
    """Bytes of the request."""
    host, port, timeout_s = request.host, request.port, request.timeout_s
    return _dump({"op": "connect", "host": host, "port": port, "timeout_s": timeout_s})


def unpack_connect(data: bytes) -> Connect:
    """The request in `data`. Raises EntryError."""
    message = load_object(data, "request", EntryError)
    host, port, timeout_s = (message.get(key) for key in ("host", "port", "timeout_s"))
    if message.get("op") != "connect":
        raise EntryError(f"op {message.get('op')!r}, expected connect")
    if not isinstance(host, str) or not 0 < len(host) <= LONGEST_HOST:
        raise EntryError(f"host {str(host)[:32]!r}, expected a name of up to {LONGEST_HOST} characters")
    if type(port) is not int or not 0 < port < 65536:
        raise EntryError(f"port {port!r}, expected 1 to 65535")
    if type(timeout_s) not in (int, float) or not 0 < timeout_s <= LONGEST_TIMEOUT_S:
        raise EntryError(f"timeout_s {timeout_s!r}, expected more than 0, to {LONGEST_TIMEOUT_S:g}")
    return Connect(host, port, float(timeout_s))


def send_connected(sock: socket.socket, connected: Connected) -> None:
    """The answer to a request that was served; the sender keeps its own copy open."""
    socket.send_fds(sock, [_dump({"address": connected.address})], [connected.fd])


def send_refused(sock: socket.socket, kind: Kind, error: str) -> None:
    """The answer to one that was not; a text that is too long for one message is cut."""
    sock.send(_dump({"kind": kind, "error": error[:512]}))


def receive_connected(sock: socket.socket) -> Connected:
    """The node's answer. Raises EntryRefusedError, EntryError, OSError (ConnectionResetError when the node has ended)."""
    data, fds = receive_fds(sock, MAX_MESSAGE_BYTES, 1)
    try:
        if not data:
            raise ConnectionResetError("the node ended before it answered")
        message = load_object(data, "answer", EntryError)
        if (kind := message.get("kind")) in get_args(Kind):
            raise EntryRefusedError(kind, str(message.get("error")))
        address = message.get("address")
        if not isinstance(address, str) or not fds:
            raise EntryError(f"answer {message!r}, expected an address and a descriptor")
    except (OSError, EntryError, EntryRefusedError):
        for fd in fds:
            os.close(fd)
        raise
    return Connected(address, fds[0])


def _dump(message: dict[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
