"""A ping socket of one node's network, for whoever probes from one node only."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skyrack.orchestrator.measure.hold import connect_node
from skyrack.v1.hand_out import HandOutError, receive_node


class NotThereError(Exception):
    """The node does not hand out what its network is probed with; the message is for the user."""


def take_source(mesh_dir: Path, name: str) -> tuple[socket.socket, socket.socket]:
    """A connection whose end is that of the node's present life, and a ping socket of its network. Raises NotThereError."""
    try:
        life = connect_node(mesh_dir, name)
        handed = receive_node(life)
    except (OSError, HandOutError) as error:
        raise NotThereError(f"cannot probe from {name}: {error}") from error
    os.close(handed.net_dev)
    os.close(handed.schedstat)
    return life, socket.socket(fileno=handed.ping)


@contextmanager
def ping_socket(mesh_dir: Path, name: str) -> Iterator[socket.socket]:
    """The ping socket alone. Raises NotThereError."""
    life, sock = take_source(mesh_dir, name)
    with life, sock:
        yield sock
