"""The prober: packets as RFC 792 has them, an open-loop schedule, and the truth about what came back."""

import fcntl
import os
import select
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from skyrack.orchestrator.measure import icmp
from skyrack.orchestrator.measure.probe_client import ProbeProcess, ProberError
from skyrack.orchestrator.measure.prober import Prober
from skyrack.orchestrator.measure.shots import Plan, Route, lost_after_s
from skyrack.v1 import namespaces

TOKEN = b"12345678"


def ip(source: str, payload: bytes, destination: str = "100.64.0.1", protocol: int = 1) -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + addresses + payload


def reply(request: bytes, source: str = "100.64.0.2") -> bytes:
    return ip(source, b"\0" + request[1:])


def test_a_request_has_the_size_asked_for_and_a_valid_checksum() -> None:
    request = icmp.echo_request(7, 65_537, TOKEN, 64)
    assert len(request) == 64 - icmp.IP_HEADER_BYTES
    assert icmp.checksum(request) == 0
    assert struct.unpack("!BBHHH", request[:8])[3:] == (7, 1)


def test_a_reply_is_known_by_token_and_full_sequence() -> None:
    request = icmp.echo_request(7, 65_537, TOKEN, 64)
    assert icmp.parse(reply(request), 7, TOKEN) == icmp.Reply(65_537, "100.64.0.2")
    assert icmp.parse(reply(request), 8, TOKEN) is None
    assert icmp.parse(reply(request), 7, b"another!") is None


@pytest.mark.parametrize("kind", [icmp.UNREACHABLE, icmp.TIME_EXCEEDED])
def test_an_error_names_the_request_it_quotes(kind: int) -> None:
    quoted = ip("100.64.0.1", icmp.echo_request(7, 9, TOKEN, 64)[:8], "100.64.0.2")
    error = ip("100.64.0.5", struct.pack("!BBHI", kind, 0, 0, 0) + quoted)
    found = icmp.parse(error, 7, TOKEN)
    assert isinstance(found, icmp.Refusal)
    assert (found.number, found.destination, found.source) == (9, "100.64.0.2", "100.64.0.5")
    assert icmp.parse(error, 8, TOKEN) is None


def test_no_packet_however_cut_or_strange_raises() -> None:
    whole = reply(icmp.echo_request(7, 1, TOKEN, 64))
    for length in range(len(whole)):
        icmp.parse(whole[:length], 7, TOKEN)
    assert icmp.parse(b"\x60" + whole[1:], 7, TOKEN) is None
    assert icmp.parse(b"\x41" + whole[1:], 7, TOKEN) is None
    assert icmp.parse(ip("100.64.0.5", struct.pack("!BBHI", 3, 0, 0, 0) + b"\x45" * 10), 7, TOKEN) is None


def test_the_schedule_is_absolute_and_routes_take_turns() -> None:
    routes = (Route("a", "b", "1"), Route("a", "c", "2"))
    shots = list(Plan(routes, 5.0, 3.0, 7).shots())
    assert shots[6].due_s == 7.0
    assert [shot.route.b for shot in shots[:3]] == ["b", "c", "b"]


def test_a_probe_is_lost_after_four_round_trips_and_never_before_a_second() -> None:
    assert lost_after_s(None) == lost_after_s(0.1) == 1.0
    assert lost_after_s(0.6) == pytest.approx(2.4)


@pytest.fixture
def network() -> Iterator[int]:
    """The pid of a process that sits in a network of its own, with only loopback in it."""
    ready_read, ready_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.getuid():
                uid, gid = os.getuid(), os.getgid()
                namespaces.unshare(namespaces.CLONE_NEWUSER)
                for name, text in (
                    ("setgroups", "deny"),
                    ("uid_map", f"0 {uid} 1"),
                    ("gid_map", f"0 {gid} 1"),
                ):
                    with open(f"/proc/self/{name}", "w") as file:
                        file.write(text)
            namespaces.unshare(namespaces.CLONE_NEWNET)
            with socket.socket() as sock:
                flags = struct.pack("16sH14x", b"lo", 1)  # IFF_UP
                fcntl.ioctl(sock, 0x8914, flags)  # SIOCSIFFLAGS
            os.write(ready_write, b"y")
            time.sleep(60)
        finally:
            os._exit(0)
    os.close(ready_write)
    assert os.read(ready_read, 1) == b"y"
    os.close(ready_read)
    yield pid
    os.kill(pid, 9)
    os.waitpid(pid, 0)


