"""A run whose clock is changed under real processes: what packets take, what guests see, what users are told."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from skyrack.orchestrator.api.client import ApiClient
from skyrack.orchestrator.measure.fidelity import HELD_UP
from skyrack.orchestrator.measure.host import QuietTimes, Window
from skyrack.orchestrator.runtime.oracle import CLOCK_GUARD

from .place import PATIENCE_S, Place, eventually, open_place

pytestmark = pytest.mark.mesh

ASK = """
import json, os, urllib.request
for path in ("clock", "environment"):
    print(urllib.request.urlopen(os.environ["SKYRACK_API"] + "/v1/" + path, timeout=20).read().decode().replace("\\n", ""))
"""
NEAR_MS = 5.0  # more than a host is late by in a quiet second, less than what a jump changes


CHANGES: tuple[dict[str, Any], ...] = (
    {"action": "pause"},
    {"action": "jump", "by_s": 1200},
    {"action": "resume"},
    {"action": "speed", "speed": 100},
    {"action": "jump", "by_s": 1800},
    {"action": "speed", "speed": 1},
)
APART_S = 0.35  # of run time between two changes: some probes fly while nothing changes


@pytest.fixture(scope="module")
def changed() -> Iterator[tuple[Place, list[dict[str, Any]], list[dict[str, Any]]]]:
    """A place with a run up, probes that flew all the while, and the changes meanwhile, again and again.

    `told_s` of a change: when it had been told. `quiet` of a probe: whether the host was while it flew.
    """
    with open_place() as place:
        place.up()
        api = ApiClient(place.sockets / "small", PATIENCE_S)
        probes: list[dict[str, Any]] = []
        changes: list[dict[str, Any]] = []
        while len(changes) < 2 * len(CHANGES):  # a host that is slow to change may need a second flight
            pinging = place.foreground("ping", "london", "tokyo", "-c", 400, "-i", "10ms", "-o", "json")
            while pinging.process.poll() is None or len(changes) % len(CHANGES):
                changed = api.post("/v1/clock", CHANGES[len(changes) % len(CHANGES)])["changed"]
                changes.append(changed | {"told_s": api.get("/v1/clock")["run_s"]})
                _pass(api, changes[-1]["told_s"] + APART_S)
            text = pinging.ends(0)
            found = json.loads(text[text.index("{") :])
            quiet = QuietTimes(Window(**window) for window in found["windows"])
            for probe in found["probes"]:
                flight_s = (probe["measured_ms"] or 1e3) / 1e3
                probes.append(probe | {"quiet": quiet.covers(probe["t_s"], probe["t_s"] + flight_s)})
        yield place, probes, changes


def _pass(api: ApiClient, until_s: float) -> None:
    eventually(lambda: api.get("/v1/clock")["run_s"] > until_s, "time to measure")


Changed = tuple[Place, list[dict[str, Any]], list[dict[str, Any]]]


def test_probes_take_what_the_orbits_of_the_moment_have_and_those_across_a_change_are_not_judged(
    changed: Changed,
) -> None:
    _, probes, changes = changed
    first_s, last_s = probes[0]["t_s"], probes[-1]["t_s"]
    turns_s = [at_s for change in changes if first_s < (at_s := change["after"]["run_s"]) < last_s]
    assert len(turns_s) >= len(CHANGES)
    guarded = [probe for probe in probes if probe["reason"] == CLOCK_GUARD]
    assert guarded
    unsure_s = [(change["after"]["run_s"], change["told_s"]) for change in changes]
    for probe in guarded:
        assert any(at_s - 0.4 < probe["t_s"] < told_s + 0.02 for at_s, told_s in unsure_s)
    judged = [probe for probe in probes if probe["reason"] is None]
    assert {probe["reason"] for probe in probes} <= {None, CLOCK_GUARD, HELD_UP}
    told_in_time = max(told_s - at_s for at_s, told_s in unsure_s) < 0.1
    on_time = told_in_time and len(probes) > 80.0 * (last_s - first_s)
    if on_time:  # where the host let probes and changes be when they were to
        assert len(judged) > 0.5 * len(probes)
    assert len({tuple(probe["path"]) for probe in judged}) > 2, "orbits have moved on"
    lost = [probe for probe in judged if probe["measured_ms"] is None]
    assert not lost
    assert min(probe["measured_ms"] - probe["computed_ms"] for probe in judged) > -0.01
    quiet = [probe for probe in judged if probe["quiet"]]
    looked = 0
    for first_s, last_s in pairwise(turns_s):
        between = [
            probe["measured_ms"] - probe["computed_ms"] for probe in quiet if first_s < probe["t_s"] < last_s
        ]
        if between:
            looked += 1
            assert statistics.median(between) < NEAR_MS, (first_s, last_s)
    if on_time and len(quiet) > 0.9 * len(judged):
        assert looked > 0.5 * len(turns_s), "probes flew between most changes"


def test_while_the_clock_is_paused_nothing_moves(changed: Changed) -> None:
    _, probes, changes = changed
    checked = 0
    for change, after in pairwise(changes):
        if not change["after"]["paused"]:
            continue
        first_s, last_s = change["after"]["run_s"], after["after"]["run_s"]
        still = [p for p in probes if first_s < p["t_s"] < last_s and p["reason"] is None]
        if not still:
            continue
        checked += 1
        assert len({tuple(probe["path"]) for probe in still}) == 1
        computed_ms = [probe["computed_ms"] for probe in still]
        assert max(computed_ms) - min(computed_ms) < 1e-6
    assert checked >= 2
    assert changes[1]["after"]["t_s"] - changes[1]["before"]["t_s"] == pytest.approx(1200.0, abs=1e-3)
    assert changes[1]["after"]["t_s"] == changes[2]["after"]["t_s"]


def test_guests_and_everybody_else_see_the_new_time(changed: Changed) -> None:
    place, _, changes = changed
    satellite = next(
        n["name"] for n in place.status()["nodes"] if n["inhabited"] and n["kind"] == "satellite"
    )
    said = place.skyrack("exec", satellite, "--", sys.executable, "-c", ASK).expect().out
    clock, environment = (json.loads(line) for line in said.splitlines())
    last = changes[-1]["after"]
    assert clock["speed"] == 1.0
    run_s = (int(clock["monotonic_ns"]) - int(clock["t0_monotonic_ns"])) / 1e9
    assert clock["t_s"] == pytest.approx(last["t_s"] + run_s - last["run_s"], abs=1e-3)
    assert clock["t_s"] == pytest.approx(
        clock["since_t_s"] + clock["speed"] * (run_s - clock["since_run_s"]), abs=1e-6
    )
    assert 700.0 < environment["altitude_km"] < 850.0
    assert "the clock jumps by" in place.skyrack("logs").expect().out
    told = [event for event in place.events() if event["event"] == "clock_changed"]
    assert [event["cause"] for event in told] == [change["cause"] for change in changes]
    status = place.status()
    assert (status["speed"], status["clock"]["paused"]) == (1.0, False)
    assert status["clock"]["t_s"] > 3000.0
    assert status["fidelity"]["probes"]["false_outage"] == status["fidelity"]["probes"]["unexpected"] == 0
