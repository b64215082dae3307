"""When the service answered, and after what it did again."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from skyrack.check import Check, Report, check
from skyrack.history import NO_END, Operation

from .histories import table


def clients(*spans: tuple[str, float, float, str]) -> list[Operation]:
    """Each node asks every 0.1 s and has an answer after 0.05 s; in the spans given, what is said instead."""
    numbers = itertools.count()
    operations = []
    for node in ("london", "tokyo"):
        for tick in range(300):
            at_s = tick / 10
            said = next((what for where, a, b, what in spans if where == node and a <= at_s < b), "ok")
            ended_s = at_s + 0.05 if said in ("ok", "no") else float("inf")
            outcome: Any = {"ok": "ok", "no": "fail"}.get(said, "unknown")
            error = "" if said in ("ok", "no") else said
            operations.append(
                Operation(
                    next(numbers), 1, node, "cas", "x", [1, 2], None, outcome, at_s, ended_s, at_s, error
                )
            )
    return operations


def named(report: Report, name: str) -> Check:
    """One of the checks."""
    return next(one for one in report.checks if one.name == name)


def began(at_s: float, fault: str = "f1", kind: str = "kill", on: str = "p3s07") -> dict[str, Any]:
    """A record of events.jsonl."""
    return {
        "seq": 1,
        "run_s": at_s,
        "event": "fault_began",
        "fault": fault,
        "kind": kind,
        "on": [on],
        "cause": "skyrack load",
    }


def rows(operations: list[Operation], *events: dict[str, Any]) -> list[dict[str, Any]]:
    """The recovery of a history with these events."""
    return list(map(dict, check(operations, "kv", events).recovery))


def test_shares_and_gaps_are_counted_per_node_and_for_everybody() -> None:
    report = check(clients(("london", 10.0, 13.0, "timeout"), ("tokyo", 11.0, 12.0, "timeout")), "kv")
    found = named(report, "availability")
    assert found.figures["share"] == pytest.approx(1 - 40 / 600)
    assert found.figures["nodes"]["london"] == {"share": 0.9, "gaps": [[10.0, 13.0]]}
    assert found.figures["nodes"]["tokyo"]["gaps"] == [[11.0, 12.0]]
    assert found.figures["gaps"] == [[11.0, 12.0]]


def test_the_services_own_no_is_an_answer() -> None:
    found = named(check(clients(("london", 10.0, 13.0, "no")), "kv"), "availability")
    assert (found.figures["share"], found.figures["gaps"]) == (1.0, [])


def test_what_was_under_way_when_the_generator_was_killed_is_no_gap() -> None:
    found = named(check(clients(("london", 29.0, 31.0, NO_END)), "kv"), "availability")
    assert found.figures["share"] == 1.0
    assert found.figures["nodes"]["london"]["gaps"] == []


def test_a_gap_without_an_end_stays_open() -> None:
    operations = clients(("london", 20.0, 31.0, "timeout"), ("tokyo", 20.0, 31.0, "timeout"))
    report = check(operations, "kv", [began(20.05)])
    assert named(report, "availability").figures["gaps"] == [[20.0, None]]
    (row,) = report.recovery
    assert row["overall"]["recovered_after_s"] is None
    assert "everybody never (from 20.000 s)" in named(report, "recovery").text


def test_recovery_counts_from_the_faults_begin_to_the_first_answer_behind_the_gap() -> None:
    operations = clients(("london", 10.0, 13.0, "timeout"), ("tokyo", 10.0, 11.0, "timeout"))
    (row,) = rows(
        operations,
        began(9.97),
        {
            "run_s": 9.98,
            "event": "fault_effect",
            "fault": "f1",
            "on": "p3s07",
            "effect": ["killed 1 process"],
        },
        {"run_s": 12.9, "event": "fault_ended", "fault": "f1", "kind": "kill", "on": ["p3s07"]},
    )
    assert row["cause"] == "kill on p3s07"
    assert (row["fault"], row["by"], row["effects"]) == ("f1", "skyrack load", ["killed 1 process"])
    assert (row["began_s"], row["ended_s"]) == (9.97, 12.9)
    assert row["nodes"]["london"] == {"gaps": [[10.0, 13.0]], "recovered_after_s": 3.08}
    assert row["nodes"]["tokyo"]["recovered_after_s"] == 1.08
    assert row["overall"]["recovered_after_s"] == 1.08


def test_a_fault_that_nobody_felt_is_said_to_be_so() -> None:
    report = check(clients(), "kv", [began(10.0, kind="latency", on="a-b")])
    assert report.recovery[0]["nodes"] == {}
    assert named(report, "recovery").text.endswith("latency on a-b (f1, skyrack load): not felt")


def test_an_operation_under_way_when_the_fault_began_has_failed_of_it() -> None:
    (row,) = rows(clients(("london", 10.0, 12.0, "timeout")), began(10.4))
    assert row["nodes"]["london"]["recovered_after_s"] == 1.65


def test_one_that_failed_of_a_fault_behind_it_counts_as_recovered_at_once() -> None:
    (row,) = rows(clients(("london", 10.0, 10.1, "timeout")), began(10.8))
    assert row["nodes"]["london"] == {"gaps": [[10.0, 10.1]], "recovered_after_s": 0.0}


def test_of_two_faults_the_one_that_acts_is_named() -> None:
    spans = (("london", 10.0, 11.0, "timeout"), ("london", 18.0, 19.0, "timeout"))
    first, second = rows(
        clients(*spans),
        began(9.9),
        {"run_s": 11.0, "event": "fault_ended", "fault": "f1"},
        began(15.0, "f2", "partition", "p1"),
    )
    assert first["nodes"]["london"]["gaps"] == [[10.0, 11.0]]
    assert second["nodes"]["london"]["gaps"] == [[18.0, 19.0]]


def test_a_handover_at_the_gap_is_named_and_not_a_fault_that_has_acted_for_long() -> None:
    operations = clients(("london", 20.0, 21.0, "timeout"))
    handover = {"run_s": 19.95, "event": "handover", "node": "london", "from": "a", "to": "b"}
    long_ago, nearer = rows(operations, began(2.0, kind="latency", on="a-b"), handover)
    assert long_ago["nodes"] == {}
    assert nearer["kind"] == "orbital"
    (only,) = rows(operations, began(2.0, kind="latency", on="a-b"))
    assert only["nodes"]["london"]["gaps"] == [[20.0, 21.0]]


@pytest.mark.parametrize(
    ("event", "kind", "cause"),
    [
        (
            {"event": "handover", "node": "london", "from": "p1s02", "to": "p2s02"},
            "orbital",
            "handover of london from p1s02 to p2s02",
        ),
        (
            {"event": "convergence", "change": "loss", "since_s": 9.9, "nodes": [], "links": ["a-b"]},
            "network",
            "loss of a-b",
        ),
        ({"event": "node_exited", "node": "p3s07", "signal": 9}, "process", "p3s07's process ended"),
        ({"event": "node_dark", "node": "p3s07"}, "network", "p3s07's links dark"),
        ({"event": "service_failed", "service": "etcd", "node": "p1"}, "process", "etcd at p1 failed"),
        ({"event": "fabric_down"}, "process", "the fabric ended"),
    ],
)
def test_causes_that_nobody_injected_are_named(event: dict[str, Any], kind: str, cause: str) -> None:
    (row,) = rows(clients(("london", 10.0, 11.0, "timeout")), {"run_s": 9.95, **event})
    assert (row["kind"], row["cause"]) == (kind, cause)
    assert row["nodes"]["london"]["recovered_after_s"] == 1.1 or event["event"] == "convergence"


def unrelated() -> Iterator[dict[str, Any]]:
    """Events that explain no gap of London's at 10 s."""
    yield {"run_s": 9.9, "event": "handover", "node": "tokyo", "from": "a", "to": "b"}
    yield {"run_s": 5.0, "event": "handover", "node": "london", "from": "a", "to": "b"}
    yield {"run_s": 14.0, "event": "node_exited", "node": "p3s07"}
    yield {"run_s": 9.0, "event": "node_serving", "node": "p3s07", "restarts": 0, "cause": "start"}
    yield {"run_s": 9.0, "event": "transfer_started", "transfer": 1}


