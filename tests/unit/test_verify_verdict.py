"""The verdict on a verification: rows that fail are bad, noise is not faithful, and neither hides the other."""

from __future__ import annotations

from dataclasses import replace

from skyrack.orchestrator.measure.conformance import Row
from skyrack.orchestrator.measure.fidelity import Fidelity
from skyrack.orchestrator.measure.verdict import Decision, Verdict
from skyrack.orchestrator.measure.verify_verdict import conclude

MESH = Fidelity(median_s=1.2e-4, p99_s=4e-4, within_500us_ratio=1.0, false_outages=0, packets=500)
FLOOR = replace(MESH, median_s=6e-5, p99_s=1.5e-4)
FINE = Decision(Verdict.OK, (), ())
NOISY = Decision(Verdict.INCONCLUSIVE, (), ("not faithful: host not quiet: 1 of 20 windows",))
RTT = Row("pair", "a>b", "rtt", 0.1, 0.1, 1e-4, "s", 30, True)
DELAY = Row(
    "link", "a - b", "delay", 0.01, 0.011, 1e-3, "s", 90, False, "even the best tenth is 2.00 ms late"
)
LOSS = Row("pair", "a>b", "loss", 0.0, 0.1, 0.1, "ratio", 30, False, "3 of 30 lost, 0.0 to be expected")
RATE = Row("way", "a>b", "rate", 1e9, 5e8, -5e8, "bit/s", 2, False, "50.0% off")


def verdict(run: Decision, *rows: Row, mesh: Fidelity = MESH, floor: Fidelity | None = FLOOR) -> Decision:
    return conclude(run, rows, mesh, floor)


def test_everything_that_holds_is_ok_without_reasons() -> None:
    found = verdict(FINE, RTT)
    assert (found.verdict, found.reasons) == (Verdict.OK, ())
    assert all(check.ok for check in found.checks)


def test_a_row_that_fails_is_bad_and_the_worst_is_named() -> None:
    found = verdict(FINE, RTT, DELAY, replace(DELAY, name="c - d", error=2e-3))
    assert found.verdict is Verdict.BAD
    assert found.reasons == ("delays of links: c - d: even the best tenth is 2.00 ms late, and 1 more",)


def test_delays_and_rates_are_wrong_on_any_host_and_losses_on_quiet_ones_only() -> None:
    assert verdict(NOISY, DELAY).verdict is Verdict.BAD
    assert verdict(NOISY, RATE).verdict is Verdict.BAD
    assert verdict(NOISY, LOSS).verdict is Verdict.INCONCLUSIVE
    assert verdict(FINE, LOSS).verdict is Verdict.BAD


def test_errors_far_beyond_the_hosts_floor_are_not_faithful() -> None:
    found = verdict(FINE, RTT, mesh=replace(MESH, p99_s=7e-4))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reasons == ("not faithful: p99 error beyond the host's floor <= 0.5 ms does not hold",)
    assert (
        verdict(FINE, RTT, mesh=replace(MESH, p99_s=7e-4), floor=replace(FLOOR, p99_s=3e-4)).verdict
        is Verdict.OK
    )


def test_without_a_floor_the_errors_are_judged_by_the_run_alone() -> None:
    assert verdict(FINE, RTT, mesh=replace(MESH, p99_s=7e-4), floor=None).verdict is Verdict.OK


def test_a_pair_that_could_not_be_judged_leaves_the_run_open() -> None:
    unsure = replace(RTT, ok=None, note="2 of 5 probes needed in quiet seconds")
    found = verdict(FINE, RTT, unsure)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "2 of 5 probes" in found.reasons[0]


def test_what_the_run_says_of_itself_is_never_lost() -> None:
    assert verdict(NOISY, RTT).reasons == NOISY.reasons
    assert NOISY.reasons[0] in verdict(NOISY, DELAY).reasons
