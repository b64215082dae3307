"""What the scenario says of rates, seen by real datagrams."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from .place import Place, eventually, open_place

pytestmark = pytest.mark.mesh

RATE_BPS = 10e6
PAYLOAD_BYTES, DATAGRAMS = 1472, 400  # 1,500 bytes each as IP packets, 480 ms of the laser
SINK = f"""
import json, socket, struct
NANOSECONDS = 35  # SO_TIMESTAMPNS: when the kernel had it, whenever this program runs
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sink.setsockopt(socket.SOL_SOCKET, NANOSECONDS, 1)
sink.bind(('0.0.0.0', 7007))
sink.settimeout(60)
print('ready', flush=True)
came = []
while len(came) < {DATAGRAMS}:
    stamp = sink.recvmsg(2000, 64)[1][0][2]
    s, ns = struct.unpack('qq', stamp)
    came.append(s + ns * 1e-9)
print(json.dumps(came), flush=True)
"""
SOURCE = f"""
import socket
source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range({DATAGRAMS}):
    source.sendto(bytes({PAYLOAD_BYTES}), ('p0s05', 7007))
"""


@pytest.fixture(scope="module")
def narrow() -> Iterator[Place]:
    """Satellites five lasers apart whose queues hold the whole burst."""
    with open_place() as found:
        found.scenario.write_text(
            "extends: iridium\nname: small\nground: []\ninhabited: [p0s00, p0s05]\n"
            f"links: {{laser_rate_bps: {RATE_BPS:g}, queue_bytes: 1000000}}\n"
        )
        found.up()
        yield found


def burst(narrow: Place) -> list[float]:
    """When each datagram came, in seconds."""
    sink = narrow.foreground("exec", "p0s05", "--", "python3", "-c", SINK)
    sink.says("ready")
    narrow.skyrack("exec", "p0s00", "--", "python3", "-c", SOURCE).expect()
    came: list[float] = json.loads(sink.ends(0).splitlines()[-1])
    return came


def test_datagrams_come_at_the_rate_of_the_lasers(narrow: Place) -> None:
    """A busy host makes some late, none early: what it did not make late of each half is as far apart as it should be."""
    each_s, half = (PAYLOAD_BYTES + 28) * 8 / RATE_BPS, DATAGRAMS // 2

    def as_far_apart() -> bool:
        late_s = [at_s - number * each_s for number, at_s in enumerate(burst(narrow))]
        return abs(min(late_s[half:]) - min(late_s[:half])) < 0.02 * half * each_s

    eventually(as_far_apart, "a burst at the rate of the lasers", 120.0)
