"""Background traffic and classes as a user meets them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from .place import SMALL, Place, eventually, open_place

pytestmark = pytest.mark.mesh

RATE_BPS = 40e9


@pytest.fixture(scope="module")
def busy() -> Iterator[Place]:
    """Two stations that send each other 40 Gbit/s in all, over links with classes."""
    with open_place() as found:
        found.scenario.write_text(
            SMALL + f"links: {{classes: {{compute_share: 0.3}}}}\nbackground: {{rate_bps: {RATE_BPS:.0f}}}\n"
        )
        found.up()
        yield found


def await_all_of_it(place: Place) -> None:
    """Wait until what the stations send arrives."""

    def arrives() -> bool:
        ended = place.skyrack("load", "background", "--for", "1s", "-o", "json")
        if ended.status:  # the fabric is not up yet
            return False
        found = json.loads(ended.out)
        assert [sorted((flow["from"], flow["to"])) for flow in found["flows"]] == [["london", "tokyo"]] * 2
        assert found["all"]["rate_bps"] == pytest.approx(RATE_BPS)
        return bool(found["all"]["delivered_bps"] == pytest.approx(RATE_BPS, rel=0.05))

    eventually(arrives, "all of it arrives")


def test_what_the_stations_send_arrives_and_is_shown(busy: Place) -> None:
    await_all_of_it(busy)
    assert busy.status()["background"] == {"flows": 2, "rate_bps": RATE_BPS}
    assert "background: 2 flows, 40 Gbit/s in all" in busy.skyrack("status").expect().out


def test_a_link_on_the_way_says_what_it_carries(busy: Place) -> None:
    run = ("--run", "small")

    def carries() -> bool:
        """Asked between two handovers."""
        answer = json.loads(busy.skyrack("path", "london", "tokyo", *run, "-o", "json").expect().out)
        path = answer["in_force"]["path"]
        one = ("path", "--link", f"{path[1]}-{path[2]}", *run)
        link = json.loads(busy.skyrack(*one, "-o", "json").expect().out)
        if sum(link["carried_bps"]) != pytest.approx(RATE_BPS, rel=0.1):
            return False
        assert "  carries   " in busy.skyrack(*one).expect().out
        return True

    eventually(carries, "a link on the way carries what they send")


def test_a_transfer_has_the_class_it_asks_for(busy: Place) -> None:
    arguments = ("load", "bulk", "--from", "london", "--to", "tokyo", "--size", "4GB", "--class")
    ended = busy.skyrack(*arguments, "compute").expect()
    assert "every transfer was done" in ended.out
    started = [event for event in busy.events() if event["event"] == "transfer_started"]
    assert started[-1]["class"] == "compute"
    assert "'urgent' is not one of" in busy.skyrack(*arguments, "urgent").expect(2).err


def test_a_fabric_that_is_started_again_carries_it_again(busy: Place) -> None:
    busy.kill("fabric")
    busy.event("fabric_up")
    await_all_of_it(busy)
