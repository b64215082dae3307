"""A link turns bits over: behind the IP header, one of a packet, and so that the receiver's checksum is wrong."""

from __future__ import annotations

import struct

import pytest

from skyrack.orchestrator.fabric.damage import Damaged, damaged
from skyrack.orchestrator.fabric.train import VNET_BYTES, Train, checksum

from .fabric_mesh import ICMP, TCP, UDP, echo_request, line, packet, run, super_packet

MSS = 1000


def train_of(data: bytes) -> Train:
    return Train(data, 1, 0, 64, 0.0)


def flipped(before: bytes, after: bytes) -> list[int]:
    """Places of the bits that differ."""
    assert len(before) == len(after)
    pairs = enumerate(zip(before, after, strict=True))
    return [8 * i + bit for i, (x, y) in pairs for bit in range(8) if (x ^ y) >> (7 - bit) & 1]


def transport_sum(data: bytes) -> int:
    """0 where the checksum over pseudo-header and payload is right."""
    body = data[VNET_BYTES + 20 :]
    if data[VNET_BYTES + 9] == ICMP:
        return checksum(body)
    pseudo = data[VNET_BYTES + 12 : VNET_BYTES + 20] + struct.pack("!BBH", 0, data[VNET_BYTES + 9], len(body))
    return checksum(pseudo + body)


def offloaded_udp(payload: bytes) -> bytes:
    """A datagram whose checksum the kernel leaves to the device: the pseudo-header's sum is there."""
    data = packet(0, 1, protocol=UDP, size=0, body=struct.pack("!4H", 9, 7, 8 + len(payload), 0) + payload)
    pseudo = checksum(data[VNET_BYTES + 12 : VNET_BYTES + 20] + struct.pack("!HH", UDP, 8 + len(payload)))
    data = data[: VNET_BYTES + 26] + struct.pack("!H", ~pseudo & 0xFFFF) + data[VNET_BYTES + 28 :]
    return struct.pack("=BBHHHH", 1, 0, 0, 0, 20, 6) + data[VNET_BYTES:]


@pytest.mark.parametrize("bit", [0, 7, 100, 339])
def test_one_bit_behind_the_ip_header_is_turned_over(bit: int) -> None:
    before = echo_request(0, 1)
    after = damaged(train_of(before), lambda n: bit)
    assert isinstance(after, Damaged)
    assert flipped(before, after.data) == [8 * (VNET_BYTES + 20) + bit]
    assert transport_sum(before) == 0
    assert transport_sum(after.data) != 0


@pytest.mark.parametrize("data", [offloaded_udp(b"payload!!"), super_packet(0, 1, b"abc" * 50, MSS)])
def test_a_checksum_left_to_the_device_is_done_before_the_damage_and_looked_at_after(data: bytes) -> None:
    """A kernel takes a checksum that is still to be done for right."""
    twice = damaged(damaged(train_of(data), lambda n: 77), lambda n: 77)
    assert twice.data[:VNET_BYTES] == bytes(VNET_BYTES)
    assert transport_sum(twice.data) == 0, "the same bit turned over twice is the packet that was meant"
    assert transport_sum(damaged(train_of(data), lambda n: 77).data) != 0


def test_a_udp_checksum_that_comes_out_as_none_is_written_as_ones() -> None:
    for word in range(0x10000):
        data = offloaded_udp(struct.pack("!H", word))
        if checksum(data[VNET_BYTES + 20 :]) == 0:
            break
    whole = damaged(damaged(train_of(data), lambda n: 0), lambda n: 0)
    assert whole.data[VNET_BYTES + 26 : VNET_BYTES + 28] == b"\xff\xff"


@pytest.mark.parametrize("place", [(20, 4000), (65535, 65535)])
def test_offload_values_that_lead_out_of_the_packet_are_nobodys_end(place: tuple[int, int]) -> None:
    data = struct.pack("=BBHHHH", 1, 0, 0, 0, *place) + packet(0, 1)[VNET_BYTES:]
    assert len(damaged(train_of(data), lambda n: 5).data) == len(data)


def test_a_packet_without_payload_has_nothing_to_damage() -> None:
    train = train_of(packet(0, 1, size=20))
    assert damaged(train, lambda n: 0) is train


def test_of_a_train_the_segments_that_were_hit_are_damaged_and_come_alone() -> None:
    engine = line(1)
    engine.links[0].set_parameters(8e-9, 1.0, 0.0, 0.1)
    payload = bytes(range(250)) * 240  # 60 segments
    engine.ingress(1.0, 0, super_packet(0, 1, payload, MSS))
    arrived = [delivery.train for delivery in run(engine)]
    hit = [train for train in arrived if isinstance(train, Damaged)]
    assert sum(train.segments for train in arrived) == 60, "damage loses nothing"
    assert 1 <= len(hit) == engine.corrupted < 60
    assert all(train.segments == 1 and transport_sum(train.data) != 0 for train in hit)
    sequence = [int.from_bytes(train.data[VNET_BYTES + 24 : VNET_BYTES + 28], "big") for train in arrived]
    whole = [s for s, train in zip(sequence, arrived, strict=True) if not isinstance(train, Damaged)]
    assert whole == sorted(whole), "what was whole stays in order"


def test_the_share_of_packets_is_met_and_is_the_same_for_the_same_seed() -> None:
    def damages(seed: str) -> list[bytes]:
        engine = line(2, seed=seed)
        engine.links[2].set_parameters(8e-9, 1.0, 0.0, 0.2)
        for i in range(2000):
            engine.ingress(1.0 + i * 1e-5, 0, packet(0, 2, protocol=TCP))
        arrived = run(engine)
        assert len(arrived) == 2000
        return [delivery.train.data for delivery in arrived if isinstance(delivery.train, Damaged)]

    assert len(damages("1")) == pytest.approx(400, abs=90)  # five standard deviations
    assert damages("1") == damages("1")
    assert damages("1") != damages("2")


def test_a_bare_satellite_answers_nothing_that_was_damaged() -> None:
    engine = line(2)
    engine.links[0].set_parameters(8e-9, 1.0, 0.0, 1.0)
    engine.ingress(1.0, 0, echo_request(0, 1))
    assert run(engine) == []
    engine.links[0].set_parameters(8e-9, 1.0, 0.0)
    engine.ingress(2.0, 0, echo_request(0, 1))
    assert len(run(engine)) == 1
