"""Rows of a verification: what holds passes on any host, what is wrong fails, what cannot be told is not judged."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.measure.conformance import MIN_PROBES, Row, rows, unsorted
from skyrack.orchestrator.measure.fidelity import GUARD, Sample
from skyrack.orchestrator.measure.host import QuietTimes, Window

PAIR = "a>c"
PATH = ("a", "b", "c")
RTT_S = 0.02
QUIET = QuietTimes(
    [Window(float(k), k + 1.0, 0.0, 0.8, 1e-4, 3e-4, 5e-4, 0.01, {"fabric": 0.0}) for k in range(60)]
)


def probe(
    t_s: float, error_s: float | None = 1e-4, *, pair: str = PAIR, path: Sequence[str] = PATH
) -> Sample:
    """One that came back with this error, or (None) was lost."""
    return Sample(pair, t_s, None if error_s is None else RTT_S + error_s, RTT_S, tuple(path))


def dark(t_s: float, measured_s: float | None = None) -> Sample:
    return Sample(PAIR, t_s, measured_s, None, ("a",), "no route in force")


def judged(
    samples: Sequence[Sample],
    pairs: Sequence[str] = (PAIR,),
    admitted_s: float = 0.0,
    noise_s: float | None = None,
) -> list[Row]:
    return rows(
        samples,
        QUIET,
        pairs=pairs,
        spacing_s=0.5,
        link_delay_s={"a - b": 0.004, "b - c": 0.006},
        admitted_s=admitted_s,
        noise_s=noise_s,
    )


def row(found: Sequence[Row], name: str, quantity: str) -> Row:
    (one,) = [row for row in found if (row.name, row.quantity) == (name, quantity)]
    return one


def test_a_pair_and_its_links_that_do_as_planned_pass() -> None:
    found = judged([probe(t) for t in range(20)])
    assert {(r.kind, r.name, r.quantity) for r in found} == {
        ("pair", PAIR, "rtt"), ("pair", PAIR, "loss"), ("link", "a - b", "delay"), ("link", "a - b", "loss"),
        ("link", "b - c", "delay"), ("link", "b - c", "loss"),
    }  # fmt: skip
    assert all(r.ok for r in found)
    rtt = row(found, PAIR, "rtt")
    assert (rtt.expected, rtt.measured, rtt.samples) == (RTT_S, RTT_S + 1e-4, 20)
    assert row(found, "b - c", "delay").measured == pytest.approx(0.006 + 0.5e-4)


def test_a_link_that_is_too_long_fails_by_its_excess_per_crossing() -> None:
    found = judged(
        [probe(t, 2.1e-3) for t in range(10)]
        + [probe(t, 1e-4, pair="a>b", path=("a", "b")) for t in range(10)],
        (PAIR, "a>b"),
    )
    assert row(found, "b - c", "delay").ok is False
    assert row(found, "b - c", "delay").error == pytest.approx(1.05e-3)
    assert row(found, PAIR, "rtt").note == "even the best tenth is 2.10 ms late"
    assert row(found, "a - b", "delay").ok is True
    assert row(found, "a>b", "rtt").ok is True


def test_what_the_fabric_admits_is_not_held_against_the_link() -> None:
    samples = [probe(t, 0.9e-3) for t in range(10)]
    assert row(judged(samples), PAIR, "rtt").ok is False
    assert row(judged(samples, admitted_s=0.3e-3), PAIR, "rtt").ok is True


def test_too_few_quiet_probes_are_not_judged() -> None:
    found = judged([probe(t) for t in range(MIN_PROBES - 1)] + [probe(100.0 + t) for t in range(50)])
    assert row(found, PAIR, "rtt").ok is None
    assert row(judged([]), PAIR, "rtt").samples == 0


def test_a_host_without_a_quiet_second_still_shows_what_is_wrong_and_proves_nothing_right() -> None:
    noisy = [probe(100.0 + t, 2.2e-3) for t in range(20)]
    found = judged(noisy, noise_s=0.4e-3)
    assert row(found, PAIR, "rtt").ok is False
    assert row(found, PAIR, "rtt").note == "even the best tenth is 2.20 ms late, noisy seconds or not"
    assert row(found, "a - b", "delay").ok is False
    assert row(judged(noisy, noise_s=3e-3), PAIR, "rtt").ok is None, "the floor is as late"
    assert row(judged(noisy), PAIR, "rtt").ok is None, "no floor to compare with"
    assert row(judged(noisy[:8], noise_s=0.4e-3), PAIR, "rtt").ok is None, "too few"
    assert row(judged([probe(100.0 + t) for t in range(20)], noise_s=0.4e-3), PAIR, "rtt").ok is None


@given(st.lists(st.floats(min_value=0.0, max_value=0.05), min_size=20, max_size=60))
def test_late_probes_never_fail_a_pair_whose_fast_tenth_is_in_time(late_s: list[float]) -> None:
    samples = [probe(k % 50 + 0.01, error_s) for k, error_s in enumerate([*late_s, *[1e-4] * len(late_s)])]
    assert row(judged(samples), PAIR, "rtt").ok is True


def test_one_lost_probe_of_a_lossless_pair_is_a_false_outage() -> None:
    found = judged([probe(t) for t in range(30)] + [probe(31.0, None)])
    assert row(found, PAIR, "loss").ok is False
    assert row(found, PAIR, "outage").note == "1 lost with one"
    assert row(found, PAIR, "outage").error == pytest.approx(0.5)


def test_losses_that_the_scenario_orders_pass_and_ten_times_as_many_fail() -> None:
    def lossy(lost: int) -> list[Sample]:
        return [
            Sample(PAIR, k / 10, None if k < lost else RTT_S, RTT_S, PATH, None, 0.98) for k in range(500)
        ]

    for name in (PAIR, "a - b"):
        assert row(judged(lossy(10)), name, "loss").ok is True
        assert row(judged(lossy(100)), name, "loss").ok is False
    assert not [r for r in judged(lossy(10)) if r.quantity == "outage"]


def test_lost_probes_count_under_the_same_condition_as_those_that_came_back() -> None:
    """Every second second is quiet: a lost probe is given up a second after it was sent, which no quiet second holds."""
    windows = [
        Window(float(k), k + 1.0, 0.0, 0.8 if k % 2 else 0.0, 1e-4, 3e-4, 5e-4, 0.01, {"fabric": 0.0})
        for k in range(60)
    ]
    samples = [Sample(PAIR, k / 10, None if k % 2 else RTT_S, RTT_S, PATH, None, 0.5) for k in range(600)]
    found = rows(samples, QuietTimes(windows), pairs=[PAIR], spacing_s=0.1, link_delay_s={})
    loss = row(found, PAIR, "loss")
    assert (loss.ok, loss.samples, loss.measured) == (True, 300, 0.5)


def test_an_outage_by_plan_passes_only_where_nothing_is_answered() -> None:
    before, after = [probe(t / 2) for t in range(20)], [probe(20 + t / 2) for t in range(20)]
    planned = [dark(10 + t / 2) for t in range(20)]
    outage = row(judged([*before, *planned, *after]), PAIR, "outage")
    assert (outage.ok, outage.expected, outage.measured) == (True, 10.0, 10.0)
    answered = [dark(10 + t / 2, RTT_S) for t in range(2)] + planned[2:]
    outage = row(judged([*before, *answered, *after]), PAIR, "outage")
    assert (outage.ok, outage.error, outage.note) == (False, -1.0, "2 answered without a way")


def test_a_pair_that_never_has_a_way_is_judged_by_its_outage_alone() -> None:
    assert [r.quantity for r in judged([dark(float(t)) for t in range(10)])] == ["outage"]


def test_figures_over_all_seconds_leave_nothing_out_but_what_may_end_either_way() -> None:
    either = Sample(PAIR, 30.0, None, RTT_S, PATH, f"{GUARD}: a node or a route changed while it flew")
    noisy = [probe(1_000.0 + t, 3e-3) for t in range(3)]
    found = unsorted([*noisy, *[probe(t) for t in range(7)], probe(2_000.0, None), either])
    assert (found.probes, found.false_outages) == (12, 1)
    assert found.median_s == pytest.approx(1e-4)
    assert found.p99_s == pytest.approx(3e-3)


def test_probes_that_may_end_either_way_are_left_out() -> None:
    either = Sample(PAIR, 30.0, None, RTT_S, PATH, f"{GUARD}: a node or a route changed while it flew")
    assert all(r.ok for r in judged([probe(t) for t in range(20)] + [either]))
