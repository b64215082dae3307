"""A ping socket of one node's network, for as long as it is wanted."""

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


@contextmanager
def ping_socket(mesh_dir: Path, name: str) -> Iterator[socket.socket]:
    """Of the node's present life. Raises NotThereError."""
    try:
        with connect_node(mesh_dir, name) as connection:
            handed = receive_node(connection)
    except (OSError, HandOutError) as error:
        raise NotThereError(f"cannot probe from {name}: {error}") from error
    os.close(handed.net_dev)
    os.close(handed.schedstat)
    with socket.socket(fileno=handed.ping) as sock:
        yield sock
