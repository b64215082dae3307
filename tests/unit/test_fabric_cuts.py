"""Whoever is cut off is so at one instant, whichever way packets go, and nobody else is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.fabric.cuts import Cuts, pack, pack_sides, unpack_sides
from skyrack.orchestrator.fabric.engine import Engine
from skyrack.orchestrator.fabric.flows import Flow, Flows
from skyrack.orchestrator.fabric.transfers import Transfer

from .fabric_mesh import Edge, echo_request, mesh, packet, run

SIDES = st.tuples(
    st.frozensets(st.integers(0, 18), min_size=1), st.frozensets(st.integers(0, 18), min_size=1)
)


def cut(engine: Engine, *sides: tuple[frozenset[int], frozenset[int]]) -> None:
    engine.cuts = Cuts(pack(sides, engine.n_nodes), engine.n_nodes) if sides else None


def square() -> Engine:
    """0 - 1 - 2 - 3 - 0, all with a process but 1."""
    return mesh(4, [Edge(0, 1), Edge(1, 2), Edge(2, 3), Edge(3, 0)], (0, 2, 3))


@settings(deadline=None, max_examples=40)
@given(st.lists(SIDES, min_size=1, max_size=6), st.integers(19, 40))
def test_what_is_packed_is_what_is_cut(sides: list[tuple[frozenset[int], frozenset[int]]], n: int) -> None:
    cuts = Cuts(pack(sides, n), n)
    for src in range(n):
        for dst in range(n):
            meant = any(src in sources and dst in targets for sources, targets in sides)
            assert cuts.part(src, dst) is meant
    asked = [*sides, (frozenset(range(n)), frozenset({0, n - 1}))]
    assert cuts.ways(unpack_sides(pack_sides(asked, n), n)) == [
        sum(cuts.part(src, dst) for src in sources for dst in targets) for sources, targets in asked
    ]


def test_no_cuts_are_no_bytes() -> None:
    assert pack([], 10) == b""


def test_a_one_way_cut_lets_the_other_way_and_everybody_else_through() -> None:
    engine = square()
    cut(engine, (frozenset({0}), frozenset({2})))
    for src, dst in ((0, 2), (2, 0), (0, 3), (3, 0), (2, 3)):
        engine.ingress(1.0, src, packet(src, dst))
    arrived = {(one.train.data[25] - 1, one.node) for one in run(engine)}
    assert arrived == {(2, 0), (0, 3), (3, 0), (2, 3)}
    assert engine.drops["cut"] == 1
    assert sum(link.packets for link in engine.links) == 2 + 1 + 1 + 1, "no link carries what was cut off"


def test_a_cut_begins_and_ends_at_its_instants_and_what_is_under_way_arrives() -> None:
    engine = square()
    engine.at(1.0, lambda _: cut(engine, (frozenset({0}), frozenset({3}))))
    engine.at(2.0, lambda _: cut(engine))
    for sent_s in (0.9999, 1.0001, 1.9999, 2.0001):
        engine.advance(sent_s)
        engine.ingress(sent_s, 0, packet(0, 3))
    arrived_s = [one.at_s for one in run(engine)]
    assert [round(at_s, 2) for at_s in arrived_s] == [1.0, 2.0]
    assert arrived_s[0] > 1.0, "it was under way when the cut began"


def test_a_satellite_without_a_process_is_cut_off_as_well_and_nobody_is_told() -> None:
    engine = square()
    cut(engine, (frozenset({1}), frozenset({0})))
    engine.ingress(1.0, 0, echo_request(0, 1))  # its answer is cut off
    engine.ingress(1.0, 0, echo_request(0, 2, ttl=1))  # and so is the word that it could go no further
    engine.ingress(1.0, 2, echo_request(2, 1))
    assert [one.node for one in run(engine)] == [2]
    cut(engine, (frozenset({0}), frozenset({1})))
    engine.ingress(2.0, 0, echo_request(0, 1))
    assert run(engine) == []
    assert engine.drops["cut"] == 3


@pytest.mark.parametrize("way", [(0, 3), (3, 0)])
def test_a_declared_transfer_waits_while_its_ends_are_cut_off_and_then_goes_on(way: tuple[int, int]) -> None:
    engine, told = square(), list[dict[str, Any]]()
    sides = (frozenset({way[0]}), frozenset({way[1]}))
    Transfer(engine, 1, 1.0, 0, 3, 10_000_000, told.append)  # 80 ms
    engine.at(1.02, lambda _: cut(engine, sides))
    engine.at(2.0, lambda _: cut(engine))
    run(engine, 1.95)
    assert told[-1]["state"] == "running"
    assert told[-1]["bytes"] < 3_500_000
    assert told[-1]["lost"] <= 100_000, "what it sent as the cut began, and not the same again and again"
    run(engine, 2.3)
    assert (told[-1]["state"], told[-1]["bytes"]) == ("done", 10_000_000)


def test_an_open_ended_flow_that_is_cut_off_is_lost_at_its_source() -> None:
    engine = square()
    cut(engine, (frozenset({0}), frozenset({3})))
    flows = Flows(engine, 0.0, [Flow(0, 3, 8e6), Flow(3, 0, 8e6)], 10_000, "1")
    run(engine, 1.0)
    there, back = flows.counted
    assert there.sent == there.lost > 900_000
    assert (back.lost, engine.links[7].packets) == (0, 0)
