"""Trains stand for their packets: the same times, the same losses, and parts that are valid TCP."""

import struct
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.fabric.train import (
    VNET_BYTES,
    MalformedTrain,
    Train,
    checksum,
    fold,
    split,
    with_ttl,
)

from .fabric_mesh import TCP, Edge, line, mesh, one_by_one, packet, run, super_packet

MSS = 1448
HEADERS = 52


class Segment(NamedTuple):
    """One TCP segment as a receiver sees it."""

    sequence: int
    flags: int
    ident: int
    payload: bytes


def segments(data: bytes) -> list[Segment]:
    """What a kernel makes of a super-packet, with every checksum recomputed and verified."""
    flags, gso, _, mss, start, offset = struct.unpack_from("=BBHHHH", data)
    ip, tcp = data[VNET_BYTES : VNET_BYTES + 20], data[VNET_BYTES + 20 : VNET_BYTES + HEADERS]
    payload = data[VNET_BYTES + HEADERS :]
    assert checksum(ip) == 0, "IPv4 header checksum"
    assert struct.unpack_from("!H", ip, 2)[0] == len(data) - VNET_BYTES
    assert (flags, start, offset) == (1, 20, 16)
    # The kernel adds the TCP header and payload to the partial sum; the whole must verify with the pseudo-header.
    pseudo = ip[12:20] + struct.pack("!HH", TCP, len(tcp) + len(payload))
    finished = tcp[:16] + struct.pack("!H", checksum(tcp + payload)) + tcp[18:]
    assert checksum(pseudo + finished + payload) == 0, "TCP checksum"
    assert (gso == 1) == (mss > 0) == (len(payload) > mss > 0)
    step = mss or max(1, len(payload))
    sequence, ident = struct.unpack_from("!I", tcp, 4)[0], struct.unpack_from("!H", ip, 4)[0]
    cuts = range(0, max(1, len(payload)), step)
    result = []
    for i, at in enumerate(cuts):
        bits = tcp[13] & ~(0x09 if at != cuts[-1] else 0) & ~(0x80 if at else 0)
        part = Segment((sequence + at) & 0xFFFFFFFF, bits, (ident + i) & 0xFFFF, payload[at : at + step])
        result.append(part)
    return result


def train_of(data: bytes) -> Train:
    return Train(data, 1, 0, 64, 0.0)


def content(n_bytes: int) -> bytes:
    return bytes(i * 7 % 251 for i in range(n_bytes))


def test_the_tests_own_super_packet_is_valid() -> None:
    assert [len(s.payload) for s in segments(super_packet(0, 1, content(4000), MSS))] == [1448, 1448, 1104]


def test_bytes_on_the_wire_are_payload_and_headers_of_every_segment() -> None:
    train = train_of(super_packet(0, 1, content(64_000), MSS))
    assert (train.segments, train.segment) == (45, 1500)
    assert train.wire == 64_000 + 45 * HEADERS
    assert train.last == 64_000 - 44 * MSS + HEADERS


@given(st.data())
def test_parts_of_a_train_are_the_segments_the_network_did_not_lose(data: st.DataObject) -> None:
    mss = data.draw(st.integers(8, 9000), "mss")
    payload = content(data.draw(st.integers(mss + 1, max(20_000, 3 * mss)), "payload"))
    sequence = data.draw(st.integers(0, 2**32 - 1), "sequence")
    flags = data.draw(st.sampled_from((0x10, 0x18, 0x19, 0x98)), "flags")
    ident = data.draw(st.integers(0, 65535), "ident")
    whole = super_packet(0, 1, payload, mss, sequence, flags, ident)
    train = train_of(whole)
    first = data.draw(st.integers(0, train.segments - 1), "first")
    stop = data.draw(st.integers(first + 1, train.segments), "stop")
    part = split(train, first, stop)
    assert segments(part.data) == segments(whole)[first:stop]
    assert part.segments == stop - first
    assert part.wire == sum(len(s.payload) + HEADERS for s in segments(part.data))


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535))
def test_a_time_to_live_that_is_written_at_delivery_keeps_the_checksum(
    old: int, new: int, ident: int
) -> None:
    data = packet(0, 1, ttl=old, ident=ident)
    written = with_ttl(data, new)
    assert written[18] == new
    assert checksum(bytes(written[VNET_BYTES : VNET_BYTES + 20])) == 0
    assert written[:18] + written[22:] == data[:18] + data[22:]


