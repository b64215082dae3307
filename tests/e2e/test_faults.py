"""`skyrack fault`: what it breaks is broken for real, computed as such, and whole again afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from .place import STAYING, Place, as_computed, open_place, port

pytestmark = pytest.mark.mesh


@pytest.fixture(scope="module")
def whole() -> Iterator[Place]:
    """The demo's constellation, so that there is a way around; it stands still, so that round trips compare."""
    with open_place() as found:
        found.scenario.write_text(STAYING)
        found.up("--port", port(18280))
        found.skyrack("clock", "pause").expect()
        yield found


def pings(place: Place, count: int = 3) -> list[dict[str, Any]]:
    arguments = ("ping", "london", "tokyo", "-c", count, "-i", "50ms", "-o", "json")
    probes: list[dict[str, Any]] = json.loads(place.skyrack(*arguments).out)["probes"]
    return probes


def test_links_are_broken_as_said_and_whole_again_afterwards(whole: Place) -> None:
    before = pings(whole)[-1]
    link = f"{before['path'][2]}-{before['path'][3]}"

    added = whole.skyrack("fault", "add", "latency", "--link", link, "--extra", "50ms", "-o", "json").expect()
    fault = json.loads(added.out)["faults"][0]
    assert [way["extra_s"] for way in fault["fabric"]] == [0.05, 0.05], "what the fabric itself has"
    slower = as_computed(lambda: pings(whole))[-1]
    assert slower["computed_ms"] == pytest.approx(before["computed_ms"] + 100.0, abs=0.01)

    whole.skyrack("fault", "add", "down", "--link", link).expect()
    spread = whole.event("convergence", change="loss")
    assert "-".join(sorted(link.split("-"))) in {"-".join(sorted(one.split("-"))) for one in spread["links"]}
    assert 0.15 < spread["detected_after_s"] < spread["last_informed_after_s"] < 1.0 + spread["told_late_s"]
    detour = as_computed(lambda: pings(whole))[-1]
    assert link not in {f"{a}-{b}" for a, b in pairwise(detour["path"])}, "routes avoid what is down"

    whole.skyrack("fault", "rm", "--all").expect()
    whole.event("convergence", change="return")
    assert json.loads(whole.skyrack("fault", "list", "-o", "json").expect().out)["faults"] == []
    after = pings(whole)[-1]
    assert after["computed_ms"] == pytest.approx(before["computed_ms"], abs=0.01)
    assert [event["event"] for event in whole.events()].count("fault_ended") == 2


def test_a_bare_satellite_that_is_dark_answers_nobody_until_it_is_back(whole: Place) -> None:
    path = pings(whole)[-1]["path"]
    satellite = path[2]
    whole.skyrack("fault", "add", "dark", "--node", satellite).expect()
    whole.event("convergence", change="loss", nodes=[satellite])
    assert satellite not in pings(whole)[-1]["path"]
    whole.skyrack("fault", "rm", "--all").expect()
    whole.event("convergence", change="return", nodes=[satellite])
    assert satellite in as_computed(lambda: pings(whole))[-1]["path"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("latency", "--link", "p0s00-p0s01"), "latency: delay to add?"),
        (("latency", "--link", "p0s00-p0s01", "--extra", "soon"), "'soon' is not a time span"),
        (("rate", "--link", "p0s00-p0s01", "--rate", "fast"), "'fast' is not a rate"),
        (("down", "--link", "london-tokio"), "did you mean 'tokyo'?"),
        (("down", "--link", "p0s00-p3s05"), "are never linked"),
        (("explode", "--link", "p0s00-p0s01"), "no kind of fault is called 'explode'"),
    ],
)
def test_what_cannot_be_broken_is_refused_with_words(
    whole: Place, arguments: tuple[str, ...], words: str
) -> None:
    ended = whole.skyrack("fault", "add", *arguments).expect(2)
    assert words in ended.err


def test_a_fault_that_there_is_not_cannot_be_ended(whole: Place) -> None:
    assert "no fault is called 'f99'" in whole.skyrack("fault", "rm", "f99").expect(2).err