def test_a_gap_without_a_cause_is_said_to_have_none() -> None:
    report = check(clients(("london", 10.0, 11.0, "timeout")), "kv", list(unrelated()))
    (row,) = report.recovery
    assert row["cause"] is None
    assert row["nodes"]["london"]["gaps"] == [[10.0, 11.0]]
    assert named(report, "recovery").figures["unexplained"] == 1
    assert "no cause found: london 10.000-11.000 s" in named(report, "recovery").text


def test_the_json_of_a_report_is_what_the_contract_says() -> None:
    report = check(table("0 write x 1 @ 0 1\n1 read x -> 2 @ 2 3"), "kv", [began(0.5)])
    found = report.to_json()
    assert found["verdict"] == "bad"
    assert found["model"] == "kv"
    assert found["operations"] == {"ok": 2, "fail": 0, "unknown": 0}
    assert {frozenset(one) for one in found["checks"]} == {
        frozenset({"name", "verdict", "text", "operations", "figures"})
    }
    assert [row["kind"] for row in found["recovery"]] == ["injected"]


def test_what_ended_long_ago_is_not_felt_any_more() -> None:
    ended = {"run_s": 6.0, "event": "fault_ended", "fault": "f1"}
    near, far = (
        rows(clients(("london", at_s, at_s + 1.0, "timeout")), began(5.0), ended) for at_s in (15.5, 16.5)
    )
    assert near[0]["nodes"]["london"]["gaps"] == [[15.5, 16.5]]
    assert far[0]["nodes"] == {}
    assert far[1]["cause"] is None


def test_of_two_faults_at_a_gap_the_one_that_still_acts_goes_before_the_one_that_has_ended() -> None:
    acting, ended = rows(
        clients(("london", 10.0, 11.0, "timeout")),
        began(8.0, "f1"),
        began(8.5, "f2"),
        {"run_s": 9.5, "event": "fault_ended", "fault": "f2"},
    )
    assert (acting["fault"], acting["nodes"]["london"]["gaps"]) == ("f1", [[10.0, 11.0]])
    assert ended["nodes"] == {}


def test_who_is_away_twice_has_recovered_behind_the_second_gap() -> None:
    spans = (("london", 10.0, 11.0, "timeout"), ("london", 12.0, 13.0, "timeout"))
    (row,) = rows(clients(*spans), began(10.0))
    assert row["nodes"]["london"] == {"gaps": [[10.0, 11.0], [12.0, 13.0]], "recovered_after_s": 3.05}


def test_who_has_asked_for_the_last_time_and_was_answered_keeps_nobody_up() -> None:
    asked = [
        one
        for one in clients(("london", 20.0, 25.0, "timeout"))
        if one.node == "london" or one.invoked_s < 15
    ]
    found = named(check(asked, "kv"), "availability")
    assert found.figures["gaps"] == [[20.0, 25.0]]
