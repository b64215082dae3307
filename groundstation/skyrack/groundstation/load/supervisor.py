"""Keeps one worker alive in every source node, and accounts for every planned operation exactly once.

A worker lives in the node's PID namespace (starter.py), so it dies with the node, like any program that runs there. Then
- operations it may have started and did not finish are `unknown` ("source died"),
- operations meant to start before a new worker is ready are `fail` ("source down"): nobody started them.

This process forks, therefore it never opens a gRPC channel and has one thread.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from skyrack.groundstation.load.arrivals import Arrival, Arrivals
from skyrack.groundstation.load.clock import RunClock
from skyrack.groundstation.load.container import ContainerStarter
from skyrack.groundstation.load.echo import EchoPlan
from skyrack.groundstation.load.local import LocalStarter
from skyrack.groundstation.load.operation import Kind, Operation
from skyrack.groundstation.load.starter import Starter, Worker

_TICK_S = 0.05
_RETRY_S = 0.1
_LEAD_S = 0.02
_GRACE_S = 1.0
_READ_BYTES = 1 << 16


class _Planned:
    """The operations of one pair: which are due, which are out."""

    def __init__(self, arrivals: Arrivals, index: int) -> None:
        self.name = arrivals.pairs[index].name
        self._arrivals: Iterator[Arrival] = arrivals.of(index)
        self._next = next(self._arrivals, None)
        self.out: dict[int, float] = {}

    def due(self, start_s: float, now_s: float) -> Iterator[tuple[int, float]]:
        """Operations and intended run times not taken yet, up to `now_s`."""
        while self._next is not None and start_s + self._next.at_s <= now_s:
            arrival, self._next = self._next, next(self._arrivals, None)
            yield arrival.op, start_s + arrival.at_s

    @property
    def over(self) -> bool:
        """Whether no operation is left to begin or to end."""
        return self._next is None and not self.out


@dataclass(slots=True)
class _Source:
    """One source node and its worker, if it has one: `from_s` is when that one takes over, None until it is ready."""

    name: str
    pairs: dict[str, _Planned]
    worker: Worker | None = None
    lines: int = -1
    go: int = -1
    partial: bytes = b""
    from_s: float | None = None
    retry_s: float = 0.0
    starts: int = field(default=0)

    @property
    def over(self) -> bool:
        return all(pair.over for pair in self.pairs.values())


class Supervisor:
    """Runs one echo workload.

    Args:
        mesh_dir: the run's, with `nodes/<name>.sock` of every node, or `nodes/<name>.init.sock` of its container.
        emit: gets every line of the output: operations, and events ({"event": "ready" | "source_down" | "source_up"}).
        control: descriptor with the caller's lines: `start RUN_S` begins the workload, the end of input stops it.
    """

    def __init__(self, plan: EchoPlan, mesh_dir: Path, emit: Callable[[str], None], control: int) -> None:
        self._plan = plan
        self._local = LocalStarter(plan, mesh_dir, self._leave)
        self._container = ContainerStarter(plan, mesh_dir)
        self._emit = emit
        self._control = control
        self._clock = RunClock(plan.t0_monotonic_ns)
        self._start_s: float | None = None
        self._said_ready = False
        self._stopped = False
        self._selector = selectors.DefaultSelector()
        planned = [_Planned(plan.arrivals, index) for index in range(len(plan.arrivals.pairs))]
        names = dict.fromkeys(pair.a for pair in plan.arrivals.pairs)
        self._sources = [
            _Source(
                name,
                {p.name: p for p, pair in zip(planned, plan.arrivals.pairs, strict=True) if pair.a == name},
            )
            for name in names
        ]

    def run(self) -> None:
        """Until every operation is accounted for."""
        os.set_blocking(self._control, False)
        self._selector.register(self._control, selectors.EVENT_READ, self._obey)
        gc.freeze()
        try:
            while not self._stopped and not (self._start_s is not None and self._all_over()):
                self._fill_gaps()
                for key, _ in self._selector.select(_TICK_S):
                    key.data()
                self._advance(self._clock.run_s())
        finally:
            self._end()

    def _all_over(self) -> bool:
        assert self._start_s is not None
        end_s = self._start_s + self._plan.arrivals.duration_s + self._plan.timeout_s + _GRACE_S
        return all(source.over for source in self._sources) or self._clock.run_s() > end_s

    def _obey(self) -> None:
        data = os.read(self._control, 4096)
        for line in data.decode().splitlines():
            word, _, value = line.partition(" ")
            if word == "start":
                self._start_s = float(value)
                for source in self._sources:
                    if source.worker is not None and source.from_s is not None:
                        self._send_go(source, self._start_s)
        self._stopped = not data

    def _fill_gaps(self) -> None:
        """Start a worker where a node serves and has none; say once when every source has had its first chance."""
        now_s = self._clock.run_s()
        for source in self._sources:
            if source.worker is None and not source.over and now_s >= source.retry_s:
                source.retry_s = now_s + _RETRY_S
                self._launch(source)
        if not self._said_ready and all(
            source.from_s is not None or not source.starts for source in self._sources
        ):
            self._said_ready = True
            self._emit(json.dumps({"event": "ready"}))

    def _launch(self, source: _Source) -> None:
        lines_read, lines_write = os.pipe()
        go_read, go_write = os.pipe()
        starter: Starter = self._container if self._container.reaches(source.name) else self._local
        try:
            worker = starter.start(source.name, warm_up=source.starts == 0, lines=lines_write, go=go_read)
        except OSError:
            # Not there yet, or on its way out: tried again soon.
            os.close(lines_read)
            os.close(go_write)
            return
        finally:
            os.close(lines_write)
            os.close(go_read)
        os.set_blocking(lines_read, False)
        source.worker, source.lines, source.go, source.partial = worker, lines_read, go_write, b""
        source.starts += 1
        self._selector.register(lines_read, selectors.EVENT_READ, lambda: self._read(source))

    def _leave(self) -> None:
        """In a forked worker: close what is the supervisor's."""
        self._selector.close()
        for source in self._sources:
            if source.worker is not None:
                os.close(source.lines)
                os.close(source.go)

    def _read(self, source: _Source) -> None:
        data = os.read(source.lines, _READ_BYTES)
        if not data:
            self._lost(source)
            return
        *lines, source.partial = (source.partial + data).split(b"\n")
        for line in lines:
            if line == b"ready":
                self._take_over(source)
                continue
            operation = json.loads(line)
            # An operation can end in the tick in which it became due.
            self._advance_source(source, self._clock.run_s())
            source.pairs[operation["pair"]].out.pop(operation["op"], None)
            self._emit(line.decode())

    def _take_over(self, source: _Source) -> None:
        source.from_s = self._clock.run_s() + _LEAD_S
        if source.starts > 1:
            self._event("source_up", source)
        if self._start_s is not None:
            self._advance_source(source, self._clock.run_s())
            self._send_go(source, self._start_s)

    def _send_go(self, source: _Source, start_s: float) -> None:
        try:
            os.write(source.go, f"{start_s!r} {source.from_s!r}\n".encode())
        except BrokenPipeError:
            return  # died meanwhile; `_read` will notice

    def _lost(self, source: _Source) -> None:
        """The worker is gone: with its node, or because it has done its work."""
        now_s = self._clock.run_s()
        self._advance_source(source, now_s)
        assert source.worker is not None
        self._selector.unregister(source.lines)
        os.close(source.lines)
        os.close(source.go)
        source.worker.end()
        source.worker, source.from_s = None, None
        source.retry_s = now_s + _RETRY_S
        if not source.over:
            self._event("source_down", source)
            self._give_up(source, now_s, "source died")

    def _advance(self, now_s: float) -> None:
        for source in self._sources:
            self._advance_source(source, now_s)

    def _advance_source(self, source: _Source, now_s: float) -> None:
        """Take what has become due: the worker's if there is one that began before, else nobody's."""
        if self._start_s is None:
            return
        for pair in source.pairs.values():
            for op, intended_s in pair.due(self._start_s, now_s):
                if source.from_s is not None and intended_s >= source.from_s:
                    pair.out[op] = intended_s
                else:
                    self._account(pair.name, op, intended_s, now_s, "fail", "source down")

    def _give_up(self, source: _Source, now_s: float, error: str) -> None:
        for pair in source.pairs.values():
            for op, intended_s in pair.out.items():
                self._account(pair.name, op, intended_s, now_s, "unknown", error)
            pair.out.clear()

    def _account(self, pair: str, op: int, intended_s: float, now_s: float, kind: Kind, error: str) -> None:
        self._emit(Operation(op, pair, intended_s, None, now_s, kind, error).line())

    def _event(self, word: str, source: _Source) -> None:
        self._emit(json.dumps({"event": word, "source": source.name, "run_s": self._clock.run_s()}))

    def _end(self) -> None:
        """Kill what still runs; its operations stay unknown."""
        now_s = self._clock.run_s()
        self._advance(now_s)
        for source in self._sources:
            if source.worker is not None:
                source.worker.end()
                source.worker = None
            self._give_up(source, now_s, "stopped")
        self._selector.close()
