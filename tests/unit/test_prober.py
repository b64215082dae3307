"""The prober: packets as RFC 792 has them, an open-loop schedule, and the truth about what came back."""

import ctypes
import fcntl
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skyrack.orchestrator.measure import icmp
from skyrack.orchestrator.measure.probe_client import ProbeProcess, ProberError
from skyrack.orchestrator.measure.prober import Prober
from skyrack.orchestrator.measure.shots import Plan, Route, lost_after_s
from skyrack.v1 import namespaces
from skyrack.v1.descriptors import receive_fds

TOKEN = b"12345678"


def queued_error(kind: int, quoted: bytes, origin: int = 2, offender: str = "100.64.0.5") -> list[bytes]:
    """An entry of a socket's error queue as the kernel writes it: the quoted bytes, the control message's."""
    extended = struct.pack("=IBBBxII", 113, origin, kind, 0, 0, 0)
    return [quoted, extended + struct.pack("=H2x4s8x", socket.AF_INET, socket.inet_aton(offender))]


def parse_error(quoted: bytes, data: bytes) -> icmp.Refusal | None:
    stamp = (socket.SOL_SOCKET, 35, bytes(16))
    return icmp.parse_error(quoted, [stamp, (socket.SOL_IP, icmp.IP_RECVERR, data)], "100.64.0.2")


def test_a_request_has_the_size_asked_for_and_leaves_the_kernel_its_fields() -> None:
    request = icmp.echo_request(65_537, TOKEN, 64)
    assert len(request) == 64 - icmp.IP_HEADER_BYTES
    assert struct.unpack("!BBHHH", request[:8]) == (icmp.ECHO, 0, 0, 0, 1)


def test_a_reply_is_known_by_token_and_full_sequence() -> None:
    reply = b"\0" + icmp.echo_request(65_537, TOKEN, 64)[1:]
    assert icmp.parse_reply(reply, "100.64.0.2", TOKEN) == icmp.Reply(65_537, "100.64.0.2")
    assert icmp.parse_reply(reply, "100.64.0.2", b"another!") is None
    wrong_number = reply[:6] + b"\0\2" + reply[8:]
    assert icmp.parse_reply(wrong_number, "100.64.0.2", TOKEN) is None


@pytest.mark.parametrize(
    ("kind", "word"), [(icmp.UNREACHABLE, "unreachable"), (icmp.TIME_EXCEEDED, "expired")]
)
def test_an_error_names_the_request_it_quotes_and_the_router(kind: int, word: str) -> None:
    found = parse_error(*queued_error(kind, icmp.echo_request(65_545, TOKEN, 64)[:8]))
    assert found == icmp.Refusal(word, 9, "100.64.0.2", "100.64.0.5")  # type: ignore[arg-type]


def test_what_is_no_routers_refusal_of_a_request_is_left_out() -> None:
    request = icmp.echo_request(9, TOKEN, 64)[:8]
    assert parse_error(*queued_error(icmp.UNREACHABLE, request, origin=1)) is None
    assert parse_error(*queued_error(5, request)) is None
    assert parse_error(*queued_error(icmp.UNREACHABLE, b"\0" + request[1:])) is None


def test_no_message_however_cut_raises() -> None:
    whole = b"\0" + icmp.echo_request(1, TOKEN, 64)[1:]
    for length in range(24):
        assert icmp.parse_reply(whole[:length], "100.64.0.2", TOKEN) is None
    quoted, data = queued_error(icmp.UNREACHABLE, whole)
    for length in range(8):
        assert parse_error(quoted[:length], data) is None
    for length in range(len(data)):
        assert parse_error(quoted, data[:length]) is None


def test_the_schedule_is_absolute_and_routes_take_turns() -> None:
    routes = (Route("a", "b", "1"), Route("a", "c", "2"))
    shots = list(Plan(routes, 5.0, 3.0, 7).shots())
    assert shots[6].due_s == 7.0
    assert [shot.route.b for shot in shots[:3]] == ["b", "c", "b"]


def test_a_probe_is_lost_after_four_round_trips_and_never_before_a_second() -> None:
    assert lost_after_s(None) == lost_after_s(0.1) == 1.0
    assert lost_after_s(0.6) == pytest.approx(2.4)


