"""News of a failure: what is lost until it has spread is what was computed to be lost, and the event says so."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from skyrack.orchestrator.api.client import ApiClient
from skyrack.orchestrator.measure.fidelity import HELD_UP
from skyrack.orchestrator.runtime.oracle import GUARD
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

from .place import PATIENCE_S, Place, eventually, open_place
from .probing import Flight, probe

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


def probed_across_a_fault(place: Place, link: str) -> tuple[Flight, dict[str, Any]]:
    """Probes from before a link goes down until it is back for long, and the news of that."""
    api, mark = ApiClient(place.sockets / "small", PATIENCE_S), place.mark()

    def a_second_before_it() -> float:
        fault = {"kind": "down", "links": [link], "in_s": 1.5, "for_s": 1.0}
        return float(api.post("/v1/faults", {"faults": [fault]})["faults"][0]["since_s"]) - 1.0

    flight = probe(place, "tokyo", 800, 0.005, a_second_before_it)
    return flight, place.event("convergence", after=mark, change="loss")


def test_a_laser_that_goes_down_costs_the_probes_that_were_computed_to_be_lost_and_no_other(
    whole: Place,
) -> None:
    path = probes_of(pings(whole, 20))[-1]["path"]
    link = f"{path[2]}-{path[3]}"
    flight, spread = probed_across_a_fault(whole, link)

    assert flight.start_s < spread["since_s"] < flight.end_s
    lost = [one for one in flight.probes if one.lost]
    # What the host kept waiting met what came later: it is not judged, and named.
    guarded = sum(one.reason in (GUARD, HELD_UP) for one in flight.probes)
    doomed = [one for one in flight.probes if 0.0 < one.t_s - spread["since_s"] < DETECTION_S]
    if len(doomed) > 10:  # of 30: where the host let them leave when they were to
        assert len(lost) > 5, "the laser was on the path"
    assert [one for one in lost if one.reason is None] == [], "false outages"
    alive = {one.reason for one in flight.probes if not one.lost}
    assert alive <= {None, GUARD, HELD_UP}, "what was computed to be lost came back"

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


def back_before_detection(place: Place, detection_s: float) -> float:
    """Have tokyo die and come back before it is missed, by however long that takes here; when it died."""
    place.scenario.write_text(SCENARIO % detection_s)
    place.up()
    place.kill("tokyo")
    dark = place.event("node_dark", node="tokyo")
    lit = place.event("node_lit", node="tokyo", after=dark["seq"])
    place.event("node_serving", node="tokyo", restarts=1)
    took_s = lit["run_s"] - dark["run_s"]
    if took_s < detection_s - 0.2:
        return float(dark["run_s"])
    place.down()
    return back_before_detection(place, 2.0 * took_s + detection_s)


def test_a_node_that_is_back_before_anybody_missed_it_is_no_news(place: Place) -> None:
    """What is lost after it is detected after it would have been, so its event is the first."""
    dark_s = back_before_detection(place, 3.0)
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
    while True:
        place.up()
        path = probes_of(pings(place, 1))[-1]["path"]
        place.skyrack("fault", "add", "down", "--link", f"{path[2]}-{path[3]}", "--for", "0.93s").expect()
        if place.event("fault_ended")["run_s"] - place.event("fault_began")["run_s"] < 1.0:
            break
        place.down()  # the host was too late to end it, and everybody heard
    second = f"{path[1]}-{path[2]}"
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
