"""What each kind of fault does to real packets, and that a fault outlives the fabric but not its load."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.api.client import ApiClient

from .place import STAYING, Place, as_computed, eventually, open_place

pytestmark = pytest.mark.mesh

PAYLOAD_BYTES, DATAGRAMS, RATE_BPS = 1222, 60, 1e6  # 1,250 bytes as IP packets
SINK = f"""
import socket, struct
NANOSECONDS = 35  # SO_TIMESTAMPNS: when the kernel had it, whenever this program runs
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sink.setsockopt(socket.SOL_SOCKET, NANOSECONDS, 1)
sink.bind(('0.0.0.0', 7007))
sink.settimeout(60)
print('ready', flush=True)
came = []
while len(came) < {DATAGRAMS}:
    s, ns = struct.unpack('qq', sink.recvmsg(2000, 64)[1][0][2])
    came.append(s + ns * 1e-9)
print(came[-1] - came[0], flush=True)
"""
SOURCE = f"""
import socket
source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range({DATAGRAMS}):
    source.sendto(bytes({PAYLOAD_BYTES}), ('tokyo', 7007))
"""


@pytest.fixture(scope="module")
def whole() -> Iterator[Place]:
    """The demo's constellation, so that there is a way around."""
    with open_place() as found:
        found.scenario.write_text(STAYING)
        found.up()
        found.skyrack("clock", "pause").expect()  # however long the tests take
        yield found


@pytest.fixture
def mended(whole: Place) -> Iterator[Place]:
    """The run, without faults before and after."""
    yield whole
    whole.skyrack("fault", "rm", "--all").expect()


def add(place: Place, *arguments: object) -> dict[str, Any]:
    """What `fault add` answers, of its one fault."""
    answer = json.loads(place.skyrack("fault", "add", *arguments, "-o", "json").expect().out)
    (fault,) = answer["faults"]
    return dict(fault)


def pings(place: Place, *arguments: object) -> list[dict[str, Any]]:
    """One probe from London to Tokyo, answered or not."""
    said = place.skyrack("ping", "london", "tokyo", "-c", 1, *arguments, "-o", "json")
    return list(json.loads(said.out)["probes"])


def test_a_burst_comes_at_the_rate_that_a_fault_leaves(mended: Place) -> None:
    fault = add(mended, "rate", "--node", "london", "--rate", "1Mbit")
    assert {way["rate_bps"] for way in fault["fabric"]} == {RATE_BPS}
    rated_s = (DATAGRAMS - 1) * (PAYLOAD_BYTES + 28) * 8 / RATE_BPS

    def burst_is_rated() -> bool:
        sink = mended.foreground("exec", "tokyo", "--", "python3", "-c", SINK)
        sink.says("ready")
        mended.skyrack("exec", "london", "--", "python3", "-c", SOURCE).expect()
        took_s = float(sink.ends(0).splitlines()[-1])
        return abs(took_s - rated_s) < 0.1 * rated_s

    eventually(burst_is_rated, "a burst of which a busy host brings neither the first nor the last one late")

    (probe,) = as_computed(lambda: pings(mended, "-s", 1250))
    assert probe["computed_ms"] > 20.0 + 100.0, "10 ms each way are computed, beside the way itself"


def test_a_share_of_packets_is_lost_and_no_more(mended: Place) -> None:
    fault = add(mended, "loss", "--node", "london", "--ratio", "20%")
    assert {way["loss_ratio"] for way in fault["fabric"]} == {0.2}
    arguments = ("ping", "london", "tokyo", "-c", 400, "-i", "5ms", "-o", "json")
    # Each way with 0.2, so 0.36 together; five standard deviations of the binomial.
    expected, most_off = 0.36 * 400, 5.0 * math.sqrt(400 * 0.36 * 0.64)

    def no_more_are_lost() -> bool:
        probes = json.loads(mended.skyrack(*arguments).expect().out)["probes"]
        lost = sum(probe["measured_ms"] is None for probe in probes)
        assert lost > expected - most_off
        return lost < expected + most_off

    eventually(no_more_are_lost, "a series of which a busy host brings none a second late")


