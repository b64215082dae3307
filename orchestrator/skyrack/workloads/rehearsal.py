"""A workload against a store in this process, in virtual time: to try one, or a bug, without a constellation.

Every call of a store is under way for a while before and after it takes effect, drawn from the seed, so that operations of
different clients overlap and the same seed gives the same history, byte for byte. A store waits for nothing else.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Coroutine, Generator
from dataclasses import replace
from typing import Any

from skyrack.history import Header, History, Operation
from skyrack.workloads.base import Result, Workload
from skyrack.workloads.coordinator import Coordinator
from skyrack.workloads.schedule import planned
from skyrack.workloads.stores import Failed, Store

NODES = ("a", "b", "c")
_WAY_S = 0.02


async def rehearse(
    workload: Workload,
    connect: Callable[[], Store],
    *,
    operations: int = 1000,
    rate_hz: float = 100.0,
    clients_per_node: int = 4,
    seed: int = 1,
) -> History:
    """The history of `operations` and of the final tasks.

    `connect` gives each client its store, and gives it another after an `unknown`.
    """
    duration_s = operations / rate_hz
    record = _Record()
    coordinator = Coordinator(
        planned(workload, NODES, rate_hz=rate_hz, duration_s=duration_s, seed=seed),
        dict.fromkeys(NODES, clients_per_node),
        duration_s=duration_s,
        patience_s=1.0,
        final=lambda keys: workload.final(keys, clients_per_node * len(NODES)),
        record=record,
    )
    for node in NODES:
        coordinator.node_up(node)
    await workload.open(connect())
    coordinator.begin(0.0)
    draw = random.Random(f"{seed}/rehearsal")
    stores: dict[int, Any] = {}
    under_way: dict[int, Coroutine[Any, None, Any]] = {}
    coming: list[tuple[float, int]] = []  # when which operation goes on
    now_s = 0.0
    while not coordinator.over:
        for dispatch in coordinator.advance(now_s):
            if dispatch.process not in stores:
                stores[dispatch.process] = _Distant(connect())
            under_way[dispatch.op] = workload.invoke(stores[dispatch.process], dispatch.request)
            heapq.heappush(coming, (dispatch.at_s, dispatch.op))
        next_s = coordinator.next_s()
        if not coming or coming[0][0] > next_s > now_s:
            now_s = max(now_s, next_s)
            continue
        now_s, op = heapq.heappop(coming)
        result = _go_on(under_way[op])
        if result is None:
            heapq.heappush(coming, (now_s + draw.expovariate(1 / _WAY_S), op))
        else:
            del under_way[op]
            coordinator.completed(op, result, now_s)
    header = Header(workload.name, workload.model, "rehearsal", seed, options=workload.facts())
    return History(header, record.operations)


def _go_on(operation: Coroutine[Any, None, Any]) -> Result | None:
    """Until it waits again (None), or has ended."""
    try:
        waits_for = operation.send(None)
    except StopIteration as end:
        return Result("ok", end.value)
    except Failed as error:
        return Result.failed(error)
    except Exception as error:
        return Result("unknown", error=f"{type(error).__name__}: {error}")
    assert isinstance(waits_for, _Way), f"a store in a rehearsal cannot wait for {waits_for!r}"
    return None


class _Way:
    """A way between client and store."""

    def __await__(self) -> Generator[_Way, None, None]:
        yield self


class _Distant:
    """A store with a way there and a way back around every call."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, method: str) -> Callable[..., Coroutine[Any, None, Any]]:
        async def call(*arguments: Any) -> Any:
            await _Way()
            answer = await getattr(self._store, method)(*arguments)
            await _Way()
            return answer

        return call


class _Record:
    """What a history's file would say, joined."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

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
        op = len(self.operations)
        intended_s = time_s if intended_s is None else intended_s
        begun = Operation(op, process, node, f, key, value, None, "unknown", time_s, math.inf, intended_s)
        self.operations.append(begun)
        return op

    def ok(self, op: int, result: Any = None, *, time_s: float) -> None:
        self._end(op, result=result, outcome="ok", completed_s=time_s)

    def fail(self, op: int, error: str = "", *, time_s: float) -> None:
        self._end(op, outcome="fail", completed_s=time_s, error=error)

    def unknown(self, op: int, error: str, *, time_s: float) -> None:
        self._end(op, error=error)

    def _end(self, op: int, **what: Any) -> None:
        self.operations[op] = replace(self.operations[op], **what)
