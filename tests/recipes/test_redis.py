"""docs/recipes/redis.md: whom Redis loses what of, when the primary's satellite goes dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.place import PATIENCE_S

from .recipe import Recipe, acknowledged, lost_from_s, open_recipe, writes

pytestmark = [pytest.mark.mesh, pytest.mark.together]

PROGRAMS = {"redis-server": "redis-server", "redis-sentinel": "redis-sentinel", "redis-cli": "redis-tools"}
SENTINEL_NODES = ("london", "p2s01", "p4s01")
SENTINELS = [word for node in SENTINEL_NODES for word in ("--sentinel", node)]
SCRIPT = "redis_writes.py"
WRITE = (
    "write",
    "--timeout",
    2,
)  # of the time until another primary is there; a host that is busy is late, too
PRIMARY, SUCCESSOR = "p2s02", "p4s01"
ROUND_TRIP_S = 0.1  # longer than any of the recipe's
DOWN_AFTER_MS = 1600  # the recipe's
PATIENT = ("--timeout", PATIENCE_S)


def miss_after(redis: Recipe, down_after_ms: int) -> None:
    """How long a server has to be silent until sentinels take it for dead."""
    to_each = f"-p 26379 sentinel set orbit down-after-milliseconds {down_after_ms}"
    words = "; ".join(f"redis-cli -h {node} {to_each}" for node in SENTINEL_NODES)
    assert redis.at("london", "sh", "-c", words).expect().out.split() == ["OK"] * len(SENTINEL_NODES)


@pytest.fixture(scope="module")
def redis() -> Iterator[Recipe]:
    """The recipe, up; the first test leaves it as it was. A server that a busy host keeps from running is not missed."""
    with open_recipe("redis", PROGRAMS) as recipe:
        miss_after(recipe, 600_000)
        yield recipe


def test_a_restarted_primary_has_what_it_acknowledged(redis: Recipe) -> None:
    file = redis.file("ground")
    client = redis.begin("london", *redis.client(SCRIPT, *WRITE, *SENTINELS, "-o", file))
    writes(file, 5)
    redis.at(PRIMARY, "pkill", "-KILL", "redis-server").expect()
    redis.place.event("service_ended", node=PRIMARY, service="primary")
    writes(file, 5, at=PRIMARY)
    client.process.terminate()
    client.process.wait()
    assert redis.check("london", SCRIPT, file, *PATIENT, *SENTINELS)["lost"] == 0


def test_sentinels_move_the_primary_to_another_plane_and_only_who_asked_for_wait_loses_nothing(
    redis: Recipe,
) -> None:
    ground, onboard, waiting = (redis.file(name) for name in ("ground", "onboard", "waiting"))
    clients = [
        redis.begin("london", *redis.client(SCRIPT, *WRITE, *SENTINELS, "-o", ground)),
        redis.begin(PRIMARY, *redis.client(SCRIPT, *WRITE, "--server", PRIMARY, "-o", onboard)),
        redis.begin(
            PRIMARY,
            *redis.client(SCRIPT, *WRITE, "--wait", 1, "--server", PRIMARY, "-o", waiting),
        ),
    ]
    for file in (ground, onboard, waiting):
        writes(file, 5)
    began_s = redis.fault("dark", "--node", PRIMARY)
    miss_after(redis, DOWN_AFTER_MS)
    writes(ground, 5, at=SUCCESSOR)
    writes(onboard, 20)
    for client in clients:
        client.process.terminate()
        client.process.wait()

    message = f"+switch-master orbit {PRIMARY} 6379 {SUCCESSOR} 6379"
    redis.prints("london", "sentinel", message)
    first_s = next(one["t"] for one in acknowledged(ground) if one["at"] == SUCCESSOR)
    assert first_s - began_s > 1.0, "before anybody could know"

    def lost(file: Path) -> dict[str, Any]:
        found = redis.check("london", SCRIPT, file, *PATIENT, *SENTINELS)
        assert found["server"] == SUCCESSOR
        return found

    # The last answer may have come through where the same write on its way to the replica did not.
    in_flight = [
        one for one in acknowledged(ground) if one["t"] > began_s - ROUND_TRIP_S and one["at"] == PRIMARY
    ]
    assert lost(ground)["lost"] <= len(in_flight)
    alone = [one for one in acknowledged(onboard) if one["t"] > first_s]
    assert len(alone) > 10, "a primary that is cut off goes on acknowledging"
    lost_onboard = lost(onboard)
    assert lost_onboard["lost"] >= len(alone) - 1, "one may have been noted late"
    cut_s = lost_from_s(acknowledged(onboard), lost_onboard)
    assert lost(waiting)["lost"] == 0
    noted = [one for one in acknowledged(waiting) if one["t"] > cut_s + ROUND_TRIP_S]
    assert len(noted) <= 1, "more than the one that was under way, noted late"
