"""A link is a queue, a transmitter and a seeded coin: exact, first in first out, bounded."""

import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.fabric.link import DAMAGED, LOST, Link

from .fabric_mesh import Edge, line, mesh, packet, run


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_poisson_arrivals_wait_as_md1_says_within_two_percent(load: float) -> None:
    # Pollaczek-Khinchine with constant service S: mean wait = load * S / (2 (1 - load)).
    engine = line(1, rate_bps=1e9)
    data, service_s = packet(0, 1, size=1250), 1250 * 8 / 1e9
    draw = random.Random(f"md1 {load}").expovariate
    now = 0.0
    for i in range(1_000_000):
        now += draw(load / service_s)
        engine.ingress(now, 0, data)
        if i % 1000 == 0:
            run(engine, now)
    run(engine)
    link = engine.links[0]
    assert link.packets == 1_000_000
    expected_s = load * service_s / (2 * (1 - load))
    assert link.wait_s / link.packets == pytest.approx(expected_s, rel=0.02)


@pytest.mark.parametrize("start_s", [0.0, 86_400.0], ids=["at-start", "after-a-day"])
def test_15_ms_of_back_to_back_terabit_traffic_is_exact(start_s: float) -> None:
    # Whole nanoseconds would be 232 us off; adding up floats after a day, 1 us.
    engine = line(1, rate_bps=1e12)
    sizes = [size for size in (8973, 9000, 8999, 40) for _ in range(58_000)]
    random.Random(1).shuffle(sizes)
    packets = {size: packet(0, 1, size=size) for size in set(sizes)}
    for size in sizes:
        engine.ingress(start_s, 0, packets[size])
    engine.advance(start_s)
    exact_s = Fraction(start_s) + Fraction(8 * sum(sizes), 10**12)
    assert exact_s - Fraction(start_s) > Fraction(12, 1000)
    resolution_s = 1e-15 if start_s == 0.0 else 1.5e-11
    assert abs(float(Fraction(engine.links[0].free_at) - exact_s)) <= resolution_s


@pytest.mark.parametrize("queue_bytes", [0, 5_000, 20_000])
def test_a_burst_leaves_no_more_waiting_than_the_queue_holds(queue_bytes: int) -> None:
    rate_bps, size = 1e9, 1000
    engine = line(1, rate_bps, queue_s=queue_bytes * 8 / rate_bps * (1 + 1e-9))
    for _ in range(100):
        engine.ingress(1.0, 0, packet(0, 1, size=size))
    arrived = run(engine)
    # The last one that is let in finds exactly the limit before it.
    assert len(arrived) == queue_bytes // size + 1
    assert engine.links[0].dropped_queue == 100 - len(arrived)


def test_a_full_queue_takes_packets_again_as_soon_as_one_has_left() -> None:
    engine = line(1, rate_bps=8e6, queue_s=0.0021)  # 1,000 bytes take 1 ms: two may wait
    for i in range(40):
        engine.ingress(1.0 + i * 0.0005, 0, packet(0, 1, size=1000))
    arrived = run(engine)
    gaps = {round(b.at_s - a.at_s, 9) for a, b in itertools.pairwise(arrived)}
    assert gaps == {0.001}, "the transmitter idled or overlapped while packets were offered at twice its rate"
    assert engine.links[0].dropped_queue == 40 - len(arrived)


@given(st.floats(0.001, 0.2), st.integers(0, 5))
def test_loss_is_the_same_for_the_same_seed_and_differs_between_links(ratio: float, seed: int) -> None:
    def losses(src: int, run_seed: int) -> list[bool]:
        link = Link(src, 9, 1e-9, 1.0, ratio, str(run_seed))
        return [link.next_mishap() == LOST for _ in range(3000)]

    assert losses(1, seed) == losses(1, seed)
    if sum(losses(1, seed)) > 3:
        assert losses(1, seed) != losses(2, seed)
        assert losses(1, seed) != losses(1, seed + 1)


@pytest.mark.parametrize("ratio", [0.001, 0.03, 0.5, 1.0])
def test_the_loss_ratio_is_met(ratio: float) -> None:
    link = Link(0, 1, 1e-9, 1.0, ratio, "7")
    n = 200_000
    lost = sum(link.next_mishap() == LOST for _ in range(n))
    five_sigma = 5 * (n * ratio * (1 - ratio)) ** 0.5
    assert abs(lost - n * ratio) <= five_sigma


def test_losses_are_independent_of_one_another() -> None:
    # A lost packet says nothing about the next one: pairs occur with the square of the ratio.
    link, ratio, n = Link(0, 1, 1e-9, 1.0, 0.1, "7"), 0.1, 200_000
    lost = [link.next_mishap() == LOST for _ in range(n)]
    pairs = sum(a and b for a, b in itertools.pairwise(lost))
    assert pairs == pytest.approx(n * ratio**2, rel=0.1)


