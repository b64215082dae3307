"""An upset in a node turns over one bit of the next packet's payload: found by the checksum, or by nobody."""

from __future__ import annotations

import struct

import pytest

from skyrack.orchestrator.fabric.damage import Damaged, complete_checksum
from skyrack.orchestrator.fabric.engine import Engine
from skyrack.orchestrator.fabric.flip import Flip, Hit, flip
from skyrack.orchestrator.fabric.train import VNET_BYTES, Train

from .fabric_mesh import BASE, TCP, echo_request, line, packet, run, super_packet
from .test_fabric_damage import MSS, flipped, offloaded_udp, train_of, transport_sum

KEPT, FIXED = 0.0, 1.0


def plain_udp(payload: bytes) -> bytes:
    """A datagram whose checksum is done."""
    data = bytearray(offloaded_udp(payload))
    complete_checksum(data)
    return bytes(data)


def hit(data: bytes, fixed_ratio: float, draw: str = "1") -> tuple[list[Train], Hit]:
    done = flip(Flip(1, draw, fixed_ratio), 2.0, train_of(data), BASE)
    assert done is not None
    return done


@pytest.mark.parametrize("data", [plain_udp(b"payload!!"), plain_udp(b"payload!")], ids=["odd", "even"])
@pytest.mark.parametrize("draw", [str(n) for n in range(8)])
def test_a_fixed_checksum_is_right_for_what_was_never_sent(data: bytes, draw: str) -> None:
    ((after,), told) = hit(data, FIXED, draw)
    begin = len(data) - told.payload_bytes
    places = [place for place in flipped(data, after.data) if place >= 8 * begin]
    assert places == [8 * (begin + told.byte) + 7 - told.bit]
    assert transport_sum(data) == transport_sum(after.data) == 0


def test_a_checksum_that_is_left_to_be_done_stays_so() -> None:
    data = super_packet(0, 1, b"abc" * 1000, MSS)
    ((after,), told) = hit(data, FIXED)
    assert len(flipped(data, after.data)) == 1
    assert (after.segments, told.protocol) == (3, "TCP")


@pytest.mark.parametrize("draw", [str(n) for n in range(6)])
def test_a_kept_checksum_is_wrong_for_the_segment_that_is_hit_and_for_no_other(draw: str) -> None:
    payload = b"abc" * 1000
    parts, told = hit(super_packet(0, 1, payload, MSS), KEPT, draw)
    assert sum(part.segments for part in parts) == 3
    (damaged,) = [part for part in parts if isinstance(part, Damaged)]
    assert transport_sum(damaged.data) != 0
    after = b"".join(part.data[VNET_BYTES + 52 :] for part in parts)
    assert flipped(payload, after) == [8 * told.byte + 7 - told.bit]


def test_what_has_no_payload_and_fragments_and_the_runs_own_probes_are_not_hit() -> None:
    acknowledgement = packet(
        0, 1, protocol=TCP, size=0, body=struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 80, 16, 9, 0, 0)
    )
    fragment = bytearray(plain_udp(b"payload!!"))
    fragment[VNET_BYTES + 6] = 0x20
    for data in (acknowledgement, bytes(fragment), echo_request(0, 1)):
        assert flip(Flip(1, "1", KEPT), 0.0, train_of(data), BASE) is None


def test_the_next_packet_that_a_node_forwards_is_hit_and_the_one_after_it_is_not() -> None:
    engine: Engine = line(2)
    hits: list[Hit] = []
    engine.on_hit = hits.append
    engine.arm(1, Flip(7, "x", FIXED))
    data = packet(0, 2)
    for at_s in (0.0, 0.1):
        engine.ingress(at_s, 0, data)
    changed = [len(flipped(data, delivery.train.data)) for delivery in run(engine)]
    assert changed == [1, 0]
    assert [(one.number, one.src, one.dst) for one in hits] == [(7, 0, 2)]
    assert list(engine.lit) == [1, 1, 1]


def test_who_is_dark_hits_the_packet_after_it_is_lit_again() -> None:
    engine: Engine = line(1)
    hits: list[Hit] = []
    engine.on_hit = hits.append
    engine.arm(0, Flip(7, "x", KEPT))
    engine.light(0, False)
    engine.ingress(0.0, 0, plain_udp(b"one"))
    run(engine)
    assert engine.drops["dark"] == 1
    engine.light(0, True)
    engine.ingress(1.0, 0, plain_udp(b"two"))
    run(engine)
    assert len(hits) == 1
