"""Whether anybody listens at a socket of the file system, without a word to it."""

from __future__ import annotations

import socket
from pathlib import Path


def listens(path: Path, kind: socket.SocketKind) -> bool:
    """Whether a connection of that kind would be taken there now."""
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
