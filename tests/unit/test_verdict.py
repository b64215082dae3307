"""Which verdict a run gets: proven wrong before doubt, doubt before thresholds."""

from dataclasses import replace

import pytest

from skyrack.orchestrator.measure.counters import FabricFigures, figures
from skyrack.orchestrator.measure.fidelity import Fidelity, Shift
from skyrack.orchestrator.measure.host import HostSummary, QuietTimes
from skyrack.orchestrator.measure.operations import Operation, Threshold, judge
from skyrack.orchestrator.measure.timing import untimed
from skyrack.orchestrator.measure.verdict import Decision, Verdict, decide

GOOD = Fidelity(median_s=1e-4, p99_s=4e-4, within_500us_ratio=1.0, false_outages=0, packets=500)
QUIET = HostSummary(20, 18, 0.0, 0.8, 5e-4, 0.05, {"steal": 2})
HOGGED = HostSummary(20, 1, 0.0, 0.0, 4e-3, 0.9, {"no idle core": 19})
FABRIC = FabricFigures(5e-6, 1e-4, 1e-4, 0, 0, 0.05, 5000, {})
WRONG = replace(GOOD, shifts=(Shift("a - b", 2e-3, 100),))


def verdict(
    fidelity: Fidelity = GOOD,
    host: HostSummary = QUIET,
    fabric: FabricFigures = FABRIC,
    *thresholds: Threshold,
    untimed: str | None = None,
    doubts: tuple[str, ...] = (),
    within: float | None = None,
) -> Decision:
    return decide(
        fidelity=fidelity,
        host=host,
        fabric=fabric,
        thresholds=thresholds,
        untimed=untimed,
        doubts=doubts,
        within_500us_limit=within,
    )


def threshold(holds: bool, quietly: bool | None) -> Threshold:
    return Threshold("p99 <= 250 ms", holds, 0.3, 0.25, "s", quietly)


def test_all_in_order_is_ok_with_status_0_and_no_reasons() -> None:
    found = verdict()
    assert (found.verdict, found.reasons, found.verdict.exit_status) == (Verdict.OK, (), 0)
    assert all(check.ok for check in found.checks)


def test_a_wrong_delay_is_bad_even_on_a_host_that_was_not_quiet_throughout() -> None:
    found = verdict(WRONG, HOGGED)
    assert (found.verdict, found.verdict.exit_status) == (Verdict.BAD, 3)
    assert "a - b" in found.reasons[0]


def test_a_busy_host_is_inconclusive_never_ok_and_never_bad() -> None:
    noisy = replace(GOOD, packets=40, p99_s=9e-3, false_outages=1)
    for found in (
        verdict(GOOD, HOGGED),
        verdict(noisy, HOGGED),
        verdict(GOOD, HOGGED, FABRIC, threshold(False, False)),
    ):
        assert (found.verdict, found.verdict.exit_status) == (Verdict.INCONCLUSIVE, 4)
        assert found.reasons[0].startswith("not faithful: host not quiet")


@pytest.mark.parametrize(
    "fabric",
    [
        replace(FABRIC, tun_dropped=1),
        replace(FABRIC, lateness_p99_s=1e-3),
        replace(FABRIC, ingress_lag_p99_s=5e-3),
        replace(FABRIC, busy_ratio=0.97),
        replace(FABRIC, restarts=1),
    ],
)
def test_a_fabric_out_of_bounds_is_inconclusive_even_if_probes_look_good(fabric: FabricFigures) -> None:
    assert verdict(GOOD, QUIET, fabric).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("figures", [replace(GOOD, false_outages=1), replace(GOOD, unexpected_replies=1)])
def test_a_false_outage_or_reply_is_bad_only_when_nothing_else_explains_it(figures: Fidelity) -> None:
    assert verdict(figures).verdict is Verdict.BAD
    assert verdict(figures, QUIET, replace(FABRIC, tun_dropped=3)).verdict is Verdict.INCONCLUSIVE
    assert verdict(figures, HOGGED).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "figures", [replace(GOOD, median_s=3e-4), replace(GOOD, p99_s=2e-3), replace(GOOD, packets=99)]
)
def test_errors_without_a_proof_of_their_cause_are_inconclusive(figures: Fidelity) -> None:
    assert verdict(figures).verdict is Verdict.INCONCLUSIVE


def test_a_threshold_that_fails_in_quiet_seconds_too_is_bad() -> None:
    assert verdict(GOOD, QUIET, FABRIC, threshold(False, False)).verdict is Verdict.BAD


@pytest.mark.parametrize("quietly", [True, None])
def test_a_threshold_that_fails_only_with_noise_is_inconclusive(quietly: bool | None) -> None:
    assert verdict(GOOD, QUIET, FABRIC, threshold(False, quietly)).verdict is Verdict.INCONCLUSIVE


def test_thresholds_are_not_judged_at_another_speed_but_fidelity_is() -> None:
    found = verdict(GOOD, QUIET, FABRIC, threshold(True, True), untimed=untimed(60.0, []))
    assert (found.verdict, found.checks[0].ok) == (Verdict.INCONCLUSIVE, None)
    assert verdict(untimed=untimed(60.0, [])).verdict is Verdict.OK


def test_what_the_clock_was_told_during_a_load_is_why_thresholds_on_time_say_nothing() -> None:
    def changed(run_s: float, cause: str, speed: float, t_s: float) -> dict[str, object]:
        before, after = {"t_s": 60.0}, {"t_s": t_s, "speed": speed}
        return {"event": "clock_changed", "run_s": run_s, "cause": cause, "before": before, "after": after}

    assert untimed(1.0, []) is None
    assert untimed(1.0, [{"event": "handover", "run_s": 3.0}]) is None
    why = untimed(1.0, [changed(60.0, "pause", 0.0, 60.0), changed(70.0, "jump", 0.0, 660.0)])
    assert why is not None
    assert "at speed 1, paused from 60.000 s on, a jump by 600 s at 70.000 s" in why


def test_doubts_of_the_caller_prevent_ok() -> None:
    assert verdict(doubts=("stopped after 3 s",)).reasons == ("stopped after 3 s",)


def test_a_users_limit_on_fidelity_is_a_threshold() -> None:
    assert verdict(replace(GOOD, within_500us_ratio=0.98), within=0.99).verdict is Verdict.BAD


def test_thresholds_count_from_the_intended_start_over_answered_operations() -> None:
    operations = [Operation(0.0, 0.2, "ok")] * 99 + [Operation(0.0, 5.0, "unknown")]
    quiet = QuietTimes([])
    found = {t.name: t for t in judge({"p99_ms": 250, "availability_ratio": 0.995}, operations, quiet)}
    assert found["p99 <= 250 ms"].holds
    assert not found["availability >= 99.5 %"].holds
    assert found["availability >= 99.5 %"].holds_quietly is None


def test_counters_start_again_when_another_fabric_took_over() -> None:
    def reading(run_s: float, packets: int) -> dict[str, object]:
        histogram = {"le_s": [1e-4], "counts": [packets, 0]}
        return {
            "run_s": run_s, "packets": packets, "tun_dropped": 0, "busy_s": 0.0,
            "drops": {"queue": packets - packets // 2}, "corrupted": packets // 2,
            "lateness": histogram, "ingress_lag": histogram,
        }  # fmt: skip

    found = figures(
        [reading(0, 100), reading(1, 150), reading(2, 20)], QuietTimes([]), [{"event": "fabric_down"}]
    )
    assert (found.packets, found.ordered_drops, found.restarts) == (70, 70, 1)
    assert found.lateness_p99_s is None
