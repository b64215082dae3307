"""The first message of a fabric's control connection, which the fabric opens and the orchestrator listens for.

    fabric                       AF_UNIX SOCK_SEQPACKET                     orchestrator
      | connect ---------------------------------------------------------------> |
      | <------- {"op":"serve"} + SCM_RIGHTS [configuration as JSON, memory]  -- |
      | {"op":"up", "scheduler", "scheduler_reason"} --------------------------> |
      | <----------------------------------------------------- orders: wire.py - |
      |  ... the connection stays open: its end is the end of the service        |

Both descriptors are memfds: the names of ten thousand satellites do not fit into a message.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from skyrack.orchestrator.fabric.wire import MAX_MESSAGE_BYTES, FabricConfig
from skyrack.v1.descriptors import receive_fds
from skyrack.v1.sockets import owner_only

_UCRED = struct.Struct("=iII")


class HandoverError(Exception):
    """The connection ended before anything was handed over, or with something else."""


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A socket, for its owner only, on which fabrics connect while the context lasts. Raises OSError."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(os.fspath(path))
        owner_only(path)
        listener.listen()
        listener.setblocking(False)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def connect(path: Path) -> socket.socket:
    """A connection to the orchestrator that listens at `path`. Raises OSError."""
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        control.connect(os.fspath(path))
    except OSError:
        control.close()
        raise
    return control


def peer_pid(control: socket.socket) -> int:
    """The process that connected, as seen from here; 0 where its PID namespace is not below this one."""
    pid: int = _UCRED.unpack(control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[0]
    return pid


def send_serve(control: socket.socket, config: FabricConfig, memory_fd: int) -> None:
    """Hand over the configuration and the shared memory. Raises OSError."""
    with os.fdopen(os.memfd_create("skyrack-fabric-config"), "wb") as file:
        file.write(config.to_json())
        file.flush()
        socket.send_fds(control, [json.dumps({"op": "serve"}).encode()], [file.fileno(), memory_fd])


def receive_serve(control: socket.socket) -> tuple[FabricConfig, int]:
    """Wait for the configuration and the descriptor of the shared memory, which is the caller's. Raises HandoverError."""
    try:
        data, descriptors = receive_fds(control, MAX_MESSAGE_BYTES, 2)
    except ConnectionError as error:
        raise HandoverError(str(error)) from error
    if not data:
        raise HandoverError("the orchestrator has ended the connection")
    if data != json.dumps({"op": "serve"}).encode() or len(descriptors) != 2:
        raise HandoverError(f"{data[:80]!r} with {len(descriptors)} descriptors, expected serve with 2")
    config_fd, memory_fd = descriptors
    size = os.fstat(config_fd).st_size
    with os.fdopen(config_fd, "rb"):
        return FabricConfig.from_json(os.pread(config_fd, size, 0)), memory_fd
