"""docs/recipes/redis.md: whom Redis loses what of, when the primary's satellite goes dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .recipe import Recipe, acknowledged, open_recipe, writes

pytestmark = [pytest.mark.mesh, pytest.mark.together]

PROGRAMS = {"redis-server": "redis-server", "redis-sentinel": "redis-sentinel", "redis-cli": "redis-tools"}
SENTINELS = [word for node in ("london", "p2s01", "p4s01") for word in ("--sentinel", node)]
SCRIPT = "redis_writes.py"
PRIMARY, SUCCESSOR = "p2s02", "p4s01"
ROUND_TRIP_S = 0.1  # longer than any of the recipe's


@pytest.fixture(scope="module")
def redis() -> Iterator[Recipe]:
    """The recipe, up; the first test leaves it as it was."""
    with open_recipe("redis", PROGRAMS) as recipe:
        yield recipe


def test_a_restarted_primary_has_what_it_acknowledged(redis: Recipe) -> None:
    file = redis.file("ground")
    client = redis.begin("london", *redis.client(SCRIPT, "write", *SENTINELS, "-o", file))
    writes(file, 5)
    redis.at(PRIMARY, "pkill", "-KILL", "redis-server").expect()
    redis.place.event("service_ended", node=PRIMARY, service="primary")
    writes(file, 5, at=PRIMARY)
    client.process.terminate()
    client.process.wait()
    assert redis.check("london", SCRIPT, file, *SENTINELS)["lost"] == 0


def test_sentinels_move_the_primary_to_another_plane_and_only_who_asked_for_wait_loses_nothing(
    redis: Recipe,
) -> None:
    ground, onboard, waiting = (redis.file(name) for name in ("ground", "onboard", "waiting"))
    clients = [
        redis.begin("london", *redis.client(SCRIPT, "write", *SENTINELS, "-o", ground)),
        redis.begin(PRIMARY, *redis.client(SCRIPT, "write", "--server", PRIMARY, "-o", onboard)),
        redis.begin(
            PRIMARY,
            *redis.client(SCRIPT, "write", "--wait", 1, "--server", PRIMARY, "-o", waiting),
        ),
    ]
    for file in (ground, onboard, waiting):
        writes(file, 5)
    began_s = redis.fault("dark", "--node", PRIMARY)
    writes(ground, 5, at=SUCCESSOR)
    for client in clients:
        client.process.terminate()
        client.process.wait()

    message = f"+switch-master orbit {PRIMARY} 6379 {SUCCESSOR} 6379"
    redis.prints("london", "sentinel", message)
    first_s = next(one["t"] for one in acknowledged(ground) if one["at"] == SUCCESSOR)
    assert first_s - began_s > 1.0, "before anybody could know"

    def lost(file: str) -> int:
        found = redis.check("london", SCRIPT, redis.file(file), *SENTINELS)
        assert found["server"] == SUCCESSOR
        return int(found["lost"])

    # The last answer may have come through where the same write on its way to the replica did not.
    in_flight = [
        one for one in acknowledged(ground) if one["t"] > began_s - ROUND_TRIP_S and one["at"] == PRIMARY
    ]
    assert lost("ground") <= len(in_flight)
    alone = [one for one in acknowledged(onboard) if one["t"] > began_s + ROUND_TRIP_S]
    assert len(alone) > 10, "a primary that is cut off goes on acknowledging"
    assert lost("onboard") >= len(alone) - 1, "one may have been noted late"
    assert lost("waiting") == 0
    noted = [one for one in acknowledged(waiting) if one["t"] > began_s + ROUND_TRIP_S]
    assert len(noted) <= 1, "more than the one that was under way, noted late"
