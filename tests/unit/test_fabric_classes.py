"""Two classes on a link: nothing is idle while anything waits, shares and order hold, one class alone notices nothing."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.fabric.classes import Classes, SharedLink
from skyrack.orchestrator.fabric.engine import Engine
from skyrack.orchestrator.fabric.quantum import BEST_EFFORT, COMPUTE
from skyrack.orchestrator.fabric.transfers import Transfer

from .fabric_mesh import Delivery, Edge, dropped, echo_request, line, marked, mesh, packet, run, super_packet

DSCP = 10
RATE_BPS = 1e8
MSS = 1000
STRICT = Classes.of("strict", 0.0, [DSCP])
HALF = Classes.of("weighted", 0.5, [DSCP])
MTU_S = 1500 * 8 / RATE_BPS


@dataclass(frozen=True)
class Sent:
    """`n` segments of TCP, or one packet of `size` bytes where n is 0."""

    at_s: float
    compute: bool
    size: int
    n: int

    def data(self, ident: int) -> bytes:
        if self.n:
            data = super_packet(0, 1, bytes(self.n * MSS - self.size % MSS), MSS, ident=ident)
        else:
            data = packet(0, 1, self.size, ident=ident)
        return marked(data, DSCP if self.compute else 0)


ARRIVALS = st.lists(
    st.builds(
        Sent,
        st.integers(0, 4000).map(lambda us: us * 1e-6),
        st.booleans(),
        st.integers(60, 1500),
        st.sampled_from([0, 0, 0, 2, 5]),
    ),
    max_size=40,
).map(lambda sent: sorted(sent, key=lambda one: one.at_s))
SCHEDULES = st.one_of(
    st.just(STRICT), st.floats(0.05, 0.95).map(lambda share: Classes.of("weighted", share, [DSCP]))
)


def carry(engine: Engine, arrivals: list[Sent]) -> list[Delivery]:
    for ident, sent in enumerate(arrivals):
        engine.advance(sent.at_s)
        engine.ingress(sent.at_s, 0, sent.data(ident))
    return run(engine)


def ident_of(delivery: Delivery) -> int:
    return int.from_bytes(delivery.train.data[14:16], "big")


def shared(engine: Engine, number: int = 0) -> SharedLink:
    link = engine.links[number]
    assert isinstance(link, SharedLink)
    return link


@given(
    ARRIVALS, SCHEDULES, st.booleans(), st.sampled_from([0.0005, 0.002, 0.1]), st.sampled_from([0.0, 0.1]),
    st.sampled_from([1, 3]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_one_class_alone_is_carried_as_by_a_link_without_classes(
    arrivals: list[Sent], classes: Classes, compute: bool, queue_s: float, loss_ratio: float, hops: int
) -> None:
    alone = [Sent(sent.at_s, compute, sent.size, sent.n) for sent in arrivals]
    edges = [Edge(i, i + 1, RATE_BPS * (i + 1) ** (-1) ** i, 0.001, queue_s, loss_ratio) for i in range(hops)]
    ends, found = (0, hops), []
    for given_classes in (None, classes):
        engine = mesh(hops + 1, edges, ends, "1", given_classes)
        for ident, sent in enumerate(alone):
            engine.advance(sent.at_s)
            data = sent.data(ident)
            engine.ingress(sent.at_s, 0, data[:26] + (0x64400001 + hops).to_bytes(4, "big") + data[30:])
        deliveries = run(engine)
        found.append((deliveries, dropped(engine), [link.wait_s for link in engine.links], engine))
    (plain, plain_dropped, plain_wait_s, before), (ours, ours_dropped, ours_wait_s, after) = found
    assert [delivery.train.data for delivery in ours] == [delivery.train.data for delivery in plain]
    assert [delivery.at_s for delivery in ours] == pytest.approx(
        [delivery.at_s for delivery in plain], abs=1e-12
    )
    assert ours_dropped == plain_dropped
    # Of a train that is cut by a full queue the two add up other waits: its first segment's, or each one's.
    if not any(link.dropped_queue for link in before.links):
        assert ours_wait_s == pytest.approx(plain_wait_s, abs=1e-9)
    counted = [link for link in after.links if isinstance(link, SharedLink)]
    assert sum(link.compute_packets for link in counted) == compute * sum(
        link.packets for link in before.links
    )
    assert [link.bytes for link in after.links] == [link.bytes for link in before.links]


@given(ARRIVALS, SCHEDULES)
@settings(max_examples=150, deadline=None)
def test_nothing_is_idle_while_anything_waits_and_nothing_is_faster_than_the_link(
    arrivals: list[Sent], classes: Classes
) -> None:
    plain, ours = line(1, RATE_BPS, 0.0), line(1, RATE_BPS, 0.0, classes=classes)
    fifo, found = carry(plain, arrivals), carry(ours, arrivals)
    assert sorted(map(ident_of, found)) == list(range(len(arrivals)))
    # Whoever is first, the transmitter has sent as many bytes at the end of every busy period, and in all.
    assert ours.links[0].busy_bytes == plain.links[0].busy_bytes
    assert ours.links[0].free_at == pytest.approx(plain.links[0].free_at, abs=1e-12)
    assert ours.links[0].bytes == plain.links[0].bytes
    last = 0.0
    for delivery in found:
        assert delivery.at_s >= last + delivery.train.wire * 8 / RATE_BPS - 1e-12
        last = delivery.at_s
    assert [delivery.at_s for delivery in fifo[-1:]] == pytest.approx(
        [delivery.at_s for delivery in found[-1:]]
    )


@given(ARRIVALS, SCHEDULES)
@settings(max_examples=100, deadline=None)
def test_within_a_class_nothing_overtakes(arrivals: list[Sent], classes: Classes) -> None:
    found = carry(line(1, RATE_BPS, 0.001, classes=classes), arrivals)
    for compute in (True, False):
        order = [number for number in map(ident_of, found) if arrivals[number].compute is compute]
        assert order == sorted(order)


@given(ARRIVALS)
@settings(max_examples=100, deadline=None)
def test_strict_compute_waits_for_one_train_of_best_effort_at_most(arrivals: list[Sent]) -> None:
    found = carry(line(1, RATE_BPS, 0.0, classes=STRICT), arrivals)
    alone = carry(line(1, RATE_BPS, 0.0), [sent for sent in arrivals if sent.compute])
    mixed = [delivery for delivery in found if arrivals[ident_of(delivery)].compute]
    longest_s = max((delivery.train.wire for delivery in found), default=0) * 8 / RATE_BPS
    for ours, theirs in zip(mixed, alone, strict=True):
        assert theirs.at_s - 1e-12 <= ours.at_s <= theirs.at_s + longest_s + 1e-12


@given(
    st.floats(0.05, 0.95),
    st.lists(st.tuples(st.booleans(), st.integers(60, 1500)), min_size=20, max_size=200),
)
@settings(max_examples=100, deadline=None)
def test_while_both_wait_each_has_its_share_within_one_train_of_each(
    share: float, sizes: list[tuple[bool, int]]
) -> None:
    classes = Classes.of("weighted", share, [DSCP])
    found = carry(
        line(1, RATE_BPS, 0.0, classes=classes), [Sent(0.0, compute, size, 0) for compute, size in sizes]
    )
    kinds = [sizes[ident_of(delivery)][0] for delivery in found]
    both = min(len(kinds) - kinds[::-1].index(kind) - 1 if kind in kinds else 0 for kind in (True, False))
    done = [0.0, 0.0]
    # The first to arrive found the link idle: it was sent before there was a choice.
    for delivery, kind in list(zip(found, kinds, strict=True))[1:both]:
        done[not kind] += delivery.train.wire
        assert abs(done[0] / share - done[1] / (1.0 - share)) <= 1500 / share + 1500 / (1.0 - share) + 1e-6


@pytest.mark.parametrize(("share", "classes"), [(0.3, Classes.of("weighted", 0.3, [DSCP])), (1.0, STRICT)])
def test_declared_transfers_share_a_link_as_their_classes_do(share: float, classes: Classes) -> None:
    edges = [Edge(0, 2, 1e11, 0.003, 0.1), Edge(1, 2, 1e11, 0.003, 0.1), Edge(2, 3, 1e11, 0.004, 0.1)]
    engine = mesh(4, edges, (0, 1, 3), classes=classes)
    work = [
        Transfer(engine, number, 0.0, number, 3, 1 << 60, lambda message: None, traffic_class)
        for number, traffic_class in enumerate((COMPUTE, BEST_EFFORT))
    ]
    engine.advance(0.5)
    before = [transfer.delivered for transfer in work]
    engine.advance(1.5)
    compute, best_effort = (transfer.delivered - was for transfer, was in zip(work, before, strict=True))
    assert compute * 8 == pytest.approx(share * 1e11, rel=0.002)
    assert (compute + best_effort) * 8 == pytest.approx(1e11, rel=0.001)
    link = shared(engine, 4)
    assert link.compute_bytes / link.bytes == pytest.approx(share, abs=0.02)


def test_what_a_class_leaves_the_other_uses() -> None:
    engine = line(1, RATE_BPS, 0.0, 0.05, classes=Classes.of("weighted", 0.9, [DSCP]))
    arrivals = [Sent(i * MTU_S, False, 1500, 0) for i in range(1000)]
    arrivals += [Sent(i * 10 * MTU_S, True, 1500, 0) for i in range(100)]
    carry(engine, sorted(arrivals, key=lambda sent: sent.at_s))
    link = shared(engine)
    assert link.compute_packets == 100
    assert link.compute_dropped_queue == 0
    assert link.packets - link.compute_packets > 895


def test_each_class_has_a_queue_of_its_own_and_its_drops_are_counted() -> None:
    engine = line(1, RATE_BPS, 0.0, 10 * MTU_S, classes=STRICT)
    arrivals = [Sent(0.0, False, 1500, 0) for _ in range(50)] + [Sent(0.0, True, 1500, 0) for _ in range(5)]
    found = carry(engine, arrivals)
    link = shared(engine)
    assert (link.compute_packets, link.compute_dropped_queue) == (5, 0)
    assert link.dropped_queue == 50 - 11  # one in the transmitter, ten in the queue
    assert [ident_of(delivery) for delivery in found][:6] == [0, 50, 51, 52, 53, 54]


def test_a_slower_rate_holds_for_what_waits_already() -> None:
    engine = line(1, RATE_BPS, 0.0, classes=HALF)
    for ident in range(3):
        engine.ingress(0.0, 0, packet(0, 1, 1500, ident=ident))
    engine.advance(0.0)
    engine.links[0].set_parameters(8.0 / (RATE_BPS / 10), 1.0, 0.0)
    times = [delivery.at_s for delivery in run(engine)]
    assert times == pytest.approx([MTU_S, 11 * MTU_S, 21 * MTU_S])


def test_a_transfer_that_meets_a_full_queue_of_its_class_hears_of_it() -> None:
    engine = line(1, RATE_BPS, 0.001, 0.01, classes=STRICT)
    said: list[dict[str, object]] = []
    Transfer(engine, 1, 0.0, 0, 1, 2_000_000, said.append)
    for i in range(100):
        engine.ingress(i * MTU_S, 0, marked(packet(0, 1, 1500), DSCP))
    run(engine, 5.0)
    assert said[-1]["state"] == "done"
    assert shared(engine).compute_packets == 100


@pytest.mark.parametrize("step_s", [1e-5, 0.01])
def test_a_late_loop_changes_no_instant(step_s: float) -> None:
    arrivals = [Sent(i * 1e-5, bool(i % 3), 200 + i, 0) for i in range(300)]
    engines = [line(1, RATE_BPS, 0.001, classes=HALF) for _ in range(2)]
    for engine in engines:
        for ident, sent in enumerate(arrivals):
            engine.ingress(sent.at_s, 0, sent.data(ident))
    now_s = 0.0
    while now_s < 0.2:
        now_s += step_s
        engines[0].advance(now_s)
    late, early = run(engines[1]), run(engines[0])
    assert [(delivery.at_s, ident_of(delivery)) for delivery in early] == [
        (delivery.at_s, ident_of(delivery)) for delivery in late
    ]
    assert all(a.at_s < b.at_s for a, b in pairwise(early))


def test_a_satellites_answer_to_a_marked_ping_is_marked_too() -> None:
    edges = [Edge(0, 1, RATE_BPS, 0.001, 0.1), Edge(1, 2, RATE_BPS, 0.001, 0.1)]
    engine = mesh(3, edges, (0, 2), classes=HALF)
    engine.ingress(0.0, 0, marked(echo_request(0, 1), DSCP))
    assert len(run(engine)) == 1
    assert [shared(engine, number).compute_packets for number in range(4)] == [1, 1, 0, 0]