def raw_socket(pid: int) -> socket.socket:
    return namespaces.socket_in(pid, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@pytest.mark.mesh
def test_probes_over_loopback_come_back_in_well_under_a_millisecond(network: int) -> None:
    t0 = time.monotonic_ns()
    prober = Prober({"a": raw_socket(network)}, t0_monotonic_ns=t0)
    plan = Plan((Route("a", "b", "127.0.0.1"), Route("a", "c", "127.9.9.9")), 0.05, 500, 50)
    probes = [probe for batch in prober.run(plan.shots()) for probe in batch]
    prober.close()
    sent = [probe for probe in probes if probe.outcome != "unsent"]
    assert {probe.outcome for probe in sent} == {"reply"}
    assert len({probe.seq for probe in probes}) == 50
    measured = sorted(probe.measured_s for probe in sent if probe.measured_s is not None)
    assert 0 < measured[len(measured) // 2] < 1e-3
    assert all(probe.t_s >= 0.05 + probe.seq / 500 for probe in sent)


@pytest.mark.mesh
def test_a_prober_that_was_held_up_sends_one_probe_not_a_bunch(network: int) -> None:
    prober = Prober({"a": raw_socket(network)}, t0_monotonic_ns=time.monotonic_ns() - 10**9)
    # The schedule began 0.5 s ago at 100/s: all shots of the past but the newest are skipped.
    plan = Plan((Route("a", "b", "127.0.0.1"),), 0.5, 100, 60)
    probes = sorted(
        (probe for batch in prober.run(plan.shots()) for probe in batch), key=lambda probe: probe.seq
    )
    prober.close()
    skipped = [probe for probe in probes if probe.outcome == "unsent"]
    assert 45 <= len(skipped) <= 55
    assert {probe.note for probe in skipped} == {"the prober was held up"}
    # Whenever one left, no more than the one after it was due as well: with a bunch, many would have been.
    assert all(0.5 + (probe.seq + 2) / 100 > probe.t_s for probe in probes if probe.outcome == "reply")


@pytest.mark.mesh
def test_what_cannot_be_sent_or_has_no_source_is_not_a_loss(network: int) -> None:
    prober = Prober({"a": raw_socket(network)}, t0_monotonic_ns=time.monotonic_ns())
    plan = Plan((Route("a", "b", "100.64.0.9"), Route("z", "b", "127.0.0.1")), 0.1, 10, 2)
    probes = [probe for batch in prober.run(plan.shots()) for probe in batch]
    prober.close()
    assert {(probe.a, probe.outcome, probe.note) for probe in probes} == {
        ("a", "unsent", "Network is unreachable"),
        ("z", "unsent", "source down"),
    }


@pytest.mark.mesh
def test_silence_is_a_loss_after_the_timeout(network: int) -> None:
    sock = raw_socket(network)
    prober = Prober({"a": sock}, t0_monotonic_ns=time.monotonic_ns())
    sock.setsockopt(255, 1, struct.pack("=I", 0xFFFFFFFF))  # lets nothing in
    batches = list(prober.run(Plan((Route("a", "b", "127.0.0.1", 0.05),), 0.0, 10, 1).shots()))
    prober.close()
    assert [(p.outcome, p.measured_s) for batch in batches for p in batch] == [("lost", None)]


@pytest.mark.mesh
def test_replies_to_another_program_and_second_replies_are_told_apart(network: int) -> None:
    sock, other = raw_socket(network), raw_socket(network)
    prober = Prober({"a": sock}, t0_monotonic_ns=time.monotonic_ns())
    # Loopback shows a raw socket every reply of the namespace, those to `other` too.
    other.sendto(icmp.echo_request(99, 1, TOKEN, 64), ("127.0.0.1", 0))
    probes = [
        p for batch in prober.run(Plan((Route("a", "b", "127.0.0.1"),), 0.0, 100, 3).shots()) for p in batch
    ]
    other.close()
    prober.close()
    assert {probe.outcome for probe in probes} == {"reply"}
    assert prober.strays.foreign >= 1


@pytest.mark.mesh
def test_the_prober_process_takes_sources_probes_and_ends_early_when_told(network: int) -> None:
    with ProbeProcess() as prober:
        prober.set_source("a", raw_socket(network))
        t0 = time.monotonic_ns()
        prober.start(Plan((Route("a", "b", "127.0.0.1"),), 0.2, 100, 100_000), t0)
        probes = []
        for probe in prober.probes():
            probes.append(probe)
            if len(probes) == 10:
                prober.drop_source("a")
            if probe.outcome == "unsent":
                prober.stop()
        assert [probe.outcome for probe in probes[:10]] == ["reply"] * 10
        assert probes[-1].note in ("source down", "stopped")


@pytest.mark.mesh
def test_a_killed_prober_process_is_an_error_not_a_silence(network: int) -> None:
    with ProbeProcess() as prober:
        prober.set_source("a", raw_socket(network))
        prober.start(Plan((Route("a", "b", "127.0.0.1"),), 0.0, 100, 100_000), time.monotonic_ns())
        select.select([prober.child.descriptor], [], [])
        prober.child.kill()
        with pytest.raises(ProberError):
            list(prober.probes())