@given(st.binary(max_size=65))
def test_a_checksum_written_into_its_data_makes_the_sum_complete(data: bytes) -> None:
    even = data + b"\0" * (len(data) % 2)
    assert checksum(even + struct.pack("!H", checksum(data))) == 0


@given(st.integers(0, 2**40))
def test_folding_is_arithmetic_modulo_ones_complement(total: int) -> None:
    assert fold(total) <= 0xFFFF
    assert fold(total) % 0xFFFF == total % 0xFFFF


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (4, b"\0\0"),
        (4, b"\x07\0"),
        (VNET_BYTES + 9, b"\x11"),
        (VNET_BYTES + 32, b"\x40"),
        (VNET_BYTES + 32, b"\xf0"),
    ],
    ids=["mss-0", "mss-7", "udp", "tcp-header-16", "tcp-header-60"],
)
def test_offload_values_that_describe_no_tcp_are_refused(offset: int, value: bytes) -> None:
    data = bytearray(super_packet(0, 1, content(64), 32))
    data[offset : offset + len(value)] = value
    if value == b"\xf0":
        del data[VNET_BYTES + 60 :]
        data[VNET_BYTES + 20 :] = data[VNET_BYTES + 20 : VNET_BYTES + 50]
    with pytest.raises(MalformedTrain):
        train_of(bytes(data))


@pytest.mark.parametrize("payload_bytes", [64_000, 20 * MSS, 2 * MSS + 1])
@pytest.mark.parametrize("hops", [1, 5])
def test_a_train_over_equal_links_arrives_like_its_packets_one_by_one(hops: int, payload_bytes: int) -> None:
    engine = line(hops, rate_bps=100e6, delay_s=0.002)
    engine.ingress(1.0, 0, super_packet(0, hops, content(payload_bytes), MSS))
    (arrived,) = run(engine)
    sizes = [len(s.payload) + HEADERS for s in segments(arrived.train.data)]
    alone = one_by_one([1.0] * len(sizes), sizes, [Edge(0, 1, 100e6, 0.002)] * hops)
    assert arrived.at_s == pytest.approx(alone[-1], abs=1e-12)
    stored_and_forwarded_whole_s = hops * (sum(sizes) * 8 / 100e6 + 0.002)
    if hops == 5 and payload_bytes == 64_000:
        assert arrived.at_s - 1.0 < 0.6 * stored_and_forwarded_whole_s


@given(
    st.lists(st.sampled_from((50e6, 100e6, 300e6, 1e9, 10e9)), min_size=1, max_size=6),
    st.lists(st.integers(1, 60_000), min_size=1, max_size=6),
)
def test_trains_over_unequal_links_are_within_a_segment_of_packets_one_by_one(
    rates: list[float], payloads: list[int]
) -> None:
    edges = [Edge(i, i + 1, rate, 0.001) for i, rate in enumerate(rates)]
    engine = mesh(len(rates) + 1, edges, (0, len(rates)))
    sizes: list[int] = []
    ends: list[int] = []
    for n_bytes in payloads:
        data = super_packet(0, len(rates), content(n_bytes), MSS)
        sizes += [len(s.payload) + HEADERS for s in segments(data)]
        ends.append(len(sizes) - 1)
        engine.ingress(1.0, 0, data)
    arrived = run(engine)
    alone = one_by_one([1.0] * len(sizes), sizes, edges)
    slack_s = sum(1500 * 8 / rate for rate in rates[1:])
    assert len(arrived) == len(payloads)
    for delivery, end in zip(arrived, ends, strict=True):
        assert delivery.at_s == pytest.approx(alone[end], abs=slack_s + 1e-12)


