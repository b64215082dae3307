"""Ports of loopback for the servers of tests."""

from __future__ import annotations

import itertools
import os
import socket

# Below the ports that the kernel gives to clients, of which there are always some; a range for each worker.
_FIRST, _EACH, _WORKERS = 24_000, 1_000, 8
_numbers = itertools.count(os.getpid())


def free_port() -> int:
    """One that nobody listens on, and that nobody else is given."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    for number in itertools.islice(_numbers, _EACH):
        port = _FIRST + _EACH * worker + number % _EACH
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("no port is free")
