"""Wire format by which the processes of a run hand descriptors to whoever measures it.

    node, nodes/NAME.net.sock                                      who measures
      |  {"name":"p3s07","address":"100.64.0.41"} + SCM_RIGHTS       |
      |  [ping socket, /proc/self/net/dev, /proc/self/schedstat]     |
      | -----------------------------------------------------------> |  as soon as it connects

    fabric, fabric.sock                                            who measures
      |                                             {"op":"watch"}   |  see attach.py
      | <----------------------------------------------------------- |
      |  {} + SCM_RIGHTS [schedstat of the loop's thread]            |
      | -----------------------------------------------------------> |

AF_UNIX SOCK_SEQPACKET. Nothing more is said; the end of the connection is the end of the process. A descriptor works
wherever its receiver is: no pid is needed, no namespace entered. The files are read with pread at 0. Who cannot hand
out answers {"error": "..."}.

Exceptions: `HandOutError` for an error that was answered and for a message that breaks the format; `OSError` from the
socket itself, including `BlockingIOError`.
"""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skyrack.v1.descriptors import receive_fds
from skyrack.v1.messages import load_object

MAX_MESSAGE_BYTES = 4096


class HandOutError(ValueError):
    """The peer hands nothing out, or what it sent is not a hand-out."""


@dataclass(frozen=True)
class Handed:
    """What a node hands out: descriptors, the receiver's to close.

    `ping`: a datagram ICMP socket of its network, unconnected and not yet bound to an identifier. `net_dev`: live
    counters of its network's devices. `schedstat`: of the node process's main thread.
    """

    name: str
    address: str
    ping: int
    net_dev: int
    schedstat: int


def send_node(sock: socket.socket, handed: Handed) -> None:
    """A node's one message; the sender keeps its own copies open."""
    message = {"name": handed.name, "address": handed.address}
    _send(sock, message, [handed.ping, handed.net_dev, handed.schedstat])


def receive_node(sock: socket.socket) -> Handed:
    """A node's one message. Raises HandOutError, OSError (ConnectionResetError when the node ended without)."""
    message, fds = _receive(sock, 3)
    name, address = message.get("name"), message.get("address")
    if not isinstance(name, str) or not isinstance(address, str):
        for fd in fds:
            os.close(fd)
        raise HandOutError(f"hand-out {message!r}, expected name and address")
    return Handed(name, address, *fds)


def send_fabric(sock: socket.socket, schedstat: int) -> None:
    """The fabric's answer to a watch; it keeps its own copy open."""
    _send(sock, {}, [schedstat])


def receive_fabric(sock: socket.socket) -> int:
    """The schedstat descriptor of the fabric. Raises HandOutError, OSError."""
    return _receive(sock, 1)[1][0]


def send_error(sock: socket.socket, error: str) -> None:
    """Say why nothing is handed out."""
    _send(sock, {"error": error[:512]}, [])


def _send(sock: socket.socket, message: Mapping[str, str], fds: list[int]) -> None:
    socket.send_fds(sock, [json.dumps(message, separators=(",", ":")).encode()], fds)


def _receive(sock: socket.socket, count: int) -> tuple[dict[str, Any], list[int]]:
    data, fds = receive_fds(sock, MAX_MESSAGE_BYTES, count)
    try:
        if not data:
            raise ConnectionResetError("the connection ended before anything was handed out")
        message = load_object(data, "hand-out", HandOutError)
        if "error" in message:
            raise HandOutError(str(message["error"]))
        if len(fds) != count:
            raise HandOutError(f"hand-out with {len(fds)} descriptors, expected {count}")
    except (OSError, HandOutError):
        for fd in fds:
            os.close(fd)
        raise
    return message, fds
