"""Wire format of the attach socket, over which a node hands its TUN device to the fabric.

    node                          AF_UNIX SOCK_SEQPACKET                       fabric
      |  {"v":1,"name":"p3s07"} + SCM_RIGHTS [tun descriptor]                    |
      | ----------------------------------------------------------------------> |
      |  {"ok":true,"index":40}   or   {"ok":false,"error":"..."}                |
      | <---------------------------------------------------------------------- |
      |  ... the socket stays open: it is the node's life, seen from both ends   |

Whoever only measures opens with {"op":"watch"} and no descriptor; hand_out.py has the answer.

Exceptions: `AttachError` for a message that breaks the format; `OSError` from the socket itself, including
`BlockingIOError`, so the functions serve blocking and non-blocking sockets alike.
"""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skyrack.v1.descriptors import MOST_FDS, discard, receive_fds
from skyrack.v1.messages import load_object

VERSION = 1
MAX_MESSAGE_BYTES = 4096


class AttachError(ValueError):
    """The peer sent something that is not an attach message of this version."""


@dataclass(frozen=True)
class Hello:
    """A node's first and only message."""

    name: str


@dataclass(frozen=True)
class Watch:
    """The first and only message of one who is no node: asks for the fabric's own figures."""


@dataclass(frozen=True)
class Accepted:
    """The fabric serves the node under this index."""

    index: int


@dataclass(frozen=True)
class Refused:
    """The fabric does not serve the node; `error` is for a human."""

    error: str


Reply = Accepted | Refused


def pack_hello(hello: Hello) -> bytes:
    """Bytes of a hello."""
    return _dump({"v": VERSION, "name": hello.name})


def unpack_hello(data: bytes) -> Hello:
    """The hello in `data`. Raises AttachError."""
    message = _load(data)
    version, name = message.get("v"), message.get("name")
    if type(version) is not int or version != VERSION:
        raise AttachError(f"attach version {version!r}, expected {VERSION}")
    if not isinstance(name, str) or not name:
        raise AttachError(f"attach name {name!r}, expected a non-empty string")
    return Hello(name)


def pack_watch() -> bytes:
    """Bytes of a watch."""
    return _dump({"op": "watch"})


def pack_reply(reply: Reply) -> bytes:
    """Bytes of a reply; an error that is too long for one message is cut."""
    if isinstance(reply, Accepted):
        return _dump({"ok": True, "index": reply.index})
    return _dump({"ok": False, "error": reply.error[:512]})


def unpack_reply(data: bytes) -> Reply:
    """The reply in `data`. Raises AttachError."""
    message = _load(data)
    if message.get("ok") is True:
        index = message.get("index")
        if type(index) is not int or index < 0:
            raise AttachError(f"attach index {index!r}, expected a whole number from 0")
        return Accepted(index)
    error = message.get("error")
    if message.get("ok") is False and isinstance(error, str):
        return Refused(error)
    raise AttachError(f"attach reply {message!r}, expected ok and index, or error")


def send_hello(sock: socket.socket, hello: Hello, tun_fd: int) -> None:
    """Send a hello with the descriptor; the sender keeps its own copy open."""
    socket.send_fds(sock, [pack_hello(hello)], [tun_fd])


def receive_opening(
    sock: socket.socket, close: Callable[[int], None] = discard
) -> tuple[Hello, int] | Watch | None:
    """A hello and its descriptor (close-on-exec, now the caller's to close), a watch, or None at end of stream.

    Raises AttachError when the message or its descriptor is wrong; descriptors that came with it are given to `close`.
    """
    data, fds = receive_fds(sock, MAX_MESSAGE_BYTES + 1, MOST_FDS)
    try:
        if not data and not fds:
            return None
        if not fds and _load(data).get("op") == "watch":
            return Watch()
        if len(fds) != 1:
            raise AttachError(f"attach message with {len(fds)} descriptors, expected 1")
        hello = unpack_hello(data)
    except AttachError:
        for fd in fds:
            close(fd)
        raise
    return hello, fds[0]


def send_reply(sock: socket.socket, reply: Reply) -> None:
    """Answer a hello."""
    sock.send(pack_reply(reply))


def _dump(message: dict[str, Any]) -> bytes:
    data = json.dumps(message, separators=(",", ":")).encode()
    if len(data) > MAX_MESSAGE_BYTES:
        raise AttachError(f"attach message of {len(data)} bytes, at most {MAX_MESSAGE_BYTES} allowed")
    return data


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_MESSAGE_BYTES:
        raise AttachError(f"attach message longer than {MAX_MESSAGE_BYTES} bytes")
    return load_object(data, "attach message", AttachError)
