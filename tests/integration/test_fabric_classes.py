"""Classes and flows in the real fabric: marked datagrams of a real kernel get their share beside a declared flow."""

import asyncio
import os
import socket
import threading
import time
from dataclasses import replace

import pytest

from skyrack.orchestrator.fabric.flows import Flow

from .mesh_world import COMPUTE_DSCP, PATIENCE_S, MeshWorld, Row, address, open_row

pytestmark = pytest.mark.mesh

RATE_BPS = 20e6
SIZE = 1400
QUEUE_S = 0.1
MOST_WINDOWS = 20
ROW = Row(rate_bps=RATE_BPS, queue_bytes=RATE_BPS / 8 * QUEUE_S, n_flows=4)
FLOW = Flow(0, 1, 1.5 * RATE_BPS)


@pytest.fixture(autouse=True)
def _tun() -> None:
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs a writable /dev/net/tun")


class Sender:
    """Datagrams at a rate, in bursts of what a late host has missed; `gap_s`: the longest wait since that was set to 0."""

    def __init__(self, sock: socket.socket, rate_bps: float) -> None:
        self._sock, self._rate_bps = sock, rate_bps
        self.enough, self.gap_s = threading.Event(), 0.0

    def run(self) -> None:
        begun, sent = time.monotonic(), 0
        last = begun
        while not self.enough.wait(0.001):
            now = time.monotonic()
            self.gap_s, last = max(self.gap_s, now - last), now
            while sent * SIZE * 8 < (time.monotonic() - begun) * self._rate_bps:
                self._sock.sendto(bytes(SIZE - 28), (address(1), 9))
                sent += 1


async def carried(world: MeshWorld, name: str, *, above: float) -> dict[str, float]:
    """The figures of the row's link, and the run time, once that one is above a value."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        counters = await world.fabric.counters(links=True)
        found = {key: column[0] for key, column in counters["links"].items()} | {"run_s": counters["run_s"]}
        if found[name] > above:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"{name} never was above {above}")


def waited_s(world: MeshWorld, sender: Sender, since_s: float) -> float:
    """For how long nothing came from who sends, at most: the host may have kept him waiting, or the fabric."""
    held_up: list[float] = [told["at"] - told["since"] for told in world.held_up if told["at"] > since_s]
    return max([sender.gap_s, *held_up])


@pytest.mark.parametrize(
    ("scheduling", "share", "dscp", "expected"),
    [
        ("weighted", 0.7, COMPUTE_DSCP, 0.7),
        ("weighted", 0.3, COMPUTE_DSCP, 0.3),
        ("strict", 0.0, COMPUTE_DSCP, 1.0),
        ("weighted", 0.7, 0, 0.0),
    ],
)
async def test_marked_datagrams_have_their_share_beside_a_flow(
    scheduling: str, share: float, dscp: int, expected: float
) -> None:
    async with open_row(replace(ROW, scheduling=scheduling, compute_share=share)) as world:
        world.fabric.set_flows(world.now_s(), [FLOW], 3000)
        with world.socket(0, socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
            sender = Sender(sock, 1.2 * RATE_BPS)
            sending = asyncio.ensure_future(asyncio.to_thread(sender.run))
            full = "compute_dropped_queue" if dscp else "dropped_queue"
            before = await carried(world, full, above=0.0)
            for _ in range(MOST_WINDOWS):
                sender.gap_s = 0.0
                after = await carried(world, "run_s", above=before["run_s"] + 0.5)
                sent = {name: after[name] - before[name] for name in after}
                gap_s = waited_s(world, sender, before["run_s"])
                if gap_s < QUEUE_S / 2:  # else its queue may have run empty, and the flow had it all
                    break
                before = after
            sender.enough.set()
            await sending
    # Of counters that were copied just before and the instant just after a standstill, one is later by that.
    apart_s = 0.02 * sent["run_s"] + (2 * gap_s if gap_s > 0.01 else 0.0)
    assert sent["bytes"] * 8 == pytest.approx(RATE_BPS * sent["run_s"], abs=RATE_BPS * apart_s)
    share_sent = sent["compute_bytes"] / sent["bytes"]
    assert share_sent < expected + 0.02
    if gap_s < QUEUE_S / 2:
        assert share_sent > expected - 0.02


async def test_flows_begin_and_end_and_their_bytes_are_told() -> None:
    async with open_row(ROW) as world:
        world.fabric.set_flows(world.now_s(), [Flow(1, 0, RATE_BPS), Flow(0, 1, RATE_BPS / 2)], 3000)
        before = await carried(world, "bytes", above=0.0)
        after = await carried(world, "run_s", above=before["run_s"] + 0.5)
        sent = {name: after[name] - before[name] for name in after}
        gap_s = max((e["at"] - e["since"] for e in world.held_up if e["at"] > before["run_s"]), default=0.0)
        apart_s = 0.05 * sent["run_s"] + 2 * gap_s
        assert sent["bytes"] * 8 == pytest.approx(RATE_BPS / 2 * sent["run_s"], abs=RATE_BPS / 2 * apart_s)
        assert "compute_bytes" not in after
        flows = (await world.fabric.counters())["flows"]
        assert flows["delivered"][1] > 0
        assert [flows["lost"][0], flows["lost"][1]] == [0, 0]
        at_s = world.now_s()
        world.fabric.set_flows(at_s, [], 3000)
        ended = await carried(world, "run_s", above=at_s + 0.01)
        later = await carried(world, "run_s", above=at_s + 0.2)
        assert ended["bytes"] == later["bytes"]
