"""How a worker comes to run inside a node. Two ways: local.py, where namespaces can be entered, and container.py.

A worker writes lines to one pipe and reads from another. The end of the first tells that it is gone, whichever way
it was started and wherever it ran.
"""

from __future__ import annotations

from typing import Protocol


class Worker(Protocol):
    """One that was started."""

    def end(self) -> None:
        """Have it gone, dead already or not, and let go of what was needed to know it."""
        ...


class Starter(Protocol):
    """Starts workers of one workload."""

    def start(self, source: str, *, warm_up: bool, lines: int, requests: int) -> Worker:
        """Start the worker of a source node; it gets copies of the descriptors, the caller's stay the caller's.

        Raises OSError: the node is not there yet, or on its way out.
        """
        ...