def test_a_node_that_is_dark_is_read_back_as_dark(mended: Place) -> None:
    assert add(mended, "dark", "--node", "tokyo")["fabric"] == [{"node": "tokyo", "lit": False}]
    assert mended.node("tokyo")["pid"] > 0, "its process goes on"
    mended.skyrack("ping", "london", "tokyo", "-c", 1).expect(1)
    mended.skyrack("fault", "rm", "--all").expect()
    mended.event("convergence", change="return", nodes=["tokyo"])
    as_computed(lambda: pings(mended))


def test_a_fault_that_begins_later_ends_by_itself(mended: Place) -> None:
    before_s = mended.status()["run_s"]
    fault = add(mended, "down", "--node", "london", "--at", "2s", "--for", "0.5s")
    assert fault["since_s"] > before_s + 2.0
    assert not fault["acts"] or mended.status()["run_s"] > fault["since_s"]
    assert fault["until_s"] == pytest.approx(fault["since_s"] + 0.5)
    began = mended.event("fault_began", fault=fault["id"])
    ended = mended.event("fault_ended", fault=fault["id"])
    assert (began["run_s"], ended["run_s"]) == (
        pytest.approx(fault["since_s"], abs=1e-6),
        pytest.approx(fault["until_s"], abs=1e-6),
    )
    assert json.loads(mended.skyrack("fault", "list", "-o", "json").expect().out)["faults"] == []


def test_a_load_breaks_what_it_was_told_to_and_leaves_it_whole(mended: Place) -> None:
    word = "latency:london:100ms@1s"
    ended = mended.skyrack("load", "echo", "--for", "3s", "--pair", "london>tokyo", "--fault", word)
    assert ended.status in (0, 4), ended.text  # a busy host is not the point
    result = json.loads(Path(mended.runs / "latest" / "result.json").read_text())
    assert [fault["words"] for fault in result["run"]["faults"]] == [word]
    began = mended.event("fault_began", kind="latency", cause=f"load: {word}")
    after_s = began["run_s"] - result["run"]["started_s"]
    assert 1.0 - 1e-6 < after_s < 3.0, "at 1 s, or as soon as the run heard of it, of a load of 3 s"
    mended.event("fault_ended", fault=began["fault"])
    assert json.loads(mended.skyrack("fault", "list", "-o", "json").expect().out)["faults"] == []
    refused = mended.skyrack("load", "echo", "--for", "3s", "--fault", "down:london-tokyo@1s").expect(2)
    assert "london and tokyo are never linked" in refused.err


def test_a_fault_outlives_the_fabric(mended: Place) -> None:
    before = add(mended, "latency", "--node", "london", "--extra", "50ms")
    assert before["fabric"]
    api = ApiClient(mended.sockets / "small")
    more = [
        {"kind": "partition", "nodes": ["london"], "to": ["tokyo"]},
        {"kind": "corrupt", "nodes": ["tokyo"], "corrupt_ratio": 0.25},
    ]
    api.post("/v1/faults", {"faults": more})
    mark = mended.mark()
    mended.kill("fabric")
    mended.event("fabric_up", after=mark)
    mended.serves_again()

    def read_back() -> list[list[dict[str, Any]]]:
        says = [fault["fabric"] for fault in api.get("/v1/faults")["faults"]]
        return says if all(says) else []

    longer, cut, damaged = eventually(read_back, "links of both in the new fabric")
    assert {way["extra_s"] for way in longer} == {0.05}
    assert [(way["from"], way["cut"]) for way in cut] == [(["london"], 1), (["tokyo"], 1)]
    assert {way["corrupt_ratio"] for way in damaged} == {0.25}