def test_a_fast_link_carries_two_slow_flows_of_trains_whole() -> None:
    # A train that comes in slowly must not hold the fast link until its last segment has come.
    edges = [Edge(0, 2, 1e9), Edge(1, 2, 1e9), Edge(2, 3, 10e9), Edge(3, 4, 10e9)]
    engine = mesh(5, edges, (0, 1, 4))
    payload = content(8 * MSS)
    for _ in range(50):
        for src in (0, 1):
            engine.ingress(1.0, src, super_packet(src, 4, payload, MSS))
    arrived = run(engine)
    alone_s = 50 * 8 * 1500 * 8 / 1e9
    assert len(arrived) == 100
    assert arrived[-1].at_s - 1.0 == pytest.approx(alone_s + 0.003, rel=0.01)
    assert engine.links[4].wait_s / engine.links[4].packets < 8 * 1500 * 8 / 10e9


def test_a_small_packet_does_not_overtake_the_slow_train_before_it() -> None:
    edges = [Edge(0, 1, 1e8), Edge(1, 2, 1.5e8), Edge(2, 3, 1e9)]
    engine = mesh(4, edges, (0, 3))
    engine.ingress(1.0, 0, super_packet(0, 3, content(8 * MSS), MSS))
    engine.ingress(1.0, 0, packet(0, 3, size=40))
    assert [d.train.segments for d in run(engine)] == [8, 1]


def test_a_queue_that_overflows_inside_a_train_lets_its_first_segments_through() -> None:
    # 100 kB/s, room for 4 segments besides the one that is being sent.
    engine = line(2, rate_bps=8e5, queue_s=4.5 * 1500 / 1e5)
    whole = super_packet(0, 2, content(20 * MSS), MSS)
    engine.ingress(1.0, 0, whole)
    (arrived,) = run(engine)
    assert segments(arrived.train.data) == segments(whole)[:5]
    assert engine.links[0].dropped_queue == 15
    assert arrived.at_s == pytest.approx(1.0 + 5 * 0.015 + 0.001 + 0.015 + 0.001)


def test_a_lost_segment_splits_a_train_and_the_rest_arrives_intact() -> None:
    engine = line(1, loss_ratio=0.2, seed="9")
    whole = super_packet(0, 1, content(40 * MSS), MSS)
    engine.ingress(1.0, 0, whole)
    got = [s for d in run(engine) for s in segments(d.train.data)]
    lost = engine.links[0].dropped_loss
    assert 0 < lost < 20
    assert len(got) == 40 - lost
    assert [s for s in segments(whole) if s in got] == got


def test_loss_hits_the_same_segments_in_trains_as_in_packets() -> None:
    def survivors(payload_segments: int) -> list[int]:
        engine = line(3, loss_ratio=0.02, seed="4")
        for first in range(0, 240, payload_segments):
            data = super_packet(0, 3, content(payload_segments * MSS), MSS, sequence=first * MSS)
            engine.ingress(1.0 + first * 1e-4, 0, data)
        return [s.sequence // MSS for d in run(engine) for s in segments(d.train.data)]

    assert survivors(1) == survivors(12) == survivors(40)
    assert len(survivors(1)) < 240


@settings(max_examples=30)
@given(st.floats(0.005, 0.5), st.integers(0, 99))
def test_the_loss_ratio_inside_trains_is_that_of_the_link(ratio: float, seed: int) -> None:
    engine = line(1, loss_ratio=ratio, seed=str(seed))
    data, n = super_packet(0, 1, content(20 * MSS), MSS), 200
    for i in range(n):
        engine.ingress(1.0 + i, 0, data)
    arrived = sum(d.train.segments for d in run(engine))
    assert abs(20 * n * (1 - ratio) - arrived) <= 5.5 * (20 * n * ratio * (1 - ratio)) ** 0.5
