"""docs/recipes/etcd.md: five members in five planes, with etcd of Debian."""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from tests.e2e.place import ROOT, Foreground, Place, eventually, open_place

from skyrack.orchestrator.api.client import ApiClient

pytestmark = pytest.mark.mesh

SCENARIO = ROOT / "deploy" / "scenarios" / "etcd.yaml"
CLIENT = ROOT / "docs" / "recipes" / "etcd_client.py"
MEMBERS = ("p0s00", "p1s02", "p2s05", "p3s07", "p4s09")


@pytest.fixture(scope="module")
def etcd() -> Iterator[Place]:
    """The recipe's run."""
    with open_place() as place:
        place.skyrack("up", SCENARIO, "--detach").expect()
        yield place


def api(etcd: Place) -> ApiClient:
    return ApiClient(etcd.sockets / "etcd")


def client(node: str, verb: str, members: Sequence[str], *options: object) -> tuple[object, ...]:
    """The words that run it in a node."""
    endpoints = [f"{member}:2379" for member in members]
    return ("exec", node, "--", sys.executable, CLIENT, verb, *endpoints, *options)


def begin(etcd: Place, node: str, verb: str, members: Sequence[str], *options: object) -> Foreground:
    """The client in a node."""
    return etcd.foreground(*client(node, verb, members, *options))


def puts(writer: Foreground) -> list[dict[str, Any]]:
    """What became of the puts so far."""
    return [json.loads(line) for line in writer.said.split("\n")[:-1] if line.endswith("}")]


def leader(etcd: Place) -> tuple[str, int]:
    """Which member leads, and the term; it waits until they agree."""

    def agreed() -> list[tuple[str, int]]:
        said = etcd.skyrack(*client("london", "status", MEMBERS))
        if said.status:
            return []  # one of them does not answer yet
        status = [json.loads(line) for line in said.out.splitlines()]
        leaders = [one for one in status if one["leads"]]
        if len(leaders) != 1 or {one["leader"] for one in status} != {leaders[0]["id"]}:
            return []
        return [(leaders[0]["endpoint"].partition(":")[0], leaders[0]["term"])]

    return eventually(agreed, "one leader for all")[0]


def quorum_ms(etcd: Place, member: str) -> tuple[float, list[list[str]]]:
    """From a member to its second nearest peer and back, by the ways in force; all the ways that were looked at."""
    round_trips, ways = [], []
    for other in MEMBERS:
        if other != member:
            there, back = (
                api(etcd).get(f"/v1/path?from={a}&to={b}")["in_force"]
                for a, b in ((member, other), (other, member))
            )
            round_trips.append((there["rtt_ms"] + back["rtt_ms"]) / 2)
            ways += [there["path"], back["path"]]
    return sorted(round_trips)[1], ways


def test_a_put_at_the_leader_takes_the_round_trip_to_its_second_nearest_peer(etcd: Place) -> None:
    def as_computed() -> bool:
        leads = leader(etcd)
        name, _ = leads
        computed_ms, before = quorum_ms(etcd, name)
        writer = begin(etcd, name, "write", [name], "--rate", 20, "--count", 30, "--prefix", "near/")
        writer.ends(0)
        later_ms, after = quorum_ms(etcd, name)
        if before != after or leader(etcd) != leads:
            return False
        took_ms = [1e3 * (put["done_s"] - put["sent_s"]) for put in puts(writer) if put["outcome"] == "ok"]
        assert len(took_ms) == 30
        computed_ms = min(computed_ms, later_ms)
        assert min(took_ms) > computed_ms - 0.5, "faster than light"
        # Noise of the host is one-sided: the fast tenth has the least of it.
        fast_ms = statistics.quantiles(took_ms, n=10)[0]
        print(f"fast tenth {fast_ms} ms, computed {computed_ms} ms")
        return bool(fast_ms < computed_ms + 5)

    eventually(as_computed, "puts that take what is computed, by ways that stay", 150.0)


def test_when_the_leader_s_satellite_is_killed_one_is_elected_and_nothing_acknowledged_is_lost(
    etcd: Place,
) -> None:
    name, term = leader(etcd)
    others = [member for member in MEMBERS if member != name]
    options = ("--rate", 10, "--count", 10_000)
    writers = {
        gateway: begin(etcd, gateway, "write", others, *options, "--prefix", f"{gateway}/")
        for gateway in ("london", "tokyo")
    }
    eventually(lambda: all(len(puts(writer)) >= 10 for writer in writers.values()), "puts acknowledged")
    pid = etcd.node(name)["pid"]
    killed_s = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    for gateway, writer in writers.items():

        def again(writer: Foreground = writer) -> bool:
            return any(put["outcome"] == "ok" and put["sent_s"] > killed_s + 1 for put in puts(writer))

        eventually(again, f"a put of {gateway} acknowledged after the election")
        writer.process.terminate()
        writer.process.wait()
        there = json.loads(begin(etcd, gateway, "read", others[:1], "--prefix", f"{gateway}/").ends(0))
        assert {put["key"] for put in puts(writer) if put["outcome"] == "ok"} <= set(there)
    # It may be the same again: back within a second, with the longest log.
    assert leader(etcd)[1] > term
