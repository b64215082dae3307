"""Satellites that are launched into a run join it without anybody losing a packet, and a batch of them is lost at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from .place import PATIENCE_S, Foreground, Place, eventually, open_place

pytestmark = pytest.mark.mesh

SCENARIO = """\
version: 1
name: launched
shells:
  - {name: v3, planes: 12, slots: 12, altitude_km: 550, inclination_deg: 53, phasing: 1}
links: {elevation_mask_deg: 5, acquisition_min_s: 1, acquisition_max_s: 2, epoch_s: 2, epoch_offset_s: 0}
ground: [london]
inhabited: [p0s00, p1s01, p2s00, p2s01]
services:
  - {name: keep, nodes: [p0s00, p2s00], command: [sleep, 1000]}
lifecycle:
  launches:
    - {name: batch, satellites: [p2s00, p2s01, p2s02, p2s03], commissioning_s: 2, apart_s: 0.5}
    - {name: never, satellites: [plane:p5]}
"""
NEW = ("p2s00", "p2s01")


@pytest.fixture(scope="module")
def run() -> Iterator[Place]:
    """A run whose launch comes when the first test asks for it."""
    with open_place() as found:
        found.scenario.write_text(SCENARIO)
        found.up()
        yield found


def phases(place: Place) -> dict[str, int]:
    found: dict[str, int] = place.status()["fleet"]["phases"]
    return {phase: count for phase, count in found.items() if count}


def of(place: Place, event: str) -> list[dict[str, Any]]:
    return [one for one in place.events() if one["event"] == event]


def test_who_is_not_launched_is_not_waited_for_and_has_no_process(run: Place) -> None:
    assert of(run, "ready")[0]["nodes"] == 3
    status = run.status()
    states = {node["name"]: node["state"] for node in status["nodes"]}
    assert {name for name, state in states.items() if state == "not launched"} >= {*NEW, "p2s02", "p5s11"}
    assert status["fleet"]["phases"]["not launched"] == 16
    listed = json.loads(run.skyrack("launch", "-o", "json").expect().out)["launches"]
    assert [(batch["name"], batch["satellites"], batch["t_s"]) for batch in listed] == [
        ("batch", 4, None),
        ("never", 12, None),
    ]
    said = run.skyrack("launch", "bach").expect(2).err
    assert "no launch is called 'bach': did you mean 'batch'?" in said
    assert not of(run, "convergence")


def answered(pings: Foreground) -> list[int]:
    """Numbers of the echo requests that were answered."""
    return [int(number) for number in re.findall(r"icmp_seq=(\d+)", pings.said)]


def loses_none(pings: Foreground) -> None:
    """Wait until 50 more are answered than are by now, then end it: none before the last that was may be missing."""
    before = len(answered(pings))
    eventually(lambda: len(answered(pings)) > before + 50, "answers go on")
    pings.process.terminate()
    pings.process.wait(PATIENCE_S)
    found = answered(pings)
    assert sorted(found) == list(range(1, max(found) + 1)), "none was lost"


def test_a_launch_joins_under_pings_and_its_services_start(run: Place) -> None:
    pings = run.foreground("exec", "p0s00", "--", "ping", "-i", "0.02", "p1s01")
    assert "4 satellites" in run.skyrack("launch", "batch").expect().out
    assert "already" in run.skyrack("launch", "batch").expect(2).err
    for name in NEW:
        assert run.event("node_serving", node=name)["cause"] == "start"
    run.event("service_ready", node="p2s00")
    eventually(lambda: run.skyrack("ping", "london", "p2s01", "-c", "1").status == 0, "it is reached")

    def joined() -> list[str]:
        """One after the other; a host that was busy meanwhile tells of several at once."""
        steps = [event["on"] for event in of(run, "launch_phase") if event["phase"] == "in service"]
        return [name for step in steps for name in step]

    eventually(lambda: len(joined()) == 4, "all four are in service")
    loses_none(pings)
    assert joined() == ["p2s00", "p2s01", "p2s02", "p2s03"]
    assert not [event for event in of(run, "convergence") if event["change"] == "loss"]


def test_a_batch_is_lost_in_one_word_and_the_survivors_go_on(run: Place) -> None:
    run.skyrack("fault", "add", "lost", "--node", "random:3:batch:batch").expect()
    run.skyrack("fault", "add", "lost", "--node", "random:2:batch:never").expect()
    eventually(lambda: phases(run).get("lost") == 5, "five are lost")
    assert phases(run) == {"not launched": 10, "in service": 129, "lost": 5}
    assert any(node["name"] in NEW and node["state"] == "lost" for node in run.status()["nodes"])
    eventually(
        lambda: "3 received" in run.skyrack("ping", "p0s00", "p1s01", "-c", "3").out,
        "three of three come back",
    )


def test_an_avoidance_manoeuvre_is_gone_around_before_it_begins(run: Place) -> None:
    """All lasers of a plane to others are dark for a second, and nobody loses a packet who has another way."""
    before = len(of(run, "convergence"))
    pings = run.foreground("exec", "p0s00", "--", "ping", "-i", "0.005", "p1s01")
    eventually(lambda: answered(pings), "the first is answered")
    run.skyrack("fault", "add", "manoeuvre", "--node", "p1s01", "--for", "1s").expect()
    eventually(lambda: len(of(run, "convergence")) > before, "lasers are back")
    loses_none(pings)
    assert [event["change"] for event in of(run, "convergence")[before:]] == ["return"]
