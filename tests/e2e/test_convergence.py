"""News of a failure: what is lost until it has spread is what was computed to be lost, and the event says so."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from skyrack.orchestrator.runtime.oracle import GUARD
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

from .place import Place, eventually, open_place

pytestmark = pytest.mark.mesh

DETECTION_S = 0.15
SCENARIO = (
    "extends: iridium\nname: small\ninhabited: {count: 2}\nlinks: {detection_s: %g, epoch_offset_s: 0}\n"
    "telemetry: {fidelity_probes_per_s: 0}\n"  # every packet that is lost is one of the test's
)


@pytest.fixture
def whole() -> Iterator[Place]:
    """The demo's constellation, so that there is a way around."""
    with open_place() as found:
        found.scenario.write_text(SCENARIO % DETECTION_S)
        found.up()
        yield found


def pings(place: Place, count: int) -> subprocess.Popen[bytes]:
    """London to Tokyo, 200 a second."""
    arguments = ("ping", "london", "tokyo", "-c", count, "-i", "5ms", "-o", "json")
    return place.start(arguments, stdout=subprocess.PIPE)


def probes_of(ping: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """Its probes, once it has ended."""
    out, _ = ping.communicate(timeout=60.0)
    assert ping.returncode == 0
    probes: list[dict[str, Any]] = json.loads(out)["probes"]
    return probes


def probed_across_a_fault(place: Place, link: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Probes from before a link goes down until it is back for long, and the news of that.

    Again where the host took so long to start one of the two that the other was over.
    """
    for _ in range(5):
        mark = place.mark()
        ping = pings(place, 1000)
        place.skyrack("fault", "add", "down", "--link", link, "--at", "1.5s", "--for", "1s").expect()
        probes = probes_of(ping)
        began, ended = (place.event(name, after=mark)["run_s"] for name in ("fault_began", "fault_ended"))
        if probes[0]["t_s"] < began and ended + 0.5 < probes[-1]["t_s"]:
            return probes, place.event("convergence", after=mark, change="loss")
    raise AssertionError("probes and fault did not meet")


def test_a_laser_that_goes_down_costs_the_probes_that_were_computed_to_be_lost_and_no_other(
    whole: Place,
) -> None:
    path = probes_of(pings(whole, 20))[-1]["path"]
    link = f"{path[2]}-{path[3]}"
    probes, spread = probed_across_a_fault(whole, link)

    lost = [probe for probe in probes if probe["measured_ms"] is None]
    guarded = sum(probe["reason"] == GUARD for probe in probes)
    assert len(lost) >= DETECTION_S / 0.005 - guarded, "the laser was on the path"
    assert [probe for probe in lost if probe["reason"] is None] == [], "false outages"
    alive = [probe for probe in probes if probe["measured_ms"] is not None]
    assert {probe["reason"] for probe in alive} <= {None, GUARD}, "what was computed to be lost came back"

    geometry = Geometry(load_scenario(whole.scenario))
    a, b = (geometry.index_of(name) for name in link.split("-"))
    light_s = float(geometry.delay_s([a], [b], spread["since_s"])[0])
    assert spread["detected_after_s"] == pytest.approx(DETECTION_S + light_s, abs=1e-5)
    assert spread["detected_after_s"] < spread["last_informed_after_s"] < 1.0
    assert (spread["informed"], spread["cut_off"]) == (geometry.n_nodes, 0)
    dropped = spread["packets_dropped"]
    assert sum(dropped[cause] for cause in ("dark", "link_down", "no_route", "loop")) == pytest.approx(
        len(lost), abs=guarded
    )


def test_a_node_that_is_back_before_anybody_missed_it_is_no_news(place: Place) -> None:
    """What is lost after it is detected after it would have been, so its event is the first."""
    place.scenario.write_text(SCENARIO % 3.0)
    place.up()
    place.kill("tokyo")
    dark_s = place.event("node_dark", node="tokyo")["run_s"]
    back = place.event("node_serving", node="tokyo", restarts=1)
    assert back["run_s"] < dark_s + 2.8, "the host took too long to start it again"
    path = probes_of(pings(place, 1))[-1]["path"]
    place.skyrack("fault", "add", "down", "--link", f"{path[2]}-{path[3]}").expect()
    news = eventually(
        lambda: [event for event in place.events() if event["event"] == "convergence"], "a convergence"
    )
    assert [(event["cause"], event["nodes"]) for event in news] == [("fault", [])]
    assert news[0]["since_s"] > dark_s


def test_a_laser_that_is_back_just_before_it_would_be_missed_is_no_news(place: Place) -> None:
    """The fabric has been told already who would hear; nobody does."""
    place.scenario.write_text(SCENARIO % 1.0)
    place.up()
    path = probes_of(pings(place, 1))[-1]["path"]
    first, second = f"{path[2]}-{path[3]}", f"{path[1]}-{path[2]}"
    place.skyrack("fault", "add", "down", "--link", first, "--for", "0.93s").expect()
    place.event("fault_ended")
    place.skyrack("fault", "add", "down", "--link", second).expect()
    news = eventually(
        lambda: [
            event
            for event in place.events()
            if event["event"] == "convergence" and set(event["links"][0].split("-")) == set(path[1:3])
        ],
        "news of the second link",
    )
    assert [event for event in place.events() if event["event"] == "convergence"] == news
    assert probes_of(pings(place, 1))[-1]["measured_ms"] is not None
