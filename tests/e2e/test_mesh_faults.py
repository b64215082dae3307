"""Partitions, damaged packets and links that flap, as programs inside the nodes see them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from skyrack.orchestrator.api.client import ApiClient
from skyrack.orchestrator.measure.host import QuietTimes, Window

from .place import PATIENCE_S, STAYING, Foreground, Place, eventually, open_place

pytestmark = pytest.mark.mesh

# Listens for datagrams and says each one's text and the sender's clock, which is the receiver's.
EAR = """
import socket
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind(('0.0.0.0', 7007))
print('listens', flush=True)
while True:
    print(ear.recv(2000)[:60].decode(errors='replace').rstrip(), flush=True)
"""
# argv: what to say, and to whom. Says what came of a TCP connection to each one's own service as well; who is written as
# -NAME need not answer within a second, and everybody else has a minute.
MOUTH = """
import socket, sys
text, *targets = sys.argv[1:]
for target in targets:
    limit_s = 1.0 if target.startswith('-') else 60.0
    target = target.lstrip('-')
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(text.encode(), (target, 7007))
    try:
        socket.create_connection((target, 50051), limit_s)
        print('connected')
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def whole() -> Iterator[Place]:
    """The demo's constellation, three stations and two satellites with a process."""
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


def add(place: Place, **fault: Any) -> dict[str, Any]:
    """What the run answers of one fault."""
    (answer,) = ApiClient(place.sockets / "small").post("/v1/faults", {"faults": [fault]})["faults"]
    return dict(answer)


def python(place: Place, node: str, program: str, *arguments: object) -> Foreground:
    """Run a program inside a node."""
    return place.foreground("exec", node, "--", "python3", "-c", program, *arguments)


def says(place: Place, text: str, *whom: tuple[str, ...]) -> list[list[str]]:
    """Of each (speaker, listener, ...) what came of it, all at once."""
    running = [python(place, speaker, MOUTH, text, *listeners) for speaker, *listeners in whom]
    return [one.ends(0).split() for one in running]


@pytest.fixture(scope="module")
def ears(whole: Place) -> dict[str, Foreground]:
    """What each of two nodes hears."""
    heard = {node: python(whole, node, EAR) for node in ("london", "tokyo")}
    for one in heard.values():
        one.says("listens")
    return heard


def test_a_one_way_partition_cuts_one_way_and_nobody_else(mended: Place, ears: dict[str, Foreground]) -> None:
    third = next(
        node["name"]
        for node in mended.status()["nodes"]
        if node["inhabited"] and node["name"] not in ("london", "tokyo")
    )
    fault = add(mended, kind="partition", nodes=["london"], to=["tokyo"], one_way=True)
    assert fault["fabric"] == [{"from": ["london"], "to": ["tokyo"], "ways": 1, "cut": 1}]
    there, back = says(mended, "cut in half", ("london", "-tokyo", third), ("tokyo", "-london", third))
    assert there == ["TimeoutError", "connected"], (
        "nobody says why, as a firewall would not, and others hear it"
    )
    assert back == ["TimeoutError", "connected"], "the answer to it is cut off"
    ears["london"].says("cut in half")
    (probe,) = json.loads(mended.skyrack("ping", "tokyo", "london", "-c", 1, "-o", "json").out)["probes"]
    assert probe["measured_ms"] is None
    assert probe["reason"] == "london is cut off from tokyo by a fault"
    mended.skyrack("fault", "rm", "--all").expect()
    assert says(mended, "whole again", ("london", "tokyo")) == [["connected"]]
    assert "cut in half" not in ears["tokyo"].says("whole again")


