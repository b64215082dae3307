"""docs/recipes/network-tools.md: what mtr, traceroute, tcpdump and iperf3 of Debian show in nodes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from tests.e2e.place import ROOT, Place, eventually, open_place

from skyrack.orchestrator.api.client import ApiClient

pytestmark = pytest.mark.mesh

T = TypeVar("T")
SCENARIO = ROOT / "deploy" / "scenarios" / "network-tools.yaml"
CAPTURE = ROOT / "docs" / "recipes" / "capture.py"
RUN = "network-tools"
HERE = "p3s02"  # a satellite with a process that London and Tokyo send through
ROUNDS = 2
PCAP_HEADER_BYTES = 24
NOBODYS_UID = 54321


@pytest.fixture(scope="module")
def own() -> Iterator[Place]:
    """The recipe's run, of the user who runs the tests."""
    with open_place() as place:
        place.skyrack("up", SCENARIO, "--detach").expect()
        yield place


@pytest.fixture(scope="module")
def unprivileged() -> Iterator[Place]:
    """The recipe's run, of a user who may do nothing."""
    if os.getuid() != 0:
        pytest.skip("the tests run unprivileged already")
    with open_place(NOBODYS_UID) as place:
        place.scenario.write_text(SCENARIO.read_text())
        place.up()
        yield place


def while_it_holds(
    place: Place, a: str, b: str, look: Callable[[list[str]], T | None]
) -> tuple[list[str], T]:
    """The way in force from a to b, and what `look` found on it, if the way was the same before and after and it found
    something; else it looks again."""
    api = ApiClient(place.sockets / RUN)

    def held() -> tuple[list[str], T] | None:
        before = api.get(f"/v1/path?from={a}&to={b}")["in_force"]["path"]
        found = look(before)
        after = api.get(f"/v1/path?from={a}&to={b}")["in_force"]["path"]
        return None if found is None or after != before else (before, found)

    return eventually(held, f"a way from {a} to {b} that stays", 120.0)


def test_traceroute_shows_the_hops_of_the_path_in_force(own: Place) -> None:
    def look(path: list[str]) -> list[str] | None:
        said = own.skyrack("exec", "london", "--", "traceroute", "-q", "1", "-w", "3", "p0s06").expect().out
        hops = [line.split()[1] for line in said.splitlines()[1:]]
        return None if "*" in hops else hops  # one came too late

    path, hops = while_it_holds(own, "london", "p0s06", look)
    assert len(path) > 5
    assert ["london", *hops] == path


@pytest.mark.parametrize("whose", ["own", "unprivileged"])
def test_mtr_shows_the_hops_and_a_capture_their_answers_and_nothing_that_is_forwarded(
    whose: str, request: pytest.FixtureRequest
) -> None:
    place: Place = request.getfixturevalue(whose)
    nodes = ApiClient(place.sockets / RUN).get("/v1/status")["nodes"]
    address = {node["name"]: node["address"] for node in nodes}
    eventually(
        lambda: HERE in while_it_holds(place, "london", "tokyo", lambda path: path)[0],
        "London sends through it",
    )

    def look(path: list[str]) -> tuple[list[str], list[str]] | None:
        hosts: list[str] = []

        def meanwhile() -> None:
            place.skyrack("exec", "london", "--", "ping", "-c", "2", "-i", "0.2", "tokyo").expect()
            command = ["mtr", "--json", "-c", str(ROUNDS), "-i", "0.2", "-G", "1", "tokyo"]
            report = json.loads(place.skyrack("exec", HERE, "--", *command).expect().out)["report"]
            hosts.extend(hub["host"] for hub in report["hubs"])

        lines = captured(place, meanwhile, ROUNDS * len(path[1:-1]))
        return None if "???" in hosts else (hosts, lines)  # one came too late

    path, (hosts, lines) = while_it_holds(place, HERE, "tokyo", look)
    assert [HERE, *hosts] == path
    hops = path[1:-1]
    answers = [found[1] for line in lines if (found := re.search(r"IP (\S+) > .* time exceeded", line))]
    assert sorted(answers) == sorted([address[hop] for hop in hops] * ROUNDS)
    assert len(hops) > 1
    assert not [line for line in lines if address["london"] in line and address["tokyo"] in line]


def captured(place: Place, meanwhile: Callable[[], None], refusals: int) -> list[str]:
    """What tcpdump says of the ICMP at HERE during `meanwhile`, until it has seen so many refusals of a hop."""
    pcap = place.directory / "capture.pcap"
    tcpdump = ["tcpdump", "-n", "-i", "mesh0", "--immediate-mode", "-U", "-w", "-", "icmp"]
    command = tcpdump
    if os.getuid() != 0 or place.uid is not None:
        # Debian's tcpdump wants to become a user whom this user namespace does not have.
        refused = place.skyrack("exec", HERE, "--", *tcpdump).expect(1)
        assert "Couldn't change to 'tcpdump'" in refused.err
        command = [sys.executable, str(CAPTURE), "--for", "60"]
    with pcap.open("wb") as out:
        process = place.start(("exec", HERE, "--", *command), stdout=out, stderr=subprocess.DEVNULL)

        def lines() -> list[str]:
            read = subprocess.run(["tcpdump", "-n", "-r", pcap, "icmp"], capture_output=True, text=True)
            return read.stdout.splitlines()

        eventually(lambda: pcap.stat().st_size >= PCAP_HEADER_BYTES, "the capture has begun")
        meanwhile()
        eventually(lambda: sum("time exceeded" in line for line in lines()) >= refusals, "all refusals seen")
        process.terminate()
        process.wait()
    return lines()


def test_iperf3_gets_the_rate_of_the_slowest_link(own: Place) -> None:
    command = ["iperf3", "--json", "-c", "tokyo", "--time", "2", "--omit", "2"]
    payload_bytes, packet_bytes = 1448, 1500

    def as_declared() -> bool:
        before = very_late(own)
        said = json.loads(own.skyrack("exec", "london", "--", *command).expect().out)
        got_bps = said["end"]["sum_received"]["bits_per_second"]
        share = got_bps / (100e6 * payload_bytes / packet_bytes)
        assert share < 1.02
        return (
            share > 0.85 or very_late(own) > before
        )  # a host that is busy stops TCP, and this proves nothing then

    eventually(as_declared, "the rate, or a fabric that says that it was late")


def very_late(place: Place) -> int:
    """How many packets the fabric has taken or handed out more than 20 ms late so far, as it counts them itself."""
    counters = ApiClient(place.sockets / RUN).get("/v1/fabric")
    counted = [counters[name] for name in ("lateness", "ingress_lag")]
    return sum(sum(one["counts"][one["le_s"].index(0.02) + 1 :]) for one in counted)
