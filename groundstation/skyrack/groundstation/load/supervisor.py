"""Runs one load: the coordinator's dispatches to the nodes' workers, their answers to the history, word of it to the caller.

    caller <--JSON lines-- this process --requests--> worker in each source node, with its clients
       |  ^                   |   ^                      |
       |  '- operations       |   '------- answers ------'
       '- start RUN_S         v
                          history.jsonl: an operation is on file before it is sent

A worker lives in the node's PID namespace (starter.py), so it dies with the node, like any program that runs there. Then
what its clients had under way is `unknown`, and what is due before there is another worker is a `fail`: nobody began it.

This process forks, therefore it never opens a gRPC channel and has one thread.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skyrack.groundstation.load.client import Plan
from skyrack.groundstation.load.clock import RunClock
from skyrack.groundstation.load.told import Told
from skyrack.groundstation.load.workers import Workers
from skyrack.history import HistoryError, HistoryWriter
from skyrack.workloads import Result
from skyrack.workloads.coordinator import Coordinator, Record

TICK_S = 0.05
OPEN_AGAIN_S = 0.5
OPEN_UNTIL_S = 20.0


class Supervisor:
    """Runs one load.

    Args:
        sources: nodes that ask.
        coordinate: makes the coordinator, which writes to what it is given.
        history: where operations are written down; closed at the end.
        mesh_dir: the run's, with `nodes/<name>.sock` of every node, or `nodes/<name>.init.sock` of its container.
        say: gets every line of the output: {"event": "ready" | "source_down" | "source_up" | "final" | "failed" | "over"}, and
            every operation when it has ended.
        control: descriptor with the caller's lines: `start RUN_S` begins the load, the end of input stops it.
    """

    def __init__(
        self,
        plan: Plan,
        sources: Sequence[str],
        coordinate: Callable[[Record], Coordinator],
        history: HistoryWriter,
        mesh_dir: Path,
        say: Callable[[str], None],
        control: int,
    ) -> None:
        self._history = history
        self._coordinator = coordinate(Told(history, self._tell))
        self._say = say
        self._control = control
        self._clock = RunClock(plan.t0_monotonic_ns)
        self._selector = selectors.DefaultSelector()
        self._workers = Workers(plan, sources, mesh_dir, self._selector, self._hear, self._lose)
        self._opens = False
        self._open_again_s = 0.0
        self._open_until_s = self._clock.run_s() + OPEN_UNTIL_S  # from the first try on, once there is one
        self._tried = False
        self._why_not = "no node with a client serves"
        self._said_ready = False
        self._said_final = False
        self._stopped = False

    def run(self) -> None:
        """Until every operation has ended, or the caller or a full disk has ended it."""
        os.set_blocking(self._control, False)
        self._selector.register(self._control, selectors.EVENT_READ, self._obey)
        gc.freeze()
        whole = False
        try:
            while not self._stopped and not self._coordinator.over:
                now_s = self._clock.run_s()
                self._workers.look(now_s)
                self._dispatch(now_s)
                self._begin(now_s)
                wait_s = min(TICK_S, self._coordinator.next_s() - self._clock.run_s())
                for key, _ in self._selector.select(max(0.0, wait_s)):
                    key.data()
            self._coordinator.stop(self._clock.run_s())
            whole = True
        except HistoryError as error:
            self._tell({"event": "failed", "error": str(error)})
        finally:
            self._workers.end()
            self._selector.close()
            self._history.close(ended=whole)
        self._tell({"event": "over", "whole": whole, "unfinished": self._coordinator.unfinished})

    def _obey(self) -> None:
        data = os.read(self._control, 4096)
        for line in data.decode().splitlines():
            word, _, value = line.partition(" ")
            if word == "start":
                self._coordinator.begin(float(value))
        self._stopped = not data

    def _begin(self, now_s: float) -> None:
        """Have one client open the store, then say ready."""
        if self._said_ready or self._opens or not self._workers.settled or now_s < self._open_again_s:
            return
        if self._workers.ready:
            if not self._tried:
                self._tried, self._open_until_s = True, now_s + OPEN_UNTIL_S
            self._opens = True
            self._workers.send(self._workers.ready[0], {"open": True})
        elif now_s > self._open_until_s:
            self._tell({"event": "failed", "error": self._why_not})
            self._stopped = True

    def _dispatch(self, now_s: float) -> None:
        for order in self._coordinator.advance(now_s):
            asked = order.request
            request = {"op": order.op, "process": order.process, "at_s": order.at_s}
            self._workers.send(order.node, {**request, "f": asked.f, "key": asked.key, "value": asked.value})
        if self._coordinator.is_final and not self._said_final:
            self._said_final = True
            self._tell({"event": "final", "run_s": now_s})

    def _hear(self, node: str, message: dict[str, Any]) -> None:
        now_s = self._clock.run_s()
        if "op" in message:
            result = Result(message["type"], message["value"], message["error"])
            self._coordinator.completed(message["op"], result, message["time_s"])
        elif "ready" in message:
            self._coordinator.node_up(node)
            if self._workers.has_been_away(node):
                self._tell({"event": "source_up", "source": node, "run_s": now_s})
        elif "opened" in message:
            self._said_ready = True
            self._tell({"event": "ready"})
        else:
            self._not_opened(message["not_opened"], now_s)

    def _not_opened(self, why: str, now_s: float) -> None:
        self._opens, self._open_again_s, self._why_not = False, now_s + OPEN_AGAIN_S, why
        if now_s > self._open_until_s:
            self._tell({"event": "failed", "error": why})
            self._stopped = True

    def _lose(self, node: str) -> None:
        now_s = self._clock.run_s()
        self._coordinator.node_down(node, now_s)
        if not self._said_ready:
            self._not_opened(f"{node} died", now_s)
        self._tell({"event": "source_down", "source": node, "run_s": now_s})

    def _tell(self, message: Mapping[str, Any]) -> None:
        self._say(json.dumps(message))