def test_a_station_that_is_dark_neither_sends_nor_hears(mended: Place, ears: dict[str, Foreground]) -> None:
    both = (("london", "tokyo"), ("tokyo", "london"))
    add(mended, kind="dark", nodes=["london"])
    mended.event("convergence", change="loss", nodes=["london"])
    in_vain = says(mended, "in the dark", ("london", "-tokyo"), ("tokyo", "-london"))
    assert all(came != ["connected"] for came in in_vain)
    mended.skyrack("fault", "rm", "--all").expect()
    mended.event("convergence", change="return", nodes=["london"])
    assert says(mended, "in the light", *both) == [["connected"], ["connected"]]
    for one in ears.values():
        assert "in the dark" not in one.says("in the light")


SERVER = """
import hashlib, socket
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
sink.bind(('0.0.0.0', 7008))
server = socket.create_server(('0.0.0.0', 7009))
def errors():
    lines = [line.split() for line in open('/proc/net/snmp')]
    pairs = zip(lines[::2], lines[1::2])
    table = {names[0]: dict(zip(names, values)) for names, values in pairs}
    return {name: int(table[name]['InCsumErrors']) for name in ('Icmp:', 'Tcp:', 'Udp:')}
before = errors()
print('listens', flush=True)
connection, _ = server.accept()
digest, size = hashlib.sha256(), 0
while data := connection.recv(65536):
    digest.update(data)
    size += len(data)
sink.setblocking(False)
came = []
try:
    while True:
        came.append(sink.recv(2000))
except BlockingIOError:
    pass
print({
    'sha256': digest.hexdigest(), 'bytes': size,
    'whole': sum(len(set(one)) == 1 for one in came), 'damaged': sum(len(set(one)) > 1 for one in came),
    'errors': {name: count - before[name] for name, count in errors().items()},
}, flush=True)
"""
# 150 datagrams with a checksum and 150 without (SO_NO_CHECK), and a TCP connection.
CLIENT = """
import hashlib, socket
for no_check in (0, 1):
    source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    source.setsockopt(socket.SOL_SOCKET, 11, no_check)
    for _ in range(150):
        source.sendto(b'x' * 100, ('tokyo', 7008))
data = bytes(i * i % 251 for i in range(240_000))
with socket.create_connection(('tokyo', 7009)) as connection:
    connection.sendall(data)
print(hashlib.sha256(data).hexdigest())
"""


def test_damaged_packets_fail_their_checksums_and_what_tcp_delivers_is_whole(mended: Place) -> None:
    server = python(mended, "tokyo", SERVER)
    server.says("listens")
    fault = add(mended, kind="corrupt", nodes=["london"], corrupt_ratio=0.1)
    assert {way["corrupt_ratio"] for way in fault["fabric"]} == {0.1}
    sent = python(mended, "london", CLIENT).ends(0).strip()
    server.ends(0)
    seen = json.loads(server.said.splitlines()[-1].replace("'", '"'))
    assert (seen["sha256"], seen["bytes"]) == (sent, 240_000)
    assert seen["errors"]["Tcp:"] > 0
    # Of each kind 15, give or take five standard deviations. What has no checksum is delivered as it came, but for those of
    # which the port or the length was hit.
    assert 1 <= seen["errors"]["Udp:"] < 34
    assert 1 <= seen["damaged"] < 34
    assert seen["errors"]["Udp:"] <= 300 - seen["whole"] - seen["damaged"] < seen["errors"]["Udp:"] + 10
    mended.skyrack("fault", "rm", "--all").expect()
    counters = ApiClient(mended.sockets / "small").get("/v1/fabric")
    assert counters["corrupted"] >= seen["errors"]["Udp:"] + seen["damaged"]
    mended.skyrack("ping", "london", "tokyo", "-c", 20, "-i", "5ms").expect()
    assert ApiClient(mended.sockets / "small").get("/v1/fabric")["corrupted"] == counters["corrupted"]


# Says when it is, every 4 ms until there is a file argv[1].
METRONOME = """
import os, socket, sys, time
source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while not os.path.exists(sys.argv[1]):
    now = time.monotonic()
    source.sendto(f'beat {now!r}'.encode(), ('tokyo', 7007))
    print(f'beat {now!r}', flush=True)
    time.sleep(0.004)
"""


