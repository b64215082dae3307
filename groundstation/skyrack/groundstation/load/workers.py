"""One worker in every source node, for as long as that node lives; its lines in, requests out."""

from __future__ import annotations

import fcntl
import json
import os
import selectors
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyrack.groundstation.load.client import Plan
from skyrack.groundstation.load.container import ContainerStarter
from skyrack.groundstation.load.local import LocalStarter
from skyrack.groundstation.load.starter import Starter, Worker

RETRY_S = 0.1
_READ_BYTES = 1 << 16
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031


@dataclass(slots=True)
class _Source:
    """One source node and its worker, if it has one."""

    name: str
    worker: Worker | None = None
    lines: int = -1
    requests: int = -1
    partial: bytes = b""
    unsent: bytes = b""
    ready: bool = False
    retry_s: float = 0.0
    starts: int = 0


class Workers:
    """Starts them, again and again. Has one thread and opens no gRPC channel, because it forks.

    Args:
        heard: gets every message of a worker, with its node.
        lost: gets the name of a node whose worker is gone: the node died, most likely.
    """

    def __init__(
        self,
        plan: Plan,
        sources: Sequence[str],
        mesh_dir: Path,
        selector: selectors.BaseSelector,
        heard: Callable[[str, dict[str, Any]], None],
        lost: Callable[[str], None],
    ) -> None:
        self._local = LocalStarter(plan, mesh_dir, self._leave)
        self._container = ContainerStarter(plan, mesh_dir)
        self._selector = selector
        self._heard = heard
        self._lost = lost
        self._sources = {name: _Source(name) for name in sources}

    @property
    def settled(self) -> bool:
        """Whether every source has had its first chance: its worker is ready, or its node is not there."""
        return all(source.ready or not source.starts for source in self._sources.values())

    @property
    def ready(self) -> list[str]:
        """Nodes whose worker takes requests."""
        return [source.name for source in self._sources.values() if source.ready]

    def has_been_away(self, name: str) -> bool:
        """Whether the node's worker is not its first."""
        return self._sources[name].starts > 1

    def look(self, now_s: float) -> None:
        """Start a worker where a node serves and has none; pass on what a worker had not read. Several times a second."""
        for source in self._sources.values():
            if source.worker is None and now_s >= source.retry_s:
                source.retry_s = now_s + RETRY_S
                self._launch(source)
            elif source.unsent:
                self._flush(source)

    def send(self, name: str, message: Mapping[str, Any]) -> None:
        """Give a worker something to do. One that has gone is lost, and one that is paused gets it later."""
        source = self._sources[name]
        source.unsent += json.dumps(message).encode() + b"\n"
        self._flush(source)

    def end(self) -> None:
        """Kill what still runs."""
        for source in self._sources.values():
            if source.worker is not None:
                self._let_go(source)

    def _launch(self, source: _Source) -> None:
        lines_read, lines_write = os.pipe()
        requests_read, requests_write = os.pipe()
        for pipe in (lines_write, requests_write):
            with suppress(OSError):  # what a user may have in pipes is limited
                fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
        starter: Starter = self._container if self._container.reaches(source.name) else self._local
        try:
            worker = starter.start(
                source.name, warm_up=source.starts == 0, lines=lines_write, requests=requests_read
            )
        except OSError:
            # Not there yet, or on its way out: tried again soon.
            os.close(lines_read)
            os.close(requests_write)
            return
        finally:
            os.close(lines_write)
            os.close(requests_read)
        os.set_blocking(lines_read, False)
        os.set_blocking(requests_write, False)
        source.worker, source.lines, source.requests = worker, lines_read, requests_write
        source.partial = source.unsent = b""
        source.starts += 1
        self._selector.register(lines_read, selectors.EVENT_READ, lambda: self._read(source))

    def _leave(self) -> None:
        """In a forked worker: close what is the supervisor's."""
        self._selector.close()
        for source in self._sources.values():
            if source.worker is not None:
                os.close(source.lines)
                os.close(source.requests)

    def _read(self, source: _Source) -> None:
        data = os.read(source.lines, _READ_BYTES)
        if not data:
            self._let_go(source)
            self._lost(source.name)
            return
        *lines, source.partial = (source.partial + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "ready" in message:
                source.ready = True
            self._heard(source.name, message)

    def _let_go(self, source: _Source) -> None:
        assert source.worker is not None
        self._selector.unregister(source.lines)
        os.close(source.lines)
        os.close(source.requests)
        source.worker.end()
        source.worker, source.ready, source.unsent = None, False, b""

    def _flush(self, source: _Source) -> None:
        if source.worker is None:
            return
        try:
            source.unsent = source.unsent[os.write(source.requests, source.unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            source.unsent = b""  # died meanwhile; `_read` will notice
