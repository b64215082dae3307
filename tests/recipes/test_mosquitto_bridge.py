"""docs/recipes/mosquitto-bridge.md: what is published on a satellite arrives on the ground, whichever station is in sight."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.place import Foreground, eventually

from .recipe import Recipe, open_recipe

pytestmark = [pytest.mark.mesh, pytest.mark.together]

PROGRAMS = {
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_sub": "mosquitto-clients",
}
TOPIC = "orbit/test"
# Above the horizon, and not 6 degrees above it, both stations see the satellite for the first minute and more of its orbit.
BOTH_IN_SIGHT = {"links": {"elevation_mask_deg": 0}, "speed": 0.01}
MOST_IN_FLIGHT = 20  # messages that mosquitto sends before one is confirmed
PUBLISH = f"n=0; while :; do n=$((n+1)); echo $n; sleep 0.05; done | mosquitto_pub -t {TOPIC} -q 1 -l"


@pytest.fixture
def mosquitto() -> Iterator[Recipe]:
    """The recipe, up."""
    with open_recipe("mosquitto-bridge", PROGRAMS, BOTH_IN_SIGHT) as recipe:
        yield recipe


def subscribe(recipe: Recipe, node: str) -> Foreground:
    """Prints what arrives at this ground station."""
    found = recipe.begin(node, "stdbuf", "-oL", "mosquitto_sub", "-t", TOPIC, "-q", "1", "-d")
    found.says("Subscribed")
    return found


def numbers(subscriber: Foreground) -> list[int]:
    """What has arrived."""
    return [int(line) for line in subscriber.said.split("\n")[:-1] if line.isdecimal()]


def test_what_no_station_could_be_told_waits_on_board_for_the_next_one(mosquitto: Recipe) -> None:
    stations = {name: subscribe(mosquitto, name) for name in ("london", "lagos")}
    publisher = mosquitto.begin("p0s00", "sh", "-c", PUBLISH)

    def told() -> str | None:
        return next((name for name, station in stations.items() if len(numbers(station)) > 20), None)

    first = eventually(told, "messages arrive")
    assert first is not None
    (second,) = stations.keys() - {first}
    mosquitto.fault("dark", "--node", first)
    eventually(lambda: numbers(stations[second]), "messages arrive at the other station")
    there = numbers(stations[first])
    eventually(lambda: max(numbers(stations[second])) > there[-1] + 100, "what waited has arrived")
    publisher.process.terminate()

    after = numbers(stations[second])

    def before() -> list[int]:  # the dark station may have printed less than it had got
        return numbers(stations[first])

    eventually(lambda: {*before(), *after} == {*range(1, max(after) + 1)}, "none is missing")
    twice = len(before()) + len(after) - max(after)
    assert twice <= MOST_IN_FLIGHT, "twice only what the first station had not confirmed"
