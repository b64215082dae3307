"""Who asks what when: open loop, processes, nodes that die, final tasks. Time is what the tests say it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from skyrack.workloads import Request, Result, Task, until_ok
from skyrack.workloads.coordinator import (
    AGAIN_S,
    LEAD_S,
    NEVER_FREE,
    NO_ANSWER,
    NODE_DIED,
    NODE_DOWN,
    STOPPED,
    Coordinator,
    Dispatch,
    Planned,
)

OK = Result("ok", 1)
UNKNOWN = Result("unknown", error="time-out")


class Lines:
    """A record as a list of (what, operation, process, when, error)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int, int, float, str]] = []
        self.intended: list[float] = []
        self.nodes: list[str] = []
        self._processes: list[int] = []

    def invoke(
        self, process: int, node: str, f: str, key: str = "", value: Any = None, *, time_s: float,
        intended_s: float | None = None,
    ) -> int:  # fmt: skip
        assert intended_s is not None
        self._processes.append(process)
        self.intended.append(intended_s)
        self.nodes.append(node)
        op = len(self._processes) - 1
        self.lines.append(("invoke", op, process, time_s, ""))
        return op

    def ok(self, op: int, result: Any = None, *, time_s: float) -> None:
        self.lines.append(("ok", op, self._processes[op], time_s, ""))

    def fail(self, op: int, error: str = "", *, time_s: float) -> None:
        self.lines.append(("fail", op, self._processes[op], time_s, error))

    def unknown(self, op: int, error: str, *, time_s: float) -> None:
        self.lines.append(("unknown", op, self._processes[op], time_s, error))

    def ends(self) -> dict[int, tuple[str, str]]:
        return {op: (what, error) for what, op, _, _, error in self.lines if what != "invoke"}


def request(key: str = "x") -> Request:
    return Request("write", key, 1)


def begun(
    plan: Iterable[Planned],
    *,
    nodes: dict[str, int | None],
    final: Sequence[Task] = (),
    duration_s: float = 10.0,
) -> tuple[Coordinator, Lines]:
    lines = Lines()
    coordinator = Coordinator(
        plan,
        nodes,
        duration_s=duration_s,
        patience_s=1.0,
        final=lambda keys: final,
        final_s=5.0,
        record=lines,
    )
    for node in nodes:
        coordinator.node_up(node)
    coordinator.begin(100.0)
    return coordinator, lines


def every(period_s: float, count: int, node: str = "a") -> list[Planned]:
    return [Planned(k * period_s, node, request()) for k in range(count)]


def test_an_operation_is_on_file_and_sent_before_it_is_to_start_and_not_earlier() -> None:
    coordinator, lines = begun(every(1.0, 2), nodes={"a": 2})
    assert coordinator.advance(99.9) == []
    assert coordinator.next_s() == pytest.approx(100.0 - LEAD_S)
    (order,) = coordinator.advance(99.99)
    assert order == Dispatch(0, 0, "a", request(), 100.0)
    assert lines.lines == [("invoke", 0, 0, 100.0, "")]
    assert coordinator.next_s() == pytest.approx(101.0 - LEAD_S)


def test_one_whose_turn_comes_while_all_are_busy_waits_and_counts_from_when_it_was_meant_to_start() -> None:
    coordinator, lines = begun(every(1.0, 2), nodes={"a": 1})
    (first,) = coordinator.advance(100.0)
    assert coordinator.advance(101.5) == []
    coordinator.completed(first.op, OK, 102.0)
    (second,) = coordinator.advance(102.0)
    assert (second.at_s, second.process) == (102.0, 0)
    assert lines.intended == [100.0, 101.0]


def test_a_process_has_one_operation_at_a_time_and_is_retired_by_an_unknown_one() -> None:
    coordinator, lines = begun(every(0.0, 5), nodes={"a": 2})
    assert [order.process for order in coordinator.advance(100.0)] == [0, 1]
    coordinator.completed(0, UNKNOWN, 100.5)
    coordinator.completed(1, Result("fail"), 100.6)
    assert [order.process for order in coordinator.advance(100.7)] == [2, 1]
    coordinator.completed(0, OK, 100.8)  # given up before: its answer comes too late
    assert [what for what, op, *_ in lines.lines if op == 0] == ["invoke", "unknown"]


