"""The prober on ping sockets between real kernels: replies, refusals by satellites, and the fabric's own wait."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Sequence

import pytest

from skyrack.orchestrator.measure.hold import connect_fabric
from skyrack.orchestrator.measure.prober import Probe, Prober
from skyrack.orchestrator.measure.shots import Plan, Route
from skyrack.v1.hand_out import receive_fabric

from .mesh_world import PATIENCE_S, MeshWorld, Row, address, open_row

pytestmark = pytest.mark.mesh

NOWHERE = "100.64.9.9"


@pytest.fixture(autouse=True)
def _tun() -> None:
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs a writable /dev/net/tun")


def ping_socket(world: MeshWorld, node: int) -> socket.socket:
    return world.socket(node, socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)


def route(to: str, address: str) -> Route:
    """From n0; however late a reply is, it is one."""
    return Route("n0", to, address, PATIENCE_S)


async def probes_of(prober: Prober, routes: Sequence[Route], count: int, rate_hz: float) -> list[Probe]:
    """What becomes of a plan that begins now, in the order of sending, without what the host is too late to send."""
    plan = Plan(tuple(routes), 0.1, rate_hz, count)

    def run() -> list[Probe]:
        with contextlib.closing(prober):
            return [probe for batch in prober.run(plan.shots()) for probe in batch]

    probes = [probe for probe in await asyncio.to_thread(run) if probe.note != "the prober was held up"]
    return sorted(probes, key=lambda probe: probe.seq)


async def test_probes_take_the_computed_time_by_the_kernels_stamps() -> None:
    async with open_row(Row(hops=10, delay_s=0.005)) as world:
        hops, errors_s = {"n10": 10, "n3": 3}, {"n10": list[float](), "n3": list[float]()}
        deadline = time.monotonic() + PATIENCE_S
        # A busy host makes some late, and sends some of them only.
        while min(map(len, errors_s.values())) < 25 or max(map(min, errors_s.values())) > 0.002:
            assert time.monotonic() < deadline, f"late: {errors_s}"
            prober = Prober({"n0": ping_socket(world, 0)}, t0_monotonic_ns=time.monotonic_ns())
            for probe in await probes_of(
                prober, [route(name, address(number)) for name, number in hops.items()], 60, 200
            ):
                assert probe.measured_s is not None, probe
                computed_s = 2 * hops[probe.b] * (0.005 + 64 * 8 / 10e9)
                errors_s[probe.b].append(probe.measured_s - computed_s)
    assert min(map(min, errors_s.values())) >= -1e-6, "faster than light"


async def test_a_satellite_that_cannot_deliver_is_named_and_no_other_probe_suffers() -> None:
    """Every refusal also fails the socket's next call; that call is often the next probe's."""
    async with open_row(Row(hops=3)) as world:
        routes = [route("nowhere", NOWHERE), route("n3", address(3)), route("n1", address(1))]
        probes: list[Probe] = []
        deadline = time.monotonic() + PATIENCE_S
        while len(probes) <= 100:
            assert time.monotonic() < deadline, f"only {len(probes)} were sent"
            prober = Prober({"n0": ping_socket(world, 0)}, t0_monotonic_ns=time.monotonic_ns())
            probes += await probes_of(prober, routes, 150, 200)
            assert prober.strays.foreign == prober.strays.duplicate == prober.strays.late == 0
    assert {(p.b, p.outcome) for p in probes} == {
        ("nowhere", "unreachable"),
        ("n3", "reply"),
        ("n1", "reply"),
    }
    assert len({p.note for p in probes if p.b == "nowhere"} - {""}) == 1, "no router is named"


async def test_a_probe_whose_time_to_live_ends_is_expired_and_the_satellite_named() -> None:
    async with open_row(Row(hops=5)) as world:
        sock = ping_socket(world, 0)
        prober = Prober({"n0": sock}, t0_monotonic_ns=time.monotonic_ns())
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 3)
        (probe,) = await probes_of(prober, [route("n5", address(5))], 1, 10)
    assert (probe.outcome, probe.note, probe.measured_s) == ("expired", address(3), None)


async def test_who_watches_the_fabric_reads_its_wait_until_it_ends() -> None:
    async with open_row(Row(hops=2)) as world:
        with connect_fabric(world.directory) as connection:
            schedstat = receive_fabric(connection)
            ran_ns, _, _ = map(int, os.pread(schedstat, 99, 0).split())
            assert ran_ns > 0
            await world.fabrics.end()
            assert connection.recv(1) == b""
            with pytest.raises(ProcessLookupError):
                os.pread(schedstat, 99, 0)
            os.close(schedstat)
