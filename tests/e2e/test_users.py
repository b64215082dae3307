"""Terminals, gateways, points of presence and fibre on a real mesh: what is measured is what is computed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from skyrack.orchestrator.api.client import ApiClient

from .place import ROOT, Place, as_computed, eventually, open_place, port

pytestmark = [pytest.mark.mesh, pytest.mark.together]


@pytest.fixture(scope="module")
def access() -> Iterator[Place]:
    """The calibration scenario: no satellite has a process, everybody on the ground has."""
    with open_place() as found:
        found.scenario.write_text((ROOT / "deploy" / "scenarios" / "starlink-calibration.yaml").read_text())
        found.up("--port", port(18290))
        yield found


def test_a_terminal_reaches_the_internet_through_one_satellite_in_the_published_time(access: Place) -> None:
    for probe in as_computed(lambda: access.ping("portland", "pop-seattle", count=5)):
        path = probe["path"]
        assert (path[0], path[-2:], len(path)) == ("portland", ["gw-seattle", "pop-seattle"], 4)
        assert 24.0 < probe["computed_ms"] < 30.0


def test_a_storm_takes_rate_and_not_time(access: Place) -> None:
    api = ApiClient(access.sockets / "starlink-calibration")
    roofs = ("portland", "portland-storm")

    def compared() -> list[list[float]]:
        now_s = api.get("/v1/clock")["run_s"]
        asked = {"probes": [[now_s, name, "pop-seattle", 64] for name in roofs]}
        dry, storm = api.post("/v1/computed", asked)["results"]
        assert dry["path"][1:] == storm["path"][1:]
        assert dry["rtt_s"] == pytest.approx(storm["rtt_s"], abs=1e-4)
        rates = [link_rates(access, name, dry["path"][1]) for name in roofs]
        return [both for both in rates if both] if all(rates) else []

    dry, storm = eventually(compared, "rates of links that no handover took meanwhile")
    assert storm[0] < 0.75 * dry[0]
    assert storm[1] < 0.75 * dry[1]


def link_rates(place: Place, user: str, satellite: str) -> list[float] | None:
    """There and back; None where they are not linked."""
    told = json.loads(
        place.skyrack("path", "--link", f"{user}-{satellite}", "--run", "starlink-calibration", "-o", "json")
        .expect()
        .out
    )
    rates: list[float] | None = told["rate_bps"]
    return rates


def test_traffic_goes_around_a_cut_fibre_and_over_it_again(access: Place) -> None:
    before = access.ping("gw-seattle", "pop-seattle", count=5)[-1]
    assert before["path"] == ["gw-seattle", "pop-seattle"]
    access.skyrack("fault", "add", "down", "--link", "gw-seattle-pop-seattle").expect()
    access.event("convergence", change="loss")
    detour = as_computed(lambda: access.ping("gw-seattle", "pop-seattle", count=5))[-1]
    assert detour["path"][-2:] == ["pop-miami", "pop-seattle"], "over the sky to the other gateway"
    access.skyrack("fault", "rm", "--all").expect()
    access.event("convergence", change="return")
    assert access.ping("gw-seattle", "pop-seattle", count=5)[-1]["path"] == before["path"]


def test_everybody_on_the_ground_says_what_it_is(access: Place) -> None:
    nodes = {node["name"]: node["kind"] for node in access.status()["nodes"] if node["inhabited"]}
    assert nodes == {"gw-seattle": "ground", "gw-miami": "ground", "portland": "user", "portland-storm": "user",
                     "miami": "user", "pop-seattle": "pop", "pop-miami": "pop"}  # fmt: skip
