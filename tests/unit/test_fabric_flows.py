"""Open-ended flows in virtual time: their rate is exact, they share queues with packets, and they cost one event at a time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.fabric.engine import NO_LINK, Engine
from skyrack.orchestrator.fabric.flows import Flow, Flows

from .fabric_mesh import Edge, line, mesh, packet, run

QUANTUM = 125_000  # 1 ms at 1 Gbit/s


def start(engine: Engine, *flows: Flow, quantum_bytes: int = QUANTUM, seed: str = "1") -> Flows:
    return Flows(engine, 0.0, flows, quantum_bytes, seed)


def test_a_flow_sends_its_rate_within_a_quantum_at_any_time() -> None:
    engine = line(2, 1e10, queue_s=0.1)
    flows = start(engine, Flow(0, 2, 3e8))
    for second in range(1, 11):
        engine.advance(float(second))
        assert flows.counted[0].sent == pytest.approx(3e8 / 8 * second, abs=QUANTUM)
    counted = flows.counted[0]
    assert counted.lost == 0
    assert counted.sent - counted.delivered <= QUANTUM  # what is under way
    assert engine.links[0].bytes == pytest.approx(counted.sent, abs=QUANTUM)


@given(
    st.lists(
        st.tuples(st.sampled_from([(0, 4), (1, 5), (0, 5)]), st.floats(1e8, 3e9)), min_size=1, max_size=4
    ),
    st.floats(0.0, 0.05),
    st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_what_was_sent_has_arrived_is_lost_or_is_under_way(
    wanted: list[tuple[tuple[int, int], float]], loss_ratio: float, seed: int
) -> None:
    edges = [
        Edge(0, 2, 1e9, 0.001, 0.02),
        Edge(1, 2, 1e9, 0.001, 0.02),
        Edge(2, 3, 1e9, 0.001, 0.02, loss_ratio),
    ]
    edges += [Edge(3, 4, 1e9, 0.001, 0.02), Edge(3, 5, 1e9, 0.001, 0.02)]
    engine = mesh(6, edges, (0, 1, 4, 5))
    flows = start(engine, *(Flow(a, b, rate) for (a, b), rate in wanted), seed=str(seed))
    engine.advance(0.5)
    # Its rate, and what waits at this moment.
    assert engine.links[4].bytes * 8 <= 1e9 * (0.5 + 0.02) + 8 * QUANTUM
    flows.stop()
    engine.advance(5.0)
    assert all(counted.sent == counted.delivered + counted.lost for counted in flows.counted)
    assert not engine.hops


def test_packets_wait_behind_flows_and_flows_behind_packets() -> None:
    quiet, busy = line(1, 1e9, queue_s=0.1), line(1, 1e9, queue_s=0.1)
    start(busy, Flow(0, 1, 9e8))
    late = []
    for engine in (quiet, busy):
        for i in range(200):
            engine.advance(i * 1e-3)
            engine.ingress(i * 1e-3, 0, packet(0, 1, 1000))
        late.append(sum(delivery.at_s for delivery in run(engine, 1.0)))
    assert late[1] > late[0] + 200 * 1e-4
    assert busy.links[0].wait_s > 0.0


def test_flows_follow_a_change_of_routes() -> None:
    edges = [
        Edge(0, 1, 1e10, queue_s=0.1),
        Edge(1, 3, 1e10, queue_s=0.1),
        Edge(0, 2, 1e10, queue_s=0.1),
        Edge(2, 3, 1e10, queue_s=0.1),
    ]
    engine = mesh(4, edges, (0, 3))
    flows = start(engine, Flow(0, 3, 1e9))
    engine.advance(1.0)
    assert (engine.links[4].bytes, engine.drops["no_route"]) == (0, 0)
    before = engine.links[0].bytes
    table = engine.views[0]
    table[4 + 0], table[4 + 2] = 4, 6
    engine.advance(2.0)
    assert engine.links[0].bytes == before
    assert engine.links[4].bytes == pytest.approx(1e9 / 8, abs=QUANTUM)
    table[4 + 0] = NO_LINK
    engine.advance(3.0)
    assert flows.counted[0].sent == pytest.approx(
        2e9 / 8, abs=2 * QUANTUM
    )  # nobody sends where there is no way
    assert engine.drops["no_route"] == 0
    table[4 + 0] = 0
    engine.lit[0] = 0
    engine.advance(4.0)
    assert flows.counted[0].sent == pytest.approx(2e9 / 8, abs=2 * QUANTUM)
    engine.lit[0] = 1
    engine.advance(5.0)
    assert flows.counted[0].sent == pytest.approx(3e9 / 8, abs=2 * QUANTUM)


def test_however_many_flows_there_are_one_event_waits_for_all() -> None:
    engine = line(1, 1e10, queue_s=0.1)
    start(engine, *[Flow(0, 1, 1e4 * (i + 1)) for i in range(500)])
    engine.advance(0.0)
    assert len(engine.hops) == 1
    engine.advance(3.0)
    assert len(engine.hops) <= 3


def test_flows_that_begin_together_do_not_send_together() -> None:
    engine = line(1, 1e10, queue_s=0.1)
    flows = [Flow(0, 1, 1e9) for _ in range(5)]
    start(engine, *flows)
    engine.advance(1.0)
    link = engine.links[0]
    assert link.wait_s / link.packets < 0.5 * QUANTUM * 8 / 1e10


@pytest.mark.parametrize("step_s", [1e-4, 0.3])
def test_a_late_loop_changes_no_figure(step_s: float) -> None:
    late, engine = line(2, 1e9, queue_s=0.01), line(2, 1e9, queue_s=0.01)
    ours, theirs = (
        start(engine, Flow(0, 2, 9e8), Flow(2, 0, 2e8)),
        start(late, Flow(0, 2, 9e8), Flow(2, 0, 2e8)),
    )
    now_s = 0.0
    while now_s < 1.0:
        now_s = min(1.0, now_s + step_s)
        engine.advance(now_s)
    late.advance(1.0)
    assert [(c.sent, c.delivered) for c in ours.counted] == [(c.sent, c.delivered) for c in theirs.counted]