class Network:
    """A network of its own with only loopback in it, seen from outside: the process in it hands out ping sockets."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def ping_socket(self) -> socket.socket:
        self._channel.send(b"one more")
        _, fds = receive_fds(self._channel, 16, 1)
        return socket.socket(fileno=fds[0])


def serve_ping_sockets(channel: socket.socket) -> None:
    """In the process that becomes the network: as root of a user namespace where it is not root already."""
    group = os.getgid()
    if os.getuid():
        uid = os.getuid()
        namespaces.unshare(namespaces.CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {group} 1")):
            Path("/proc/self", name).write_text(text)
        group = 0
    namespaces.unshare(namespaces.CLONE_NEWNET)
    Path("/proc/sys/net/ipv4/ping_group_range").write_text(f"{group} {group}")
    with socket.socket() as sock:
        flags = struct.pack("16sH14x", b"lo", 1)  # IFF_UP
        fcntl.ioctl(sock, 0x8914, flags)  # SIOCSIFFLAGS
    while channel.recv(16):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as ping:
            socket.send_fds(channel, [b"here"], [ping.fileno()])


@pytest.fixture
def network() -> Iterator[Network]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            near.close()
            serve_ping_sockets(far)
        finally:
            os._exit(0)
    far.close()
    with near:
        yield Network(near)
    os.waitpid(pid, 0)


def let_nothing_in(sock: socket.socket) -> None:
    """A socket filter (SO_ATTACH_FILTER) of one instruction, `ret 0`."""
    code = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))
    sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HP", 1, ctypes.addressof(code)))


@pytest.mark.mesh
def test_probes_over_loopback_come_back_in_well_under_a_millisecond(network: Network) -> None:
    t0 = time.monotonic_ns()
    prober = Prober({"a": network.ping_socket()}, t0_monotonic_ns=t0)
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
def test_a_prober_that_was_held_up_sends_one_probe_not_a_bunch(network: Network) -> None:
    t0_ns = time.monotonic_ns() - 10**9
    prober = Prober({"a": network.ping_socket()}, t0_monotonic_ns=t0_ns)
    # The schedule began 0.5 s ago at 100/s: all shots of the past but the newest are skipped.
    plan = Plan((Route("a", "b", "127.0.0.1"),), 0.5, 100, 60)
    due_s = [shot.due_s for shot in plan.shots()]
    began_s = (time.monotonic_ns() - t0_ns) / 1e9
    probes = [probe for batch in prober.run(plan.shots()) for probe in batch]
    prober.close()
    sent_s = {probe.seq: probe.t_s for probe in probes if probe.outcome != "unsent"}
    skipped = {probe.seq: probe.note for probe in probes if probe.outcome == "unsent"}
    assert sorted([*sent_s, *skipped]) == list(range(60))
    assert set(skipped.values()) == {"the prober was held up"}
    # With a bunch, those whose next one was due from the start would have been sent as well.
    assert len([seq for seq in range(59) if due_s[seq + 1] <= began_s]) >= 49
    assert all(due_s[seq + 1] > began_s for seq in sent_s if seq < 59)
    # Nobody is skipped before the next one is due.
    assert all(due_s[seq + 1] <= min(s for later, s in sent_s.items() if later > seq) for seq in skipped)


@pytest.mark.mesh
def test_what_cannot_be_sent_or_has_no_source_is_not_a_loss(network: Network) -> None:
    prober = Prober({"a": network.ping_socket()}, t0_monotonic_ns=time.monotonic_ns())
    plans = [
        Plan((route,), 0.1, 10, 1) for route in (Route("a", "b", "100.64.0.9"), Route("z", "b", "127.0.0.1"))
    ]
    probes = [probe for plan in plans for batch in prober.run(plan.shots()) for probe in batch]
    prober.close()
    assert {(probe.a, probe.outcome, probe.note) for probe in probes} == {
        ("a", "unsent", "Network is unreachable"),
        ("z", "unsent", "source down"),
    }


@pytest.mark.mesh
def test_silence_is_a_loss_after_the_timeout(network: Network) -> None:
    sock = network.ping_socket()
    prober = Prober({"a": sock}, t0_monotonic_ns=time.monotonic_ns())
    let_nothing_in(sock)
    batches = list(prober.run(Plan((Route("a", "b", "127.0.0.1", 0.05),), 0.0, 10, 1).shots()))
    prober.close()
    assert [(p.outcome, p.measured_s) for batch in batches for p in batch] == [("lost", None)]


@pytest.mark.mesh
def test_replies_to_others_are_told_apart(network: Network) -> None:
    sock, other = network.ping_socket(), network.ping_socket()
    sock.sendto(icmp.echo_request(1, TOKEN, 64), ("127.0.0.1", 0))  # by who had the identifier before, say
    prober = Prober({"a": sock}, t0_monotonic_ns=time.monotonic_ns())
    other.sendto(icmp.echo_request(1, TOKEN, 64), ("127.0.0.1", 0))
    probes = [
        p for batch in prober.run(Plan((Route("a", "b", "127.0.0.1"),), 0.0, 100, 3).shots()) for p in batch
    ]
    other.close()
    prober.close()
    assert {probe.outcome for probe in probes if probe.outcome != "unsent"} == {"reply"}
    # The kernel does not even show it what is meant for the other socket.
    assert prober.strays.foreign == 1


@pytest.mark.mesh
def test_the_prober_process_takes_sources_probes_and_ends_early_when_told(network: Network) -> None:
    with ProbeProcess() as prober:
        prober.set_source("a", network.ping_socket())
        t0 = time.monotonic_ns()
        prober.start(Plan((Route("a", "b", "127.0.0.1"),), 0.2, 100, 100_000), t0)
        probes = []
        for probe in prober.probes():
            if probe.note == "the prober was held up":
                continue  # by a busy host
            probes.append(probe)
            if len(probes) == 10:
                prober.drop_source("a")
            if probe.outcome == "unsent":
                prober.stop()
        assert [probe.outcome for probe in probes[:10]] == ["reply"] * 10
        assert probes[-1].note in ("source down", "stopped")


@pytest.mark.mesh
def test_a_plan_of_more_pairs_than_one_message_holds_is_probed_whole(network: Network) -> None:
    routes = tuple(Route("a", f"a-node-with-a-long-name-{i:04}", "127.0.0.1") for i in range(1_500))
    with ProbeProcess() as prober:
        prober.set_source("a", network.ping_socket())
        prober.start(Plan(routes, 0.2, 3_000, len(routes)), time.monotonic_ns())
        assert {probe.b for probe in prober.probes()} == {route.b for route in routes}


@pytest.mark.mesh
def test_a_killed_prober_process_is_an_error_not_a_silence(network: Network) -> None:
    with ProbeProcess() as prober:
        prober.set_source("a", network.ping_socket())
        prober.start(Plan((Route("a", "b", "127.0.0.1"),), 0.0, 100, 100_000), time.monotonic_ns())
        select.select([prober.child.descriptor], [], [])
        prober.child.kill()
        with pytest.raises(ProberError):
            list(prober.probes())
