"""What counts as an error of the emulation, and what as noise of the host."""

import random

import pytest

from skyrack.orchestrator.measure.fidelity import Sample, evaluate
from skyrack.orchestrator.measure.host import QuietTimes, Window


def seconds(n: int, *noisy: int) -> QuietTimes:
    return QuietTimes(
        Window(k, k + 1, 0.005 if k in noisy else 0.0, 0.8, 1e-4, 3e-4, 1e-3, waits_ratio={"fabric": 0.0})
        for k in range(n)
    )


def probes(
    n: int, error_s: float = 1e-4, path: tuple[str, ...] = ("a", "b", "c"), rate_hz: float = 50.0
) -> list[Sample]:
    pair = f"{path[0]}>{path[-1]}"
    return [Sample(pair, k / rate_hz, 0.08 + error_s, 0.08, path) for k in range(n)]


def test_figures_are_of_the_absolute_error_and_the_bias_keeps_its_sign() -> None:
    samples = probes(100, -2e-4)
    found = evaluate(samples, seconds(4))
    assert found.median_s == pytest.approx(2e-4)
    assert found.bias_s == pytest.approx(-2e-4)
    assert (found.packets, found.within_500us_ratio) == (100, 1.0)


def test_a_probe_counts_only_if_its_whole_flight_was_quiet() -> None:
    late = Sample("a>c", 0.99, 0.08, 0.08)  # ends in second 1
    assert evaluate([late], seconds(3, 1)).noisy == 1
    assert evaluate([late], seconds(3)).packets == 1


def test_time_without_a_window_is_not_quiet() -> None:
    assert evaluate(probes(100), QuietTimes([])).packets == 0
    assert evaluate([], QuietTimes([])).median_s is None


def test_a_link_that_is_too_long_shows_although_most_probes_take_others() -> None:
    wrong = probes(40, 2e-3, ("a", "x", "y"))
    found = evaluate(probes(400, path=("a", "b", "c")) + wrong, seconds(20))
    assert found.median_s == pytest.approx(1e-4)
    assert {shift.what for shift in found.shifts} == {"a>y", "a - x", "x - y"}
    assert found.shifts[0].error_s == pytest.approx(2e-3)


def test_the_link_is_named_before_the_pairs_that_cross_it() -> None:
    samples = probes(40, 2e-3, ("a", "b", "c")) + probes(40, 2e-3, ("b", "a", "d"))
    assert evaluate(samples, seconds(2)).shifts[0].what == "a - b"


def test_noise_makes_tails_but_no_shift() -> None:
    draw = random.Random(3)
    samples = [
        Sample(
            "a>b",
            k / 50,
            0.08 + (draw.expovariate(1 / 3e-3) if draw.random() < 0.6 else 1e-4),
            0.08,
            ("a", "b"),
        )
        for k in range(500)
    ]
    found = evaluate(samples, seconds(20))
    assert found.p99_s is not None
    assert found.p99_s > 5e-3
    assert found.shifts == ()


def test_a_packet_faster_than_light_is_a_shift() -> None:
    found = evaluate(probes(40, -1e-3, ("a", "b")), seconds(2))
    assert found.shifts[0].error_s == pytest.approx(-1e-3)
    assert found.worst_s == pytest.approx(1e-3)


def test_what_the_fabric_admits_to_be_late_is_not_an_error_of_the_delay() -> None:
    samples = probes(40, 1e-3, ("a", "b"))
    assert evaluate(samples, seconds(2)).shifts
    assert not evaluate(samples, seconds(2), admitted_s=0.4e-3).shifts


def test_few_probes_prove_no_shift() -> None:
    assert not evaluate(probes(19, 2e-3, ("a", "b")), seconds(2)).shifts


def test_a_loss_is_false_only_where_a_reply_was_due() -> None:
    lost = [
        Sample("a>b", 0.1, None, 0.08),
        Sample("a>b", 0.2, None, None, reason="b is dark"),
        Sample("a>b", 0.3, None, None, reason="guard: b went dark"),
    ]
    found = evaluate(lost, seconds(3))
    assert (found.false_outages, found.expected_losses, found.unexpected_replies) == (1, 2, 0)


def test_an_answer_of_the_dead_is_unexpected_unless_guarded() -> None:
    answered = [
        Sample("a>b", 0.1, 0.08, None, reason="b is dark"),
        Sample("a>b", 0.2, 0.08, None, reason="guard: b went dark"),
    ]
    assert evaluate(answered, seconds(3)).unexpected_replies == 1


def test_losses_the_scenario_orders_are_not_false() -> None:
    lost = [Sample("a>b", k / 10, None, 0.08) for k in range(5)]
    assert evaluate(lost, seconds(3), ordered_drops=4).false_outages == 1
    assert evaluate(lost, seconds(3), ordered_drops=9).false_outages == 0
