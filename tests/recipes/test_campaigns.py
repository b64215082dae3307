"""docs/recipes/campaigns.md in short: what etcd keeps under faults, and that the checkers notice what is not kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from tests.e2e.place import ROOT

from .recipe import Recipe, open_recipe

pytestmark = [pytest.mark.mesh, pytest.mark.together]

ETCD = {"etcd": "etcd-server"}
REDIS = {"redis-server": "redis-server", "redis-sentinel": "redis-sentinel", "redis-cli": "redis-tools"}
EAGER = f"{ROOT / 'docs' / 'design' / 'bad_clients.py'}:EagerEtcd"
QUIET = ("ok", "inconclusive")  # of a load: the host need not be quiet for what a history says


def load(recipe: Recipe, *options: object) -> dict[str, Any]:
    """What the checkers say of the history of a load."""
    ended = recipe.place.skyrack("load", "kv", *options, "--seed", 1, "-o", "json", timeout_s=250.0)
    assert "Traceback" not in ended.text, ended.text
    result: dict[str, Any] = json.loads(ended.out)
    found: dict[str, Any] = result["history"]
    if found["verdict"] == "bad":
        assert ended.status == 3, "a broken promise is the command's failure, too"
    else:
        assert result["verdict"] in QUIET, ended.err
    return found


def figures(report: dict[str, Any], name: str) -> dict[str, Any]:
    """Of one check."""
    found: dict[str, Any] = next(check["figures"] for check in report["checks"] if check["name"] == name)
    return found


def replaced(redis: Recipe, by_s: float) -> bool:
    """Whether sentinels had another primary by this run time."""
    by_unix_s = by_s + redis.zero_s()
    switches = [one for one in redis.printed("london", "sentinel") if "+switch-master" in one["msg"]]
    return any(datetime.fromisoformat(one["time"]).timestamp() < by_unix_s for one in switches)


def test_redis_loses_what_a_primary_acknowledged_while_it_was_cut_off() -> None:
    with open_recipe("redis", REDIS) as redis:
        options = ("--adapter", "redis,sentinel=orbit", "--service", "sentinel", "--port", 26379)
        sides = ("--at", "london", "--at", "p2s01", "--rate", 50, "--clients", 10)
        for cut_s in (6, 40):  # sentinels of a busy host take longer to replace the primary
            fault = f"partition:p2s01,p2s02|rest@1s+{cut_s}s"
            mark = redis.place.mark()
            report = load(redis, *options, *sides, "--for", f"{cut_s + 2}s", "--fault", fault)
            if replaced(redis, redis.place.event("fault_ended", after=mark)["run_s"]):
                break
        assert report["verdict"] == "bad"
        lost = figures(report, "no acknowledged write lost")
        assert lost["lost"] > 10, "written at the primary that sentinels had replaced"
        assert any(
            check["name"] == "no acknowledged write lost" and check["operations"]
            for check in report["checks"]
        )


@pytest.fixture(scope="module")
def etcd() -> Iterator[Recipe]:
    with open_recipe("etcd", ETCD) as recipe:
        yield recipe


def test_etcd_keeps_what_it_acknowledged_while_members_are_killed_paused_and_cut_off(etcd: Recipe) -> None:
    faults = (
        "kill:p3s07/etcd@1s",
        "pause:p0s00/etcd@2s+2s",
        "partition:p1s02,p2s05,london|rest@5s+3s",
        "flap:p4s09:1s@8s+1s",
    )
    words = [word for fault in faults for word in ("--fault", fault)]
    options = ("--adapter", "etcd", "--service", "etcd", "--rate", 40, "--clients", 36)
    # A busy host answers less, and later.
    for patience in (("--for", "10s"), ("--for", "40s", "--timeout", "10s")):
        report = load(etcd, *options, *patience, *words)
        assert report["verdict"] == "ok"
        assert report["operations"]["unknown"] > 0, "nothing was in the way of the faults"
        lost = figures(report, "no acknowledged write lost")
        assert lost["lost"] == 0
        enough = report["operations"]["ok"] > 100 and lost["acknowledged"] > 50
        if enough:
            break
    assert enough, "too little was answered to prove anything"


def test_client_that_acknowledges_before_the_quorum_is_found_out(etcd: Recipe) -> None:
    options = ("--adapter", EAGER, "--service", "etcd", "--port", 2379, "--rate", 40, "--clients", 36)
    report = load(etcd, *options, "--keys", 5, "--for", "2s")
    assert report["verdict"] == "bad"
    linearizable = next(check for check in report["checks"] if check["name"] == "linearizable")
    assert linearizable["operations"], "the report names operations"
