"""The engine in virtual time: every packet is accounted for, in order, and control takes effect to the instant."""

import struct
from array import array
from collections import Counter, defaultdict
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.fabric.adoption import Adoption
from skyrack.orchestrator.fabric.engine import NO_LINK, Engine
from skyrack.orchestrator.fabric.link import Link
from skyrack.orchestrator.fabric.train import VNET_BYTES

from .fabric_mesh import (
    BASE,
    Edge,
    dropped,
    echo_request,
    line,
    mesh,
    packet,
    run,
    shortest_routes,
    super_packet,
)

RATES = st.sampled_from((1e6, 1e8, 1e9, 1e11))
EDGES = st.builds(
    Edge,
    st.integers(0, 6),
    st.integers(0, 6),
    RATES,
    st.sampled_from((0.0, 0.0005, 0.013)),
    st.sampled_from((0.0, 0.0001, 0.02, float("inf"))),
    st.sampled_from((0.0, 0.0, 0.1)),
)
TRAFFIC = st.lists(
    st.tuples(
        st.floats(0, 0.01),  # when
        st.integers(0, 2),  # from which end point
        st.integers(0, 7),  # to which node; 7 is nobody
        st.sampled_from((20, 64, 1500, -20_000, -64_000)),  # bytes; negative: a train of so many
        st.integers(1, 8),  # time to live
    ),
    max_size=60,
)


def numbered(src: int, dst: int, number: int, size: int = 64, ttl: int = 64) -> bytes:
    """A packet that says which one it is."""
    return packet(src, dst, size=max(24, size), ttl=ttl, body=struct.pack("!I", number))


def number_of(data: bytes) -> int:
    number: int = struct.unpack_from("!I", data, VNET_BYTES + 20)[0]
    return number


