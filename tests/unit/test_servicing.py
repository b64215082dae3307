"""Rolling upgrades: which contact takes the software, which node is next, who is well, and what goes back to what."""

from __future__ import annotations

import math
from typing import Any

import pytest

from skyrack.orchestrator.servicing.contact import Contact, Opportunity, first_opportunity, needs_s
from skyrack.orchestrator.servicing.rollout import Seen, batches, due, judge, to_roll_back

LONDON = Contact("london", True, 100.0, 400.0)
TOKYO = Contact("tokyo", True, 50.0, 60.0)
LASER = Contact("p0s01", False, 0.0, 1e9)


def test_a_contact_that_is_too_short_is_not_waited_for() -> None:
    assert first_opportunity([TOKYO, LONDON], ["london", "tokyo"], 20.0, 0.0, 1.0) == Opportunity(
        "london", 100.0, 300.0
    )
    assert first_opportunity([TOKYO, LONDON], ["london", "tokyo"], 5.0, 0.0, 1.0) == Opportunity(
        "tokyo", 50.0, 10.0
    )


def test_only_what_is_left_of_a_contact_counts() -> None:
    assert first_opportunity([LONDON], ["london"], 20.0, 390.0, 1.0) is None
    assert first_opportunity([LONDON], ["london"], 20.0, 370.0, 1.0) == Opportunity("london", 0.0, 30.0)
    assert first_opportunity([LONDON], ["london"], 0.0, 400.0, 1.0) is None


def test_lasers_and_gateways_that_may_not_send_are_no_contact() -> None:
    assert first_opportunity([LASER, LONDON], ["tokyo"], 1.0, 0.0, 1.0) is None


def test_a_fast_clock_makes_contacts_short() -> None:
    assert first_opportunity([LONDON], ["london"], 20.0, 0.0, 60.0) is None
    assert first_opportunity([LONDON], ["london"], 5.0, 40.0, 60.0) == Opportunity("london", 1.0, 5.0)


def test_paused_orbits_keep_what_is_open_and_open_nothing() -> None:
    assert first_opportunity([LONDON, TOKYO], ["london", "tokyo"], 9.0, 55.0, 0.0) == Opportunity(
        "tokyo", 0.0, math.inf
    )
    assert first_opportunity([LONDON], ["london"], 1.0, 55.0, 0.0) is None


def test_of_two_that_are_open_the_longer_one_is_taken() -> None:
    other = Contact("nairobi", True, 0.0, 900.0)
    assert first_opportunity([LONDON, other], ["london", "nairobi"], 1.0, 200.0, 1.0) == Opportunity(
        "nairobi", 0.0, 700.0
    )


def test_size_and_rate_say_how_long() -> None:
    assert needs_s(200_000_000, 1e9) == pytest.approx(1.7)


def row(node: str, version: int = 1, phase: str = "ready", **more: Any) -> dict[str, Any]:
    return {
        "node": node, "version": version, "phase": phase, "reason": "", "restarts": 0, "previous_version": None
    } | more  # fmt: skip


def test_who_has_the_version_is_left_alone_and_the_order_is_that_of_members() -> None:
    rows = [row("b"), row("a", 2), row("d"), row("c")]
    assert due(rows, ["a", "c", "b"], 2) == ["b", "c"]
    assert batches(["a", "b", "c"], 2) == [["a", "b"], ["c"]]
    assert batches([], 2) == []


def test_ready_is_well_only_when_it_stays_so() -> None:
    health, _, seen = judge(row("a"), Seen(), 10.0, 60.0, 2.0)
    assert (health, seen.good_since_s) == ("wait", 10.0)
    assert judge(row("a"), seen, 11.9, 60.0, 2.0)[0] == "wait"
    assert judge(row("a"), seen, 12.0, 60.0, 2.0)[0] == "well"
    assert judge(row("a", phase="unready", reason="status 500"), seen, 11.0, 60.0, 2.0)[:2] == (
        "ill",
        "ready no more: status 500",
    )


@pytest.mark.parametrize(
    ("seen_row", "now_s", "why"),
    [
        (row("a", phase="failed", reason="exit status 1"), 0.0, "exit status 1"),
        (row("a", phase="waiting", reason="exit status 1"), 0.0, "exit status 1"),
        (row("a", phase="starting", restarts=1), 0.0, "it ended and was started again"),
        (
            row("a", phase="starting", reason="connection refused"),
            61.0,
            "not ready in time: connection refused",
        ),
        (row("a", phase="awaited"), 61.0, "not ready in time: awaited"),
    ],
)
def test_who_ends_or_does_not_become_ready_is_ill(seen_row: dict[str, Any], now_s: float, why: str) -> None:
    assert judge(seen_row, Seen(), now_s, 60.0, 2.0)[:2] == ("ill", why)


def test_a_rollback_takes_everybody_with_the_version_also_of_an_earlier_attempt() -> None:
    rows = [
        row("a", 3, previous_version=1),
        row("b", 3, previous_version=2),
        row("c", 2, previous_version=1),
        row("d", 3),
    ]
    assert to_roll_back(rows, 3) == {"a": 1, "b": 2}
