"""Satellites without a process answer as a kernel would, over the same links, and not without limit."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.fabric.icmp import echo_reply, error, may_be_answer
from skyrack.orchestrator.fabric.train import VNET_BYTES, checksum

from .fabric_mesh import BASE, ICMP, Edge, echo_request, line, mesh, packet, run, super_packet

IP = slice(VNET_BYTES, VNET_BYTES + 20)
BODY = slice(VNET_BYTES + 20, None)


def source_of(data: bytes) -> int:
    return int.from_bytes(data[22:26], "big") - BASE


@pytest.mark.parametrize("payload", [b"", b"odd", bytes(range(256)) * 4])
def test_an_echo_of_a_bare_satellite_is_the_request_with_valid_checksums(payload: bytes) -> None:
    engine = mesh(4, [Edge(0, 1), Edge(1, 2), Edge(2, 3)], (0,))
    request = echo_request(0, 3, payload)
    engine.ingress(2.0, 0, request)
    (arrived,) = run(engine)
    reply = arrived.train.data
    assert checksum(reply[IP]) == 0
    assert checksum(reply[BODY]) == 0
    assert reply[BODY][0] == 0
    assert reply[BODY][4:] == request[BODY][4:]
    assert source_of(reply) == 3
    serialisation_s = (20 + 8 + len(payload)) * 8 / 1e9
    assert arrived.at_s == pytest.approx(2.0 + 6 * (0.001 + serialisation_s), abs=1e-9)


def test_every_router_on_the_way_can_be_seen_by_time_to_live() -> None:
    # traceroute: 1, 2, 3 say time exceeded, 4 answers.
    engine = mesh(5, [Edge(i, i + 1) for i in range(4)], (0,))
    seen = []
    for ttl in range(1, 6):
        engine.ingress(float(ttl), 0, echo_request(0, 4, ttl=ttl))
        (arrived,) = run(engine)
        seen.append((source_of(arrived.train.data), arrived.train.data[BODY][0]))
        assert checksum(arrived.train.data[BODY]) == 0
    assert seen == [(1, 11), (2, 11), (3, 11), (4, 0), (4, 0)]


def test_an_error_quotes_the_header_and_eight_bytes_of_the_packet() -> None:
    engine = line(3)
    sent = packet(0, 3, ttl=1, body=b"portseqs and more")
    engine.ingress(0.0, 0, sent)
    (arrived,) = run(engine)
    assert arrived.train.data[BODY][8:] == sent[VNET_BYTES : VNET_BYTES + 28]


def test_other_protocols_to_a_bare_satellite_find_no_port_there() -> None:
    engine = mesh(2, [Edge(0, 1)], (0,))
    for data in (packet(0, 1), super_packet(0, 1, bytes(5000), 1448)):
        engine.ingress(0.0, 0, data)
        (arrived,) = run(engine)
        assert arrived.train.data[BODY][:2] == b"\x03\x03"


def test_a_destination_without_a_way_is_net_unreachable_from_where_the_way_ends() -> None:
    engine = mesh(4, [Edge(0, 1), Edge(2, 3)], (0, 3))
    engine.views[0][4 + 0] = 0  # a stale route of node 0 leads to 1, which knows no further
    engine.ingress(0.0, 0, packet(0, 3))
    (arrived,) = run(engine)
    assert arrived.train.data[BODY][:2] == b"\x03\x00"
    assert source_of(arrived.train.data) == 1
    assert engine.drops["no_route"] == 1


def test_answers_wait_in_the_same_queues_as_everything_else() -> None:
    engine = mesh(3, [Edge(0, 1, 1e6), Edge(1, 2)], (0, 2))
    engine.ingress(0.0, 2, packet(2, 0, size=12_500))  # 100 ms on the slow link, from 1.1 ms on
    engine.ingress(0.0, 0, packet(0, 2, ttl=1, size=20))  # time exceeded at 1
    times = [d.at_s for d in run(engine)]
    assert times[0] == pytest.approx(0.1021, abs=1e-4)
    assert times[1] > times[0]


def test_errors_about_errors_and_about_later_fragments_are_never_sent() -> None:
    later = bytearray(echo_request(0, 1))
    later[VNET_BYTES + 7] = 1
    assert error(bytes(later), BASE, 11, 0) is None
    for kind in (3, 4, 5, 11, 12):
        about = packet(0, 1, protocol=ICMP, body=bytes((kind, 0)))
        assert error(about, BASE, 11, 0) is None
    assert error(packet(0, 1, size=20, protocol=ICMP), BASE, 11, 0) is None
    assert error(echo_request(0, 1), BASE, 11, 0) is not None


def test_a_large_ping_in_fragments_is_answered_fragment_by_fragment() -> None:
    message = struct.pack("!BBHHH", 8, 0, 0, 7, 1) + bytes(i % 251 for i in range(3000))
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    replies = []
    for at in range(0, len(message), 1480):
        data = bytearray(packet(0, 1, size=0, protocol=ICMP, body=message[at : at + 1480], ident=77))
        more = 0x2000 if at + 1480 < len(message) else 0
        data[VNET_BYTES + 6 : VNET_BYTES + 8] = struct.pack("!H", more | at // 8)
        reply = echo_reply(bytes(data))
        assert reply is not None
        assert checksum(reply[IP]) == 0
        assert reply[VNET_BYTES + 4 : VNET_BYTES + 8] == data[VNET_BYTES + 4 : VNET_BYTES + 8]
        replies.append(reply[BODY])
    whole = b"".join(replies)
    assert checksum(whole) == 0
    assert whole[0] == 0
    assert whole[4:] == message[4:]


def test_a_request_with_a_wrong_checksum_gets_no_valid_answer() -> None:
    request = bytearray(echo_request(0, 1))
    request[-1] ^= 1
    reply = echo_reply(bytes(request))
    assert reply is not None
    assert checksum(reply[BODY]) != 0


@given(st.binary(min_size=30, max_size=90))
def test_any_datagram_is_answered_or_not_without_harm(data: bytes) -> None:
    data = data[:VNET_BYTES] + bytes((0x45,)) + data[VNET_BYTES + 1 :]
    for answer in (echo_reply(data), error(data, BASE, 3, 1)):
        if answer is not None:
            assert checksum(answer[IP]) == 0
            assert struct.unpack_from("!H", answer, VNET_BYTES + 2)[0] == len(answer) - VNET_BYTES


def test_a_flood_is_answered_with_a_hundred_errors_a_second_per_satellite() -> None:
    engine = line(3)
    for i in range(20_000):
        engine.ingress(i * 5e-4, 0, packet(0, 3, ttl=1))
    answered = len(run(engine))
    assert answered == pytest.approx(100 * 10 + 50, abs=2)
    assert engine.drops["ttl"] == 20_000


def test_a_ping_flood_is_answered_up_to_twenty_thousand_a_second_per_satellite() -> None:
    engine = mesh(3, [Edge(0, 1, 1e12), Edge(0, 2, 1e12)], (0,))
    for i in range(10_000):
        for dst in (1, 2):
            engine.ingress(i * 1e-5, 0, echo_request(0, dst))
    assert len(run(engine)) == pytest.approx(2 * (2_000 + 0.1 * 20_000), abs=4)


def test_answers_to_forged_senders_go_nowhere() -> None:
    engine = mesh(3, [Edge(0, 1), Edge(0, 2)], (0,))
    for forged in (1, 2, 500, -5):
        engine.ingress(0.0, 0, packet(forged, 1, ttl=1))
        engine.ingress(0.0, 0, echo_request(forged, 2))
    assert run(engine) == []


def test_only_what_a_kernel_sends_by_itself_counts_as_an_answer() -> None:
    request = echo_request(0, 1)
    reply = echo_reply(request)
    assert reply is not None
    assert may_be_answer(reply)
    refusal = error(packet(0, 1), BASE + 1, 3, 3)
    assert refusal is not None
    assert may_be_answer(refusal)
    assert may_be_answer(super_packet(0, 1, bytes(5000), 1448)), "an acknowledgement may carry data"
    assert not may_be_answer(request), "a process asks for an echo"
    datagram = bytearray(packet(0, 1))
    datagram[VNET_BYTES + 9] = 17
    assert not may_be_answer(bytes(datagram)), "no kernel answers with UDP"
    for cut in (b"", request[:VNET_BYTES], request[: VNET_BYTES + 9]):
        assert not may_be_answer(cut)