def drive(engine: Engine, traffic: list[tuple[float, int, int, int, int]], step_s: float = 0.0) -> int:
    """Offer the traffic, advancing now and then as a real loop would. Returns segments that came in."""
    offered = 0
    for when, src, dst, size, ttl in sorted(traffic):
        if size < 0:
            data = super_packet(src, dst, bytes(-size), 1448)
            offered += -(size // 1448)
        else:
            data, offered = packet(src, dst, size=size, ttl=ttl), offered + 1
        engine.ingress(when, src, data)
        if step_s:
            engine.advance(when - when % step_s)
    return offered


@settings(max_examples=150)
@given(st.lists(EDGES, min_size=1, max_size=9), TRAFFIC, st.sampled_from((0.0, 0.0003)))
def test_every_segment_is_delivered_dropped_for_a_reason_or_in_flight(
    edges: list[Edge], traffic: list[tuple[float, int, int, int, int]], step_s: float
) -> None:
    engine = mesh(7, edges, (0, 1, 2))
    # Nothing answers: what is counted is what was offered.
    engine._tokens = {(node, error): (-1e9, 0.0) for node in range(7) for error in (True, False)}
    echoed = sum(3 <= dst < 7 for _, _, dst, _, _ in traffic)
    offered = drive(engine, traffic, step_s)
    for until_s in (0.002, 0.01, 0.5, 1e9):
        engine.advance(until_s)
        in_flight = sum(event[3].segments for event in engine.hops)
        arrived = sum(event[3].segments for event in engine.deliveries)
        # What reaches a bare satellite ends there; at most all that was sent to one.
        at_bare = offered - dropped(engine) - in_flight - arrived
        most_at_bare = sum(
            1 if size > 0 else -(size // 1448) for _, _, dst, size, _ in traffic if 3 <= dst < 7
        )
        assert 0 <= at_bare <= most_at_bare
        if not echoed:
            assert at_bare == 0
    assert not engine.hops


@settings(max_examples=150)
@given(
    st.lists(EDGES, min_size=1, max_size=9),
    st.lists(
        st.tuples(st.floats(0, 0.002), st.integers(0, 2), st.integers(0, 2), st.integers(24, 1500)),
        max_size=80,
    ),
    st.sampled_from((0.0, 0.0003)),
)
def test_packets_of_one_flow_never_overtake_one_another(
    edges: list[Edge], traffic: list[tuple[float, int, int, int]], step_s: float
) -> None:
    engine = mesh(7, edges, (0, 1, 2))
    for i, (when, src, dst, size) in enumerate(sorted(traffic)):
        engine.ingress(when, src, numbered(src, dst, i, size))
        if step_s:
            engine.advance(when - when % step_s)
    flows: dict[tuple[int, int], list[int]] = defaultdict(list)
    for delivery in run(engine):
        data = delivery.train.data
        if data[VNET_BYTES + 9] != 1:
            flows[data[VNET_BYTES + 15], delivery.node].append(number_of(data))
    for numbers in flows.values():
        assert numbers == sorted(numbers)


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.floats(0, 0.001), st.integers(0, 2), st.sampled_from((64, 1500, -3_000, -60_000))),
        max_size=50,
    ),
    st.tuples(RATES, RATES, RATES, RATES),
)
def test_trains_and_packets_of_one_flow_never_overtake_one_another_where_flows_merge(
    traffic: list[tuple[float, int, int]], rates: tuple[float, float, float, float]
) -> None:
    #  0 --+
    #  1 --+-- 3 ---- 4
    #  2 --+
    edges = [Edge(i, 3, rate) for i, rate in enumerate(rates[:3])] + [Edge(3, 4, rates[3])]
    engine = mesh(5, edges, (0, 1, 2, 4))
    for i, (when, src, size) in enumerate(sorted(traffic)):
        data = (
            super_packet(src, 4, bytes(-size), 1448, ident=i) if size < 0 else packet(src, 4, size, ident=i)
        )
        engine.ingress(when, src, data)
    flows: dict[int, list[int]] = defaultdict(list)
    arrived = run(engine)
    assert len(arrived) == len(traffic)
    for delivery in arrived:
        data = delivery.train.data
        flows[data[VNET_BYTES + 15]].append(data[VNET_BYTES + 4] << 8 | data[VNET_BYTES + 5])
    for idents in flows.values():
        assert idents == sorted(idents)
    bits = sum(8 * (-size + 52 * -(size // 1448) if size < 0 else size) for _, _, size in traffic)
    if arrived:  # and no bit leaves before it can
        assert arrived[-1].at_s >= bits / rates[3] - 1e-9


@given(st.lists(st.floats(1e-6, 0.1), min_size=1, max_size=40))
def test_how_late_the_host_advances_changes_no_time(steps: list[float]) -> None:
    def arrivals(late: list[float]) -> list[tuple[float, int]]:
        engine = mesh(4, [Edge(0, 2), Edge(2, 3, 1e6), Edge(1, 2)], (0, 1, 3))
        for i in range(40):
            engine.ingress(i * 1e-4, i % 2, numbered(i % 2, 3, i, 200))
        now = 0.0
        for step in late:
            now += step
            engine.advance(now)
        return [(d.at_s, number_of(d.train.data)) for d in run(engine)]

    assert arrivals(steps) == arrivals([])


def test_ten_hops_take_ten_delays_and_ten_serialisations_to_the_picosecond() -> None:
    engine = line(10, rate_bps=1e8, delay_s=0.005)
    engine.ingress(3.0, 0, packet(0, 10, size=1000))
    assert run(engine)[0].at_s == pytest.approx(3.0 + 10 * (0.005 + 8e-5), abs=1e-12)


def test_delay_follows_the_slope_of_its_segment_at_the_instant_of_departure() -> None:
    engine = line(1, rate_bps=8e6)
    engine.delay_s, engine.slope, engine.segment_start_s = (
        array("d", [0.01, 0.01]),
        array("d", [2e-5, 0.0]),
        4.0,
    )
    engine.ingress(4.5, 0, packet(0, 1, size=1000))
    assert run(engine)[0].at_s == pytest.approx(4.501 + 0.01 + 2e-5 * 0.501, abs=1e-12)


def test_a_segment_takes_effect_at_its_instant_and_not_for_what_left_before() -> None:
    engine = line(1, rate_bps=1e12)
    times = [0.999999, 0.9999999, 1.0000001, 1.000001]

    def lengthen(at_s: float) -> None:
        assert at_s == 1.0
        engine.delay_s, engine.segment_start_s = array("d", [0.5, 0.5]), at_s

    for t in times[:2]:
        engine.ingress(t, 0, packet(0, 1))
    engine.at(1.0, lengthen)
    for t in times[2:]:
        engine.ingress(t, 0, packet(0, 1))
    delays = [round(d.at_s - t, 6) for d, t in zip(run(engine), times, strict=True)]
    assert delays == [0.001, 0.001, 0.5, 0.5]


def test_control_of_one_instant_happens_in_the_order_it_was_given() -> None:
    engine = line(1)
    seen: list[str] = []
    engine.at(2.0, lambda _: seen.append("a"))
    engine.at(2.0, lambda _: seen.append("b"))
    engine.at(2.0, lambda _: seen.append("c"))
    engine.at(1.0, lambda _: seen.append("first"))
    engine.advance(1.5)
    assert seen == ["first"]
    engine.advance(2.0)
    assert seen == ["first", "a", "b", "c"]


def test_packets_in_flight_survive_a_change_of_routes_and_take_the_new_way_from_where_they_are() -> None:
    #     1 --- 2
    #   /        \
    #  0 -------- 3 --- 4        first by 1 and 2, then 2 sends back, by 1 and 0
    edges = [Edge(0, 1), Edge(1, 2), Edge(2, 3), Edge(0, 3), Edge(3, 4)]
    engine = mesh(5, edges, (0, 4))
    by_north = shortest_routes(5, [edges[0], edges[1], edges[2], Edge(6, 6), edges[4]], (0, 4))
    by_south = shortest_routes(5, [edges[0], edges[1], Edge(6, 6), edges[3], edges[4]], (0, 4))
    engine.follow(by_north)
    engine.at(1.0015, lambda _: engine.follow(by_south))
    engine.ingress(1.0, 0, packet(0, 4, size=20, ttl=9))
    (arrived,) = run(engine)
    assert arrived.train.ttl == 9 - 5 + 0
    assert arrived.at_s == pytest.approx(1.006, abs=1e-5)


def test_a_route_loop_ends_by_time_to_live_and_the_sender_hears_of_it() -> None:
    engine = mesh(4, [Edge(0, 1), Edge(1, 2), Edge(2, 3)], (0, 3))
    engine.views[2][4 + 2] = 3  # towards node 3, node 2 sends back to node 1
    engine.ingress(0.0, 0, packet(0, 3, ttl=20))
    arrived = run(engine)
    assert (engine.drops["loop"], engine.drops["ttl"]) == (1, 0)
    assert [(d.node, d.train.data[VNET_BYTES + 20]) for d in arrived] == [(0, 11)]


def test_a_link_that_is_not_in_force_takes_nothing() -> None:
    engine = line(2)
    engine.delay_s[2] = -1.0
    engine.ingress(0.0, 0, super_packet(0, 2, bytes(5 * 1448), 1448))
    assert run(engine) == []
    assert engine.drops["link_down"] == 5


def test_what_is_under_way_on_a_link_arrives_after_the_link_has_gone_dark() -> None:
    engine = line(1, delay_s=0.01)

    def darken(_: float) -> None:
        engine.delay_s = array("d", [-1.0, -1.0])

    engine.at(0.005, darken)
    engine.ingress(0.0, 0, packet(0, 1))
    engine.ingress(0.006, 0, packet(0, 1))
    assert len(run(engine)) == 1
    assert engine.drops["link_down"] == 1


def test_a_dark_node_swallows_what_reaches_it_until_it_is_lit_again() -> None:
    engine = line(2)
    engine.lit[1] = 0
    engine.at(0.002, lambda _: engine.lit.__setitem__(1, 1))
    for t in (0.0, 0.0005, 0.0015):
        engine.ingress(t, 0, packet(0, 2))
    assert len(run(engine)) == 1
    assert engine.drops["dark"] == 2


def test_inhabited_nodes_are_dark_until_they_attach_and_bare_ones_never() -> None:
    assert list(Engine(3, BASE, (1, 0, 1), (0, -1, 1)).lit) == [0, 1, 0]


def test_a_link_number_given_to_another_pair_does_not_move_packets_to_another_place() -> None:
    # A packet to a bare satellite carries its way as link numbers.
    engine = mesh(5, [Edge(0, 1), Edge(1, 2), Edge(3, 4)], (0,))
    engine.ingress(0.0, 0, echo_request(0, 2))
    engine.at(0.0005, lambda _: engine.links.__setitem__(2, Link(3, 4, 8e-9, 1.0)))
    run(engine)
    assert engine.drops["no_route"] == 1


def test_a_new_epoch_decides_the_way_to_a_bare_satellite_at_its_instant() -> None:
    engine = mesh(3, [Edge(0, 1), Edge(1, 2), Edge(0, 2, delay_s=0.1)], (0,))
    engine.follow(array("I", [NO_LINK, 1, 3]))
    direct = array("I", [NO_LINK, 1, 5])
    engine.at(1.0, lambda _: engine.follow(direct))
    # Read before the loop has carried out what was due at 1.0.
    engine.ingress(1.1, 0, echo_request(0, 2))
    (arrived,) = run(engine)
    assert arrived.at_s == pytest.approx(1.3, abs=1e-4)


@given(st.binary(max_size=120), st.booleans())
def test_no_bytes_a_guest_can_write_raise(data: bytes, ipv4: bool) -> None:
    engine = line(2)
    if ipv4:  # past the first checks
        data = data[:10] + b"\x45\0" + struct.pack("!H", max(0, len(data) - 10)) + data[14:]
    engine.ingress(0.0, 0, data)
    run(engine)
    assert sum(engine.drops.values()) <= 2


@settings(max_examples=400)
@given(
    st.binary(min_size=10, max_size=10),
    st.integers(0, 15),
    st.integers(0, 255),
    st.integers(0, 15),
    st.integers(0, 4),
    st.integers(0, 3000),
    st.sampled_from((1, 6, 17, 255)),
    st.sampled_from((0.0, 0.4)),
)
def test_absurd_offload_headers_never_raise_and_end_up_somewhere(
    vnet: bytes, ihl: int, ttl: int, doff: int, dst: int, length: int, protocol: int, loss: float
) -> None:
    engine = mesh(4, [Edge(i, i + 1, 1e8, 0.001, 0.00005, loss) for i in range(3)], (0, 3))
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x40 | ihl, 0, 20 + length, 1, 0, ttl, protocol, 0,
        (BASE).to_bytes(4, "big"), (BASE + dst).to_bytes(4, "big"),
    )  # fmt: skip
    body = bytearray(length)
    for at in (12, 4 * max(0, ihl - 5) + 12):
        if at < length:
            body[at] = doff << 4
    for gso in (vnet[1], 1, 0x81):
        engine.ingress(0.0, 0, vnet[:1] + bytes((gso,)) + vnet[2:] + head + bytes(body))
        run(engine)


def test_a_truncated_or_lying_length_is_malformed_and_counted() -> None:
    engine = line(1)
    good = packet(0, 1, size=60)
    for bad in (good[:-1], good + b"\0", good[:20], good[:11], b"", b"\0" * 10):
        engine.ingress(0.0, 0, bad)
    assert engine.drops["malformed"] == 6
    engine.ingress(0.0, 0, good[:10] + b"\x60" + good[11:])
    assert engine.drops["not_ipv4"] == 1
    engine.ingress(0.0, 0, good[:10] + b"\x44" + good[11:])
    assert engine.drops["malformed"] == 7


def test_addresses_outside_the_mesh_are_answered_host_unreachable_at_once() -> None:
    engine = line(1)
    engine.ingress(5.0, 0, packet(0, 77))
    (arrived,) = run(engine)
    assert (arrived.at_s, arrived.node) == (5.0, 0)
    assert arrived.train.data[VNET_BYTES + 20 : VNET_BYTES + 22] == b"\x03\x01"
    assert int.from_bytes(arrived.train.data[22:26], "big") == BASE - 1, (
        "under its own address a kernel drops it"
    )
    assert engine.drops["no_address"] == 1


def test_two_packets_a_guest_sends_to_itself_at_one_instant_both_come_back() -> None:
    engine = line(1)
    for _ in range(3):
        engine.ingress(1.0, 0, packet(0, 0))
    assert [(d.node, d.at_s) for d in run(engine)] == [(0, 1.0)] * 3


def test_time_to_live_at_delivery_has_spent_one_per_router() -> None:
    engine = line(6)
    for ttl in (6, 64, 255):
        engine.ingress(0.0, 0, packet(0, 6, ttl=ttl))
    assert Counter(d.train.ttl for d in run(engine)) == Counter((1, 59, 250))


def test_an_extra_delay_is_added_from_its_instant_on_in_this_segment_and_the_next() -> None:
    engine = line(1, rate_bps=1e12, delay_s=0.01)
    engine.at(1.0, lambda _: engine.set_extra(0, 0.2))
    engine.at(2.0, lambda at_s: engine.begin_segment(at_s, array("d", [0.02, 0.02]), array("d", [0.0, 0.0])))
    engine.at(3.0, lambda _: engine.set_extra(0, 0.0))
    times = [0.5, 1.5, 2.5, 3.5]
    for t in times:
        engine.ingress(t, 0, packet(0, 1))
    delays = [round(d.at_s - t, 6) for d, t in zip(run(engine), times, strict=True)]
    assert delays == [0.01, 0.21, 0.22, 0.02]


def test_a_link_that_is_down_by_fault_takes_nothing_until_the_fault_ends() -> None:
    engine = line(1)
    engine.at(1.0, lambda _: engine.set_extra(0, -inf))
    engine.at(2.0, lambda at_s: engine.begin_segment(at_s, array("d", [0.02, 0.02]), array("d", [0.0, 0.0])))
    engine.at(3.0, lambda _: engine.set_extra(0, 0.0))
    for t in (0.5, 1.5, 2.5, 3.5):
        engine.ingress(t, 0, packet(0, 1))
    assert [round(d.at_s, 3) for d in run(engine)] == [0.501, 3.52]
    assert engine.drops["link_down"] == 2


def test_an_extra_delay_lights_no_dark_link() -> None:
    engine = line(1)
    engine.begin_segment(0.0, array("d", [-1.0, -1.0]), array("d", [0.0, 0.0]))
    engine.set_extra(0, 5.0)
    engine.ingress(0.0, 0, packet(0, 1))
    assert run(engine) == []
    assert engine.drops["link_down"] == 1


def test_two_nodes_that_know_different_things_send_a_packet_to_and_fro_until_the_second_knows() -> None:
    #  0 --- 1 --- 2 --- 3 --- 5        2 > 3 has failed: node 2 knows and sends back by 1 and 4; node 1 hears of it later
    #        '---- 4 ----'
    edges = [Edge(0, 1), Edge(1, 2), Edge(2, 3), Edge(1, 4), Edge(4, 3), Edge(3, 5)]
    engine = mesh(6, edges, (0, 5))
    old = engine.views[0]
    new = shortest_routes(6, [*edges[:2], Edge(7, 7), *edges[3:]], (0, 5))
    assert old[6 + 1] == 2, "the old way is by node 2"
    engine.views[2] = new
    Adoption(engine, new, [0.0095, 0.0095], [1, 0], 2, lambda: False)
    engine.ingress(0.0, 0, packet(0, 5, size=20))
    (arrived,) = run(engine)
    # 1 ms a hop: node 2 turns it round after 2, 4, 6, 8, 10 ms, node 1 after 3, 5, 7, 9 ms and after 11 ms it knows.
    assert arrived.at_s == pytest.approx(0.014, abs=1e-5)
    assert engine.loops == 9
    assert dropped(engine) == 0


def test_nodes_adopt_a_table_each_at_its_instant_and_those_past_at_once() -> None:
    table = array("I", [0])
    engine = Engine(700, BASE, [1] + [0] * 699, [0] + [-1] * 699)
    others = engine.views[0]
    engine.advance(5.0)
    times = [1.0] * 600 + [6.0] * 99
    Adoption(engine, table, times, list(range(699)), 699, lambda: False)
    engine.advance(5.1)
    assert [view is table for view in engine.views] == [True] * 600 + [False] * 100
    engine.advance(6.0)
    assert [view is table for view in engine.views] == [True] * 699 + [False]
    assert engine.views[699] is others


def test_an_adoption_that_was_replaced_changes_nothing_more() -> None:
    engine = line(2)
    old, new = engine.views[0], array("I", engine.views[0])
    replaced: list[bool] = []
    Adoption(engine, new, [1.0, 2.0], [0, 1], 2, lambda: bool(replaced))
    engine.advance(1.5)
    engine.follow(old)
    replaced.append(True)
    engine.advance(3.0)
    assert all(view is old for view in engine.views)


def test_an_adoption_that_is_heard_late_takes_nobody_back_behind_an_order_for_a_later_instant() -> None:
    """Told for 0.9 s and 2 s, heard at 1.5 s: by then all follow what was ordered for 1 s, as the log of the run says."""
    engine = line(2)
    late, newest = array("I", engine.views[0]), array("I", engine.views[0])
    engine.at(1.0, lambda at_s: engine.follow(newest, at_s))
    engine.advance(1.5)
    Adoption(engine, late, [0.9, 0.9, 2.0], [0, 1, 2], 3, lambda: False)
    engine.advance(1.6)
    assert all(view is newest for view in engine.views)
    engine.advance(2.0)
    assert [view is late for view in engine.views] == [False, False, True]
    Adoption(engine, newest, [1.9], [2], 1, lambda: False)
    engine.advance(2.1)
    assert engine.views[2] is late, "nor behind an adoption"


@given(st.lists(st.integers(0, 8), min_size=6, max_size=6))
def test_the_way_to_a_bare_satellite_ends_whatever_the_table_says(table: list[int]) -> None:
    engine = mesh(6, [Edge(i, i + 1) for i in range(5)], (0,))
    engine.follow(array("I", [number if number < 8 else NO_LINK for number in table]))
    engine.ingress(0.0, 0, echo_request(0, 5))
    run(engine)
