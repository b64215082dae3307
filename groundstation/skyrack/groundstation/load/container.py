"""Workers of a run in containers: the init of the node's container forks them, since nobody can enter it from outside.

`--worker load=skyrack.groundstation.load.worker` is what that init is started with.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from skyrack.groundstation.load.client import Plan
from skyrack.v1 import node_init

KIND = "load"


class Remote:
    """A worker that lives as long as the connection: it ends with it, and also when this process is killed."""

    def __init__(self, connection: socket.socket, complain: Callable[[str], None]) -> None:
        self._connection = connection
        self._complain = complain

    def end(self) -> None:
        with self._connection:
            if refusal := self._refusal():
                self._complain(refusal)

    def _refusal(self) -> str:
        """Why there never was a worker; empty when there was one."""
        try:
            if data := self._connection.recv(node_init.MAX_MESSAGE_BYTES):
                node_init.unpack_answer(data)
        except node_init.NodeInitError as error:
            return str(error)
        except OSError:
            return ""  # no answer yet, or the container is gone
        return ""


class ContainerStarter:
    """Asks nodes/NAME.init.sock, without ever waiting for an answer: the worker's pipes tell what became of it."""

    def __init__(self, plan: Plan, mesh_dir: Path) -> None:
        self._mesh_dir = mesh_dir
        self._said: set[str] = set()
        # Of any length, which a message is not.
        self._plan = os.memfd_create("plan")
        with open(self._plan, "w", closefd=False) as file:
            json.dump(plan.as_mapping(), file)

    def reaches(self, source: str) -> bool:
        """Whether the node has such a container, up or down."""
        return node_init.init_socket(self._mesh_dir, source).exists()

    def start(self, source: str, *, warm_up: bool, lines: int, requests: int) -> Remote:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            connection.connect(os.fspath(node_init.init_socket(self._mesh_dir, source)))
            request = node_init.StartWorker(KIND, {"source": source, "warm_up": warm_up})
            node_init.send_request(connection, request, [self._plan, lines, requests])
        except OSError:
            connection.close()
            raise
        return Remote(connection, lambda refusal: self._say_once(f"{source}: no worker: {refusal}"))

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            print(text, file=sys.stderr, flush=True)