def beats(text: str) -> list[float]:
    whole = text.split("\n")[:-1]  # it may be writing the next one
    return [float(line.split()[1]) for line in whole if line.startswith("beat ")]


def test_a_link_that_flaps_loses_what_is_sent_while_it_is_dark(
    mended: Place, ears: dict[str, Foreground]
) -> None:
    """Faster than anybody detects, and the run can say of every instant how it was then."""
    eventually(
        lambda: periods_of_loss(mended, ears["tokyo"]) >= {0, 1, 2},
        "a loss in each period, where the host lets somebody speak and the fabric be told then",
        2 * PATIENCE_S,
    )


def periods_of_loss(place: Place, ear: Foreground) -> set[int]:
    """Have a link flap while somebody speaks, and judge every beat; the periods in which some were lost."""
    end = place.directory / f"end-{time.monotonic_ns()}"
    metronome = python(place, "london", METRONOME, end)
    metronome.says("beat")
    flap = {"kind": "flap", "nodes": ["london"], "period_s": 0.5, "down_ratio": 0.24}
    fault = add(place, **flap, in_s=0.1, for_s=1.1)  # it ends while the link is dark
    t0_s = place.status()["t0_monotonic_ns"] / 1e9
    eventually(
        lambda: (beats(ear.said) or [0.0])[-1] > t0_s + fault["until_s"], "a beat from after the fault"
    )
    end.touch()
    sent = beats(metronome.ends(0))
    eventually(lambda: sent[-1] in beats(ear.said), "the last beat")
    heard = set(beats(ear.said))
    asked = [[beat_s - t0_s, "london", "tokyo", 64] for beat_s in sent]
    answers = ApiClient(place.sockets / "small").post("/v1/computed", {"probes": asked})["results"]
    periods = set()
    for beat_s, answer in zip(sent, answers, strict=True):
        since_s, reason = beat_s - t0_s - fault["since_s"], answer["reason"] or ""
        if answer["reason"] is None:
            assert beat_s in heard, f"lost {since_s:.3f} s after the fault began"
        elif reason.startswith("the link london-"):
            assert beat_s not in heard, f"heard {since_s:.3f} s after the fault began"
            assert 0.0 <= since_s < 1.1
            assert since_s % 0.5 < 0.12
        if beat_s not in heard:
            periods.add(int(since_s // 0.5))
    place.event("fault_ended", fault=fault["id"])
    told = [one["event"] for one in place.events() if one.get("fault") == fault["id"]]
    assert told == ["fault_began", "fault_ended"], "one of each, whatever the pulses"
    return periods


def test_what_a_flapping_link_does_for_longer_than_it_takes_to_detect_changes_routes(mended: Place) -> None:
    path = json.loads(mended.skyrack("ping", "london", "tokyo", "-c", 1, "-o", "json").out)["probes"][0][
        "path"
    ]
    fault = add(mended, kind="flap", links=[f"{path[2]}-{path[3]}"], period_s=1.0)
    arguments = ("ping", "london", "tokyo", "-c", 110, "-i", "20ms", "-o", "json")

    def lost_on_it() -> int:
        said = json.loads(mended.skyrack(*arguments).out)
        quiet = QuietTimes(Window(**window) for window in said["windows"])
        lost = 0
        for probe in said["probes"]:
            if (probe["reason"] or "").startswith("guard"):
                continue
            if probe["computed_ms"] is None:
                assert probe["measured_ms"] is None, probe
                lost += "is down by a fault" in probe["reason"]
            elif probe["measured_ms"] is None:  # for a second nobody heard of it
                assert not quiet.covers(probe["t_s"], probe["t_s"] + 1.0), probe
        return lost

    eventually(lambda: lost_on_it() > 5, "until it was detected, each time")
    eventually(
        lambda: [
            one["change"] for one in mended.events() if one.get("since_s", 0.0) >= fault["since_s"] - 1e-4
        ],
        "news of it",
    )
