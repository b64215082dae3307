"""Who asks what when, and what the history says about it. Pure: times and answers in, events and dispatches out.

    plan --(at_s, node, request)--> waiting at its node --a free process--> invoke event, Dispatch --answer--> ok, fail, unknown

Open loop: an operation is meant to start when the plan says so, whatever became of earlier ones. One whose turn comes while
every process of its node is busy waits, and its latency counts from the intended start. Times are run time, seconds.

A process has one operation at a time. After an `unknown` it may still be doing what it was asked for, so it is retired and
another number goes on; so is every process of a node that died.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from skyrack.workloads.base import Request, Result, Task

# The invocation is on file, and on its way to the node, so long before the operation is to start.
LEAD_S: Final = 0.02
# A final request that was not answered is repeated after this.
AGAIN_S: Final = 0.2

NODE_DOWN = "the client's node is down"
NODE_DIED = "the client's node died"
NEVER_FREE = "no client was free until the load ended"
NO_ANSWER = "no answer until the load ended"
STOPPED = "the load was stopped"


class Record(Protocol):
    """Where operations are written down, as `skyrack.history.HistoryWriter` does."""

    def invoke(
        self,
        process: int,
        node: str,
        f: str,
        key: str = "",
        value: Any = None,
        *,
        time_s: float,
        intended_s: float | None = None,
    ) -> int:
        """An operation is about to be sent; its number."""

    def ok(self, op: int, result: Any = None, *, time_s: float) -> None:
        """It happened."""

    def fail(self, op: int, error: str = "", *, time_s: float) -> None:
        """It definitely did not happen; no `error` where that is the service's own answer."""

    def unknown(self, op: int, error: str, *, time_s: float) -> None:
        """It may have happened and may still happen."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What `node` is to ask `at_s` seconds after the start of the load."""

    at_s: float
    node: str
    request: Request


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What a process in a node is to do now, or at run time `at_s` if that is later."""

    op: int
    process: int
    node: str
    request: Request
    at_s: float


@dataclass(slots=True)
class _Lane:
    """Where operations happen one after the other; `process` is the number under which they do now."""

    node: str
    process: int


@dataclass(frozen=True, slots=True)
class _Out:
    """An operation that was invoked and has not ended."""

    op: int
    lane: _Lane
    at_s: float
    task: Task | None


class Coordinator:
    """One load, from its start to the last answer of its final tasks.

    Args:
        plan: in the order of `at_s`.
        processes: how many each node has at once; None: as many as it takes.
        duration_s: when the load is over; what was asked then has `patience_s` more to be answered.
        final: the final tasks for keys that were asked for; they are given up `final_s` after their start.
        record: gets every operation, an invocation before its dispatch is returned. What it raises is passed on.
    """

    def __init__(
        self,
        plan: Iterable[Planned],
        processes: Mapping[str, int | None],
        *,
        duration_s: float,
        patience_s: float,
        final: Callable[[Sequence[str]], Iterable[Task]] = lambda keys: (),
        final_s: float = 30.0,
        record: Record,
    ) -> None:
        self.unfinished = 0
        """How many final tasks were given up."""
        self._plan: Iterator[Planned] = iter(plan)
        self._next = next(self._plan, None)
        self._duration_s = duration_s
        self._patience_s = patience_s
        self._final = final
        self._final_s = final_s
        self._record = record
        self._start_s: float | None = None
        self._advanced_s = -math.inf
        self._processes = 0
        self._up: set[str] = set()
        self._elastic = {node for node, count in processes.items() if count is None}
        self._waiting: dict[str, deque[tuple[float, Request]]] = {node: deque() for node in processes}
        self._lanes: dict[str, list[_Lane]] = {node: [] for node in processes}
        self._free: dict[str, deque[_Lane]] = {node: deque() for node in processes}
        self._out: dict[int, _Out] = {}
        self._keys: dict[str, None] = {}
        self._tasks: deque[tuple[float, Task, Request]] | None = None
        self._final_until_s = 0.0
        self._over = False
        for place in range(max((count or 0 for count in processes.values()), default=0)):
            for node, count in processes.items():
                if count is not None and place < count:
                    self._free[node].append(self._new_lane(node))

    @property
    def over(self) -> bool:
        """Whether nothing is left to be asked or answered."""
        return self._over

    @property
    def is_final(self) -> bool:
        """Whether the load is over and its final tasks are under way, or done."""
        return self._tasks is not None

    def begin(self, start_s: float) -> None:
        """The load starts at this run time."""
        self._start_s = start_s

    def node_up(self, node: str) -> None:
        """The clients of a node are there."""
        self._up.add(node)

    def node_down(self, node: str, now_s: float) -> None:
        """The clients of a node are gone; they come back as others."""
        self._up.discard(node)
        for out in [out for out in self._out.values() if out.lane.node == node]:
            self.completed(out.op, Result("unknown", error=NODE_DIED), now_s)
        for lane in self._lanes[node]:
            lane.process = self._new_process()

    def completed(self, op: int, result: Result, time_s: float) -> None:
        """An operation has ended; one that was given up before has not ended again."""
        out = self._out.pop(op, None)
        if out is None:
            return
        time_s = max(time_s, out.at_s)
        match result.outcome:
            case "ok":
                self._record.ok(op, result.value, time_s=time_s)
            case "fail":
                self._record.fail(op, result.error, time_s=time_s)
            case "unknown":
                self._record.unknown(op, result.error, time_s=time_s)
        if result.outcome == "unknown":
            out.lane.process = self._new_process()
        self._free[out.lane.node].append(out.lane)
        if out.task is not None:
            self._resume(out.task, result, time_s)

    def advance(self, now_s: float) -> list[Dispatch]:
        """What is to be done, up to LEAD_S from now; call it when `next_s` says, and after everything that happened."""
        if self._start_s is None or self._over:
            return []
        self._advanced_s = now_s
        found: list[Dispatch] = []
        if self._tasks is None:
            self._fall_due(self._start_s, now_s)
            for node in self._waiting:
                found += self._serve(node, now_s)
            if self._main_is_over(self._start_s, now_s):
                self._begin_final(now_s)
        if self._tasks is not None:
            found += self._serve_tasks(now_s)
        return found

    def next_s(self) -> float:
        """The run time at which `advance` will have something to do if nothing happens until then; infinity if never."""
        if self._start_s is None or self._over:
            return math.inf
        if self._tasks is not None:
            free = any(self._free[node] or node in self._elastic for node in self._up)
            due_s = [not_before_s for not_before_s, _, _ in self._tasks] if free else []
            return min([*due_s, self._final_until_s])
        if self._next is not None:
            return self._start_s + self._next.at_s - LEAD_S
        end_s = self._start_s + self._duration_s
        return end_s if self._advanced_s < end_s else end_s + self._patience_s

    def stop(self, now_s: float, why: str = STOPPED) -> None:
        """End it here: what is out is unknown, what is due was never asked."""
        self._give_up(now_s, why, why)
        self._over = True

    def _main_is_over(self, start_s: float, now_s: float) -> bool:
        if self._next is not None or now_s < start_s + self._duration_s:
            return False
        quiet = not self._out and not any(self._waiting.values())
        return quiet or now_s >= start_s + self._duration_s + self._patience_s

    def _fall_due(self, start_s: float, now_s: float) -> None:
        while self._next is not None and start_s + self._next.at_s <= now_s + LEAD_S:
            planned, self._next = self._next, next(self._plan, None)
            self._waiting[planned.node].append((start_s + planned.at_s, planned.request))
            self._keys[planned.request.key] = None

    def _serve(self, node: str, now_s: float) -> Iterator[Dispatch]:
        waiting = self._waiting[node]
        while waiting:
            intended_s, request = waiting[0]
            if node in self._up:
                lane = self._take(node)
                if lane is None:
                    return
                waiting.popleft()
                yield self._invoke(lane, request, intended_s, now_s)
            elif intended_s <= now_s:
                waiting.popleft()
                self._refuse(node, request, intended_s, now_s, NODE_DOWN)
            else:
                return

    def _begin_final(self, now_s: float) -> None:
        self._give_up(now_s, NO_ANSWER, NEVER_FREE)
        self._tasks = deque()
        self._final_until_s = now_s + self._final_s
        for task in self._final(tuple(self._keys)):
            self._tasks.append((now_s, task, next(task)))

    def _serve_tasks(self, now_s: float) -> Iterator[Dispatch]:
        assert self._tasks is not None
        if now_s >= self._final_until_s:
            under_way = {id(out.task) for out in self._out.values()}
            self.unfinished = len(self._tasks) + len(under_way)
            self._tasks.clear()
            self.stop(now_s, NO_ANSWER)
            return
        for _ in range(len(self._tasks)):
            not_before_s, task, request = self._tasks.popleft()
            lane = self._take_anywhere() if not_before_s <= now_s else None
            if lane is None:
                self._tasks.append((not_before_s, task, request))
            else:
                yield self._invoke(lane, request, now_s, now_s, task)
        self._over = not self._tasks and not self._out

    def _resume(self, task: Task, result: Result, now_s: float) -> None:
        if self._tasks is None or self._over:
            return
        try:
            request = task.send(result)
        except StopIteration:
            return
        self._tasks.append((now_s + (0.0 if result.outcome == "ok" else AGAIN_S), task, request))

    def _give_up(self, now_s: float, out_error: str, waiting_error: str) -> None:
        for op in list(self._out):
            self.completed(op, Result("unknown", error=out_error), now_s)
        for node, waiting in self._waiting.items():
            while waiting:
                intended_s, request = waiting.popleft()
                if intended_s <= now_s:
                    self._refuse(node, request, intended_s, now_s, waiting_error)

    def _invoke(
        self, lane: _Lane, request: Request, intended_s: float, now_s: float, task: Task | None = None
    ) -> Dispatch:
        at_s = max(now_s, intended_s)
        op = self._write_down(lane, request, intended_s, at_s)
        self._out[op] = _Out(op, lane, at_s, task)
        return Dispatch(op, lane.process, lane.node, request, at_s)

    def _refuse(self, node: str, request: Request, intended_s: float, now_s: float, error: str) -> None:
        """On file as an operation that nobody began."""
        lane = self._take(node) or self._new_lane(node)
        self._record.fail(self._write_down(lane, request, intended_s, now_s), error, time_s=now_s)
        self._free[node].append(lane)

    def _write_down(self, lane: _Lane, request: Request, intended_s: float, at_s: float) -> int:
        return self._record.invoke(
            lane.process,
            lane.node,
            request.f,
            request.key,
            request.value,
            time_s=at_s,
            intended_s=intended_s,
        )

    def _take(self, node: str) -> _Lane | None:
        if self._free[node]:
            return self._free[node].popleft()
        return self._new_lane(node) if node in self._elastic else None

    def _take_anywhere(self) -> _Lane | None:
        """Of the node that has most to spare."""
        node = max(self._up, key=lambda node: len(self._free[node]), default=None)
        return None if node is None else self._take(node)

    def _new_lane(self, node: str) -> _Lane:
        lane = _Lane(node, self._new_process())
        self._lanes[node].append(lane)
        return lane

    def _new_process(self) -> int:
        self._processes += 1
        return self._processes - 1
