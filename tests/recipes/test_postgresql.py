"""docs/recipes/postgresql.md: what a commit waits for, and what is lost when the standby in orbit takes over."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.place import PATIENCE_S, eventually

from .recipe import Recipe, acknowledged, lost_from_s, open_recipe, writes

pytestmark = [pytest.mark.mesh, pytest.mark.together]

PROGRAMS = {"psql": "postgresql", "pg_ctlcluster": "postgresql"}
SCRIPT = "postgresql_writes.py"
PRIMARY, STANDBY = "london", "p2s02"
ROUND_TRIP_S = 0.1  # longer than any of the recipe's
BUSY_MS = 20.0  # what a busy host may add
DRIFT_MS = 0.5  # what the way may have become shorter by meanwhile


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Recipe]:
    """The recipe, up, with a standby that commits wait for."""
    with open_recipe("postgresql", PROGRAMS) as recipe:
        psql(
            recipe,
            PRIMARY,
            f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'",
            "SELECT pg_reload_conf()",
            "CREATE TABLE writes (key text PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())",
        )
        yield recipe


def psql(recipe: Recipe, server: str, *statements: str) -> str:
    """What statements answer."""
    words = [word for statement in statements for word in ("-c", statement)]
    return recipe.at(server, "psql", "-h", server, "-U", "postgres", "-qAtX", *words).expect().out.strip()


def computed_ms(recipe: Recipe) -> float:
    """The round trip between primary and standby now."""
    ping = ("ping", PRIMARY, STANDBY, "-c", 1, "--run", recipe.name, "-o", "json")
    return float(json.loads(recipe.place.skyrack(*ping).expect().out)["probes"][0]["computed_ms"])


def test_a_commit_waits_for_the_round_trip_to_the_standby(postgresql: Recipe) -> None:
    file = postgresql.file("waited")

    def as_computed() -> bool:
        before_ms = computed_ms(postgresql)
        postgresql.at(PRIMARY, *postgresql.client(SCRIPT, "write", "--for", 1, "-o", file, PRIMARY)).expect()
        round_trips_ms = before_ms, computed_ms(postgresql)
        took_ms = [one["took_ms"] for one in acknowledged(file)]
        if len(took_ms) < 2:
            return False
        assert min(took_ms) > min(round_trips_ms) - DRIFT_MS, "faster than light"
        # Noise of the host is one-sided: the fast tenth has the least of it.
        return bool(statistics.quantiles(took_ms, n=10)[0] < max(round_trips_ms) + BUSY_MS)

    eventually(as_computed, "commits that take what is computed", 150.0)


def test_after_promotion_only_commits_that_did_not_wait_for_the_standby_are_lost(postgresql: Recipe) -> None:
    remote, waiting, hasty = (postgresql.file(name) for name in ("remote", "waiting", "hasty"))
    clients = [
        postgresql.begin("new-york", *postgresql.client(SCRIPT, "write", "-o", remote, PRIMARY, STANDBY)),
        postgresql.begin(PRIMARY, *postgresql.client(SCRIPT, "write", "-o", waiting, PRIMARY)),
        postgresql.begin(
            PRIMARY,
            *postgresql.client(SCRIPT, "write", "--commit", "local", "-o", hasty, PRIMARY),
        ),
    ]
    for file in (remote, waiting, hasty):
        writes(file, 3)
    postgresql.fault("dark", "--node", PRIMARY)
    assert psql(postgresql, STANDBY, f"SELECT pg_promote(wait_seconds => {PATIENCE_S:g})") == "t"
    writes(remote, 3, at=STANDBY)
    writes(hasty, 20)
    for client in clients:
        client.process.terminate()
        client.process.wait()

    def lost(file: Path) -> dict[str, Any]:
        return postgresql.check("new-york", SCRIPT, file, STANDBY)

    assert lost(remote)["lost"] == 0
    assert lost(waiting)["lost"] == 0
    first_s = next(one["t"] for one in acknowledged(remote) if one["at"] == STANDBY)
    alone = [one for one in acknowledged(hasty) if one["t"] > first_s]
    assert len(alone) > 10, "a primary that is cut off goes on committing"
    lost_hasty = lost(hasty)
    assert lost_hasty["lost"] >= len(alone) - 1, "one may have been noted late"
    cut_s = lost_from_s(acknowledged(hasty), lost_hasty)
    noted = [one for one in acknowledged(waiting) if one["t"] > cut_s + ROUND_TRIP_S]
    assert len(noted) <= 1, "more than the one that was under way, noted late"
