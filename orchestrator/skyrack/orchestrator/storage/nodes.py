"""What the kernel knows of a file system: nodes by number, each held by a descriptor until the kernel forgets it."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from skyrack.orchestrator.storage.wire import ROOT


@dataclass(slots=True)
class Node:
    """`fd`: of O_PATH, so that it can be a link or a socket too. `lookups`: how often the kernel was told of it."""

    fd: int
    inode: int
    lookups: int = 0

    @property
    def path(self) -> str:
        """A symbolic link to it, for calls that take no such descriptor."""
        return f"/proc/self/fd/{self.fd}"


class Nodes:
    """Nodes by number. A file with several names is one node."""

    def __init__(self, root: int) -> None:
        self._lock = threading.Lock()
        self._nodes = {ROOT: Node(os.dup(root), os.fstat(root).st_ino, 1)}
        self._by_inode = {self._nodes[ROOT].inode: ROOT}
        self._last = ROOT

    def __getitem__(self, number: int) -> Node:
        return self._nodes[number]

    def find(self, directory: int, name: str) -> tuple[int, os.stat_result]:
        """The node of a name, which counts as looked up once more. Raises OSError."""
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        status = os.fstat(fd)
        with self._lock:
            number = self._by_inode.get(status.st_ino)
            if number is None:
                self._last = number = self._last + 1
                self._nodes[number] = Node(fd, status.st_ino)
                self._by_inode[status.st_ino] = number
            else:
                os.close(fd)
            self._nodes[number].lookups += 1
        return number, status

    def forget(self, number: int, times: int) -> None:
        """The kernel has been told of it `times` less."""
        with self._lock:
            node = self._nodes.get(number)
            if node is None:
                return
            node.lookups -= times
            if node.lookups <= 0 and number != ROOT:
                del self._nodes[number], self._by_inode[node.inode]
                os.close(node.fd)

    def numbers(self) -> list[int]:
        """All there are."""
        with self._lock:
            return list(self._nodes)

    def number(self, inode: int) -> int | None:
        """The node of an inode, where the kernel knows it."""
        return self._by_inode.get(inode)

    def close(self) -> None:
        """The end."""
        with self._lock:
            for node in self._nodes.values():
                os.close(node.fd)
            self._nodes.clear()
            self._by_inode.clear()
