"""Terminals, gateways, points of presence and fibre on a real mesh: what is measured is what is computed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .place import ROOT, Place, open_place, port

pytestmark = [pytest.mark.mesh, pytest.mark.together]


@pytest.fixture(scope="module")
def access() -> Iterator[Place]:
    """The calibration scenario: no satellite has a process, everybody on the ground has."""
    with open_place() as found:
        found.scenario.write_text((ROOT / "deploy" / "scenarios" / "starlink-calibration.yaml").read_text())
        found.up("--port", port(18290))
        yield found


def pings(place: Place, a: str, b: str, count: int = 5) -> list[dict[str, Any]]:
    arguments = ("ping", a, b, "-c", count, "-i", "50ms", "-o", "json")
    probes: list[dict[str, Any]] = json.loads(place.skyrack(*arguments).expect().out)["probes"]
    return probes


def test_a_terminal_reaches_the_internet_through_one_satellite_in_the_published_time(access: Place) -> None:
    for probe in pings(access, "portland", "pop-seattle"):
        path = probe["path"]
        assert (path[0], path[-2:], len(path)) == ("portland", ["gw-seattle", "pop-seattle"], 4)
        assert 24.0 < probe["computed_ms"] < 30.0
        assert abs(probe["measured_ms"] - probe["computed_ms"]) < 20.0


def test_a_storm_takes_rate_and_not_time(access: Place) -> None:
    dry, storm = (pings(access, name, "pop-seattle")[-1] for name in ("portland", "portland-storm"))
    assert dry["computed_ms"] == pytest.approx(storm["computed_ms"], abs=0.1)
    rates = [link_rates(access, name, dry["path"][1]) for name in ("portland", "portland-storm")]
    assert rates[1][0] < 0.75 * rates[0][0]
    assert rates[1][1] < 0.75 * rates[0][1]


def link_rates(place: Place, user: str, satellite: str) -> list[float]:
    told = json.loads(
        place.skyrack("path", "--link", f"{user}-{satellite}", "--run", "starlink-calibration", "-o", "json")
        .expect()
        .out
    )
    rates: list[float] = told["rate_bps"]
    return rates


def test_traffic_goes_around_a_cut_fibre_and_over_it_again(access: Place) -> None:
    before = pings(access, "gw-seattle", "pop-seattle")[-1]
    assert before["path"] == ["gw-seattle", "pop-seattle"]
    access.skyrack("fault", "add", "down", "--link", "gw-seattle-pop-seattle").expect()
    access.event("convergence", change="loss")
    detour = pings(access, "gw-seattle", "pop-seattle")[-1]
    assert detour["path"][-2:] == ["pop-miami", "pop-seattle"], "over the sky to the other gateway"
    assert detour["measured_ms"] is not None
    assert abs(detour["measured_ms"] - detour["computed_ms"]) < 20.0
    access.skyrack("fault", "rm", "--all").expect()
    access.event("convergence", change="return")
    assert pings(access, "gw-seattle", "pop-seattle")[-1]["path"] == before["path"]


def test_everybody_on_the_ground_says_what_it_is(access: Place) -> None:
    nodes = {node["name"]: node["kind"] for node in access.status()["nodes"] if node["inhabited"]}
    assert nodes == {"gw-seattle": "ground", "gw-miami": "ground", "portland": "user", "portland-storm": "user",
                     "miami": "user", "pop-seattle": "pop", "pop-miami": "pop"}  # fmt: skip
