"""Declared transfers in virtual time: exact on an idle way, fair on a shared one, complete on a bad one."""

from array import array
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.fabric.engine import NO_LINK, Engine
from skyrack.orchestrator.fabric.quantum import BEST_EFFORT, SEGMENT_BYTES, Quantum
from skyrack.orchestrator.fabric.transfers import QUANTUM_S, REPORT_S, Transfer

from .fabric_mesh import Edge, line, mesh, packet, shortest_routes

GB = 10**9
STEP_S = 0.01


class Heard:
    """What the orchestrator hears of the transfers of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.said: dict[int, list[dict[str, Any]]] = {}
        self.now_s = 0.0

    def send(self, src: int, dst: int, size_bytes: int, at_s: float = 0.0, number: int = 1) -> Transfer:
        said = self.said[number] = []
        return Transfer(self.engine, number, at_s, src, dst, size_bytes, said.append)

    def advance(self, until_s: float) -> None:
        self.engine.advance(until_s)
        self.now_s = until_s

    def finish(self, number: int = 1, within_s: float = 100.0) -> dict[str, Any]:
        while not (said := self.said[number]) or said[-1]["state"] == "running":
            assert self.now_s < within_s, said[-1:]
            self.advance(self.now_s + STEP_S)
        return said[-1]


def shares(engine: Engine, pairs: list[tuple[int, int]], begin_s: float, end_s: float) -> list[float]:
    """Bytes of each pair between two instants, of endless transfers that begin 0.1 s apart."""
    heard = Heard(engine)
    work = [heard.send(a, b, 1 << 60, 0.1 * i, i) for i, (a, b) in enumerate(pairs)]
    heard.advance(begin_s)
    before = [transfer.delivered for transfer in work]
    heard.advance(end_s)
    return [transfer.delivered - was for transfer, was in zip(work, before, strict=True)]


def dumbbell(queue_s: float, other_delay_s: float = 0.003) -> Engine:
    """0 and 1 send to 4 and 5; all share 2-3 of 100 Gbit/s."""
    edges = [
        Edge(0, 2, 1e11, 0.003, queue_s), Edge(1, 2, 1e11, other_delay_s, queue_s), Edge(2, 3, 1e11, 0.004, queue_s),
        Edge(3, 4, 1e11, 0.001, queue_s), Edge(3, 5, 1e11, 0.001, queue_s),
    ]  # fmt: skip
    return mesh(6, edges, (0, 1, 4, 5))


@pytest.mark.parametrize("hops", [1, 5])
@pytest.mark.parametrize("rate_bps", [1e11, 1e12])
def test_an_idle_way_takes_size_over_rate_and_delay_and_a_packet_per_further_hop(
    hops: int, rate_bps: float
) -> None:
    heard = Heard(line(hops, rate_bps, delay_s=0.003, queue_s=0.1))
    heard.send(0, hops, 40 * GB, at_s=0.005)
    last = heard.finish()
    serialised_s = (40 * GB + (hops - 1) * SEGMENT_BYTES) * 8 / rate_bps
    assert last == {
        "op": "transfer", "id": 1, "bytes": 40 * GB, "lost": 0, "state": "done",
        "at": pytest.approx(0.005 + serialised_s + 0.003 * hops, abs=1e-11),
    }  # fmt: skip


def test_a_slow_link_anywhere_on_the_way_is_kept_busy_without_a_queue() -> None:
    heard = Heard(mesh(4, [Edge(0, 1, 1e12), Edge(1, 2, 1e10, queue_s=0.001), Edge(2, 3, 1e12)], (0, 3)))
    heard.send(0, 3, GB)
    assert heard.finish()["at"] == pytest.approx(0.8 + 0.003, rel=1e-4)
    assert heard.engine.links[2].dropped_queue == 0


def test_sixty_seconds_at_a_terabit_do_not_drift() -> None:
    heard = Heard(line(1, 1e12, delay_s=0.003, queue_s=0.1))
    heard.send(0, 1, 7_500 * GB)
    assert heard.finish()["at"] == pytest.approx(60.003, abs=1e-9)


@pytest.mark.parametrize("step_s", [1e-4, 0.003, 0.5])
def test_a_late_loop_changes_no_figure(step_s: float) -> None:
    heard = Heard(dumbbell(0.005))
    for number in (0, 1):
        heard.send(number, 4 + number, GB, 0.01 * number, number)
    while heard.now_s < 1.0:
        heard.advance(heard.now_s + step_s)
    late = Heard(dumbbell(0.005))
    for number in (0, 1):
        late.send(number, 4 + number, GB, 0.01 * number, number)
    late.advance(1.0)
    assert heard.said == late.said


def test_two_transfers_share_a_link_equally_and_fill_it() -> None:
    a, b = shares(dumbbell(0.1), [(0, 4), (1, 5)], 0.5, 2.0)
    assert a == pytest.approx(b, rel=0.02)
    assert (a + b) * 8 / 1.5 == pytest.approx(1e11, rel=0.001)


def test_where_the_queue_is_too_short_for_the_windows_they_still_share_roughly_equally() -> None:
    a, b = shares(dumbbell(0.005), [(0, 4), (1, 5)], 1.5, 4.5)
    assert a == pytest.approx(b, rel=0.15)
    assert (a + b) * 8 / 3.0 > 0.9e11


def test_transfers_of_one_source_share_its_first_link() -> None:
    found = shares(line(2, 1e11, 0.004, 0.02), [(0, 2)] * 3, 1.5, 4.5)
    assert max(found) < 1.3 * min(found)
    assert sum(found) * 8 / 3.0 == pytest.approx(1e11, rel=0.01)


@settings(max_examples=40, deadline=None)
@given(
    size_bytes=st.integers(1, 30_000_000),
    loss_ratio=st.sampled_from([0.0, 1e-4, 0.02, 0.3]),
    queue_s=st.sampled_from([1e-4, 1e-3, 0.1]),
    rivals=st.integers(0, 2),
)
def test_every_byte_arrives_once_whatever_is_lost(
    size_bytes: int, loss_ratio: float, queue_s: float, rivals: int
) -> None:
    edges = [Edge(0, 1, 1e10, 0.002, queue_s, loss_ratio), Edge(1, 2, 4e9, 0.002, queue_s, loss_ratio)]
    heard = Heard(mesh(3, edges, (0, 2)))
    for number in range(1, rivals + 2):
        heard.send(0, 2, size_bytes, 0.001, number)
    for number in range(1, rivals + 2):
        assert heard.finish(number)["bytes"] == size_bytes
    sent = sum(said[-1]["lost"] for said in heard.said.values()) + size_bytes * (rivals + 1)
    assert heard.engine.links[0].bytes <= sent
    assert heard.engine.links[2].bytes == size_bytes * (rivals + 1)


def test_what_a_link_loses_is_counted_and_sent_again() -> None:
    heard = Heard(line(1, 1e10, queue_s=0.1, loss_ratio=0.01))
    heard.send(0, 1, GB)
    lost = heard.finish()["lost"]
    assert lost == pytest.approx(0.01 / 0.99 * GB, rel=0.05)
    assert heard.engine.links[0].dropped_loss >= lost // SEGMENT_BYTES


def test_a_transfer_follows_new_routes_and_loses_what_was_on_the_old_way() -> None:
    edges = [Edge(0, 1, 1e10, queue_s=0.1), Edge(1, 3, 1e10, queue_s=0.1)]
    edges += [Edge(0, 2, 5e9, queue_s=0.1), Edge(2, 3, 5e9, queue_s=0.1)]
    engine = mesh(4, edges, (0, 3))
    heard = Heard(engine)
    heard.send(0, 3, GB)

    def turn(_: float) -> None:
        detour = [Edge(9, 9), Edge(9, 9), *edges[2:]]
        engine.follow(shortest_routes(4, detour, (0, 3)))

    engine.at(0.4, turn)
    last = heard.finish()
    assert last["at"] == pytest.approx(0.4 + 0.5 / 5e9 * 8e9 + 0.002, rel=0.01)
    assert 0 < last["lost"] <= engine.drops["no_route"] * SEGMENT_BYTES


def test_without_a_way_a_transfer_waits_until_there_is_one() -> None:
    engine = line(2, 1e10, queue_s=0.1)
    routes = shortest_routes(3, [Edge(0, 1), Edge(1, 2)], (0, 2))
    engine.follow(array("I", [NO_LINK] * 6))
    heard = Heard(engine)
    heard.send(0, 2, GB)
    engine.at(1.0, lambda _: engine.follow(routes))
    last = heard.finish()
    assert last["at"] == pytest.approx(1.8, abs=0.02)
    assert last["lost"] == 0


def test_a_destination_that_is_dark_for_a_while_gets_everything_in_the_end() -> None:
    engine = line(2, 1e10, queue_s=0.1)
    heard = Heard(engine)
    heard.send(0, 2, GB)
    engine.at(0.3, lambda _: engine.lit.__setitem__(2, 0))
    engine.at(0.5, lambda _: engine.lit.__setitem__(2, 1))
    assert heard.finish()["at"] == pytest.approx(1.0, abs=0.03)
    assert heard.said[1][-1]["lost"] > 0


def test_progress_is_told_every_tenth_of_a_second_and_never_ahead_of_its_time() -> None:
    heard = Heard(line(2, 1e10, delay_s=0.01, queue_s=0.1))
    heard.send(0, 2, GB)
    heard.finish()
    *running, done = heard.said[1]
    assert [message["at"] for message in running] == pytest.approx(
        [REPORT_S * k for k in range(1, len(running) + 1)], abs=2 * QUANTUM_S
    )
    assert len(running) == 8
    assert all(message["bytes"] * 8 / 1e10 <= message["at"] - 0.02 + 1e-5 for message in running)
    assert done["state"] == "done"


def test_a_cancelled_transfer_says_so_once_and_sends_nothing_more() -> None:
    engine = line(1, 1e10, queue_s=0.1)
    heard = Heard(engine)
    transfer = heard.send(0, 1, GB)
    engine.at(0.45, transfer.cancel)
    heard.advance(0.5)
    sent = engine.links[0].bytes
    heard.advance(2.0)
    transfer.cancel(2.0)
    assert [message["state"] for message in heard.said[1]] == ["running"] * 4 + ["cancelled"]
    assert heard.said[1][-1]["at"] == 0.45
    assert engine.links[0].bytes == sent
    assert not engine.hops


def test_packets_wait_behind_quanta_and_quanta_are_delivered_to_no_kernel() -> None:
    engine = line(1, 1e10, delay_s=0.001, queue_s=0.1)
    heard = Heard(engine)
    heard.send(0, 1, GB)
    heard.advance(0.40001)
    engine.ingress(0.40001, 0, packet(0, 1, 1500))
    heard.finish()
    [(at_s, _, _, train)] = engine.deliveries
    assert not isinstance(train, Quantum)
    assert 0.40101 < at_s < 0.40101 + 3 * QUANTUM_S


@given(size_bytes=st.integers(1, 10**7))
def test_a_quantum_is_a_train_of_two_segments_or_more_that_add_up(size_bytes: int) -> None:
    class Nobody:
        def arrived(self, t: float, size_bytes: int) -> None: ...
        def dropped(self, t: float, size_bytes: int, *, queue_full: bool) -> None: ...

    quantum = Quantum(Nobody(), 1, 0, size_bytes, 0.0, BEST_EFFORT)
    assert quantum.segments >= 2
    assert (quantum.segments - 1) * quantum.segment + quantum.last == quantum.wire == size_bytes
    assert 0 <= quantum.last <= quantum.segment <= SEGMENT_BYTES