def test_a_node_that_dies_takes_its_clients_with_it_and_brings_back_others() -> None:
    plan = [Planned(k / 2, node, request()) for k in range(6) for node in ("a", "b")]
    coordinator, lines = begun(plan, nodes={"a": 1, "b": 1})
    coordinator.advance(100.0)
    coordinator.completed(1, OK, 100.1)
    coordinator.node_down("a", 100.2)
    assert lines.ends()[0] == ("unknown", NODE_DIED)
    assert [order.node for order in coordinator.advance(100.5)] == ["b"]
    assert ("fail", NODE_DOWN) in lines.ends().values()
    coordinator.node_up("a")
    (order,) = [order for order in coordinator.advance(101.0) if order.node == "a"]
    assert order.process not in {0, 1}
    gone = {process for what, op, process, *_ in lines.lines if what == "invoke" and op == 0}
    assert order.process not in gone


def test_what_died_before_it_was_to_start_does_not_end_before_it_began() -> None:
    coordinator, lines = begun(every(1.0, 1), nodes={"a": 1})
    coordinator.advance(99.985)
    coordinator.node_down("a", 99.99)
    assert lines.lines == [("invoke", 0, 0, 100.0, ""), ("unknown", 0, 0, 100.0, NODE_DIED)]


def test_who_never_was_free_is_told_of_all_the_same() -> None:
    """An overloaded service must not look available because nobody could ask it."""
    coordinator, lines = begun(every(0.1, 3), nodes={"a": 1}, duration_s=1.0)
    coordinator.advance(100.0)
    coordinator.advance(100.5)
    assert not coordinator.over
    coordinator.advance(102.1)
    assert lines.ends() == {0: ("unknown", NO_ANSWER), 1: ("fail", NEVER_FREE), 2: ("fail", NEVER_FREE)}
    assert coordinator.over


def test_echo_takes_as_many_processes_as_it_needs() -> None:
    coordinator, _ = begun(every(0.0, 3), nodes={"a": None})
    assert [order.process for order in coordinator.advance(100.0)] == [0, 1, 2]
    for op in range(3):
        coordinator.completed(op, OK, 100.1)


def test_final_tasks_begin_when_everything_is_answered_and_are_repeated_until_they_are() -> None:
    task = until_ok(Request("read", "x"))
    coordinator, lines = begun(every(0.0, 1), nodes={"a": 1, "b": 1}, final=[task], duration_s=1.0)
    coordinator.advance(100.0)
    coordinator.advance(101.0)
    assert not coordinator.is_final, "an operation is still under way"
    coordinator.completed(0, OK, 101.2)
    (order,) = coordinator.advance(101.2)
    assert coordinator.is_final
    assert order.request == Request("read", "x")
    coordinator.node_down(order.node, 101.3)
    assert coordinator.advance(101.3) == []
    (again,) = coordinator.advance(101.3 + AGAIN_S)
    assert again.node != order.node
    assert not coordinator.over
    coordinator.completed(again.op, OK, 101.6)
    coordinator.advance(101.6)
    assert coordinator.over
    assert coordinator.unfinished == 0
    assert lines.ends()[order.op] == ("unknown", NODE_DIED)


def test_final_tasks_that_get_no_answer_are_given_up_and_counted() -> None:
    tasks = [until_ok(Request("read", key)) for key in "xy"]
    coordinator, lines = begun([], nodes={"a": 1}, final=tasks, duration_s=1.0)
    (order,) = coordinator.advance(101.0)
    assert coordinator.advance(106.5) == []
    assert coordinator.over
    assert coordinator.unfinished == 2
    assert lines.ends()[order.op] == ("unknown", NO_ANSWER)


def test_who_waits_for_answers_alone_is_not_told_to_look_all_the_time() -> None:
    """The load runs on the machine that is measured."""
    tasks = [until_ok(Request("read", key)) for key in "xy"]
    coordinator, _ = begun(every(0.0, 1), nodes={"a": 1}, final=tasks, duration_s=1.0)
    coordinator.advance(100.0)
    assert coordinator.next_s() == 101.0
    coordinator.advance(101.0)
    assert coordinator.next_s() == 102.0, "when what is under way is given up"
    coordinator.completed(0, OK, 101.2)
    (order,) = coordinator.advance(101.2)
    assert coordinator.next_s() == pytest.approx(106.2), "the second task waits for the only client"
    coordinator.completed(order.op, OK, 101.5)
    assert coordinator.next_s() < 101.5


def test_a_load_that_is_stopped_leaves_no_operation_without_an_end() -> None:
    coordinator, lines = begun(every(0.5, 10), nodes={"a": 1})
    coordinator.advance(100.0)
    coordinator.advance(101.0)
    coordinator.stop(101.1)
    assert lines.ends() == {0: ("unknown", STOPPED), 1: ("fail", STOPPED), 2: ("fail", STOPPED)}
    assert coordinator.over
    assert coordinator.advance(102.0) == []