def test_losses_and_damages_are_independent_of_each_other() -> None:
    n, loss, damage = 200_000, 0.1, 0.2
    both, lossy = Link(0, 1, 1e-9, 1.0, loss, "7", damage), Link(0, 1, 1e-9, 1.0, loss, "7")
    met = [both.next_mishap() for _ in range(n)]
    assert [one == LOST for one in met] == [lossy.next_mishap() == LOST for _ in range(n)], (
        "damage changed which packets are lost"
    )
    # What is lost is not damaged as well.
    assert met.count(DAMAGED) == pytest.approx(n * damage * (1.0 - loss), rel=0.02)


@settings(deadline=None)
@given(st.floats(0.0, 0.3), st.floats(0.0, 0.3), st.lists(st.integers(1, 40), max_size=30))
def test_mishaps_counted_by_gaps_are_those_met_one_by_one(
    loss: float, damage: float, trains: list[int]
) -> None:
    counted, met = (Link(0, 1, 1e-9, 1.0, loss, "7", damage) for _ in range(2))
    for n in trains:
        assert counted.mishaps_among(n) == sum(met.next_mishap() > 0 for _ in range(n))


def test_damage_that_begins_and_ends_goes_on_with_the_sequence_of_losses() -> None:
    untouched, changed = (Link(0, 1, 1e-9, 1.0, 0.1, "7") for _ in range(2))
    losses: list[bool] = []
    for i in range(1000):
        losses.append(changed.next_mishap() == LOST)
        changed.set_parameters(1e-9, 1.0, 0.1, 0.5 * (i // 100 % 2))
    assert losses == [untouched.next_mishap() == LOST for _ in range(1000)]


def test_a_new_rate_applies_to_what_is_queued_after_it() -> None:
    link = Link(0, 1, 1.0, 10.0)
    link.busy_since, link.busy_bytes, link.free_at = 5.0, 3, 8.0
    link.set_parameters(0.5, 10.0, 0.0)
    assert link.free_at == 8.0
    assert link.busy_since + (link.busy_bytes + 2) * link.s_per_byte == 9.0


def test_changing_rate_and_queue_goes_on_with_the_sequence_of_losses() -> None:
    untouched, changed = (Link(0, 1, 1e-9, 1.0, 0.1, "7") for _ in range(2))
    losses: list[bool] = []
    for i in range(1000):
        losses.append(changed.next_mishap() == LOST)
        changed.set_parameters(1e-9 * (i + 1), 0.5, 0.1)
    assert losses == [untouched.next_mishap() == LOST for _ in range(1000)]


def test_loss_that_begins_later_is_met_and_ends() -> None:
    engine = line(1)
    engine.at(1.0, lambda _: engine.links[0].set_parameters(8e-9, 10.0, 1.0))
    engine.at(2.0, lambda _: engine.links[0].set_parameters(8e-9, 10.0, 0.0))
    for t in (0.5, 1.5, 1.6, 2.5):
        engine.ingress(t, 0, packet(0, 1))
    assert len(run(engine)) == 2
    assert engine.links[0].dropped_loss == 2


def test_two_flows_over_one_link_get_half_each_and_a_third_path_all() -> None:
    # 0 and 1 send at random and both over 2 > 3, which either could fill; 4 > 5 is nobody else's.
    edges = [Edge(0, 2, 1e10), Edge(1, 2, 1e10), Edge(2, 3, queue_s=0.001), Edge(4, 5)]
    engine = mesh(6, edges, (0, 1, 3, 4, 5))
    draw = random.Random(3).expovariate
    for src, dst in ((0, 3), (1, 3), (4, 5)):
        now = 0.0
        while now < 0.2:
            engine.ingress(now, src, packet(src, dst, size=1250))
            now += draw(1 / 10.2e-6)  # 98 % of the rate: 10 us each
    arrived = run(engine)
    counts = dict.fromkeys((0, 1, 4), 0)
    for delivery in arrived:
        counts[delivery.train.data[25] - 1] += 1
    whole = counts[4]
    assert engine.links[6].dropped_queue == 0
    assert counts[0] + counts[1] == pytest.approx(20_000, rel=0.02), (
        "the shared link idled or carried too much"
    )
    assert counts[0] == pytest.approx(counts[1], rel=0.1)
    assert whole == pytest.approx(0.98 * 20_000, rel=0.05)


def test_a_ratio_that_is_hardly_any_loses_nothing() -> None:
    link = Link(0, 1, 8e-9, 1.0, 5e-324, "1")
    assert not any(link.next_mishap() == LOST for _ in range(100))
