"""Redis failover: how long nobody writes, who notices when, and which acknowledged writes are gone, by what happens to the
primary's satellite and by what the clients ask for. The recipe of docs/recipes/redis.md, each row a run of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..e2e.place import eventually
from ..recipes.recipe import Recipe, acknowledged, open_recipe, writes
from ..recipes.test_redis import PRIMARY, PROGRAMS, SCRIPT, SENTINELS

PLANE = "p2"
CUT_S = 15.0
TIMES = 3


def dark(redis: Recipe) -> float:
    """The satellite's lasers are off, its processes go on."""
    return redis.fault("dark", "--node", PRIMARY, "--for", f"{CUT_S:g}s")


def plane_cut(redis: Recipe) -> float:
    """No link between the primary's plane and anybody else."""
    plan = (redis.place.runs / "latest" / "plan.jsonl").read_text()
    pairs = re.findall(r'"a": "([^"]*)", "b": "([^"]*)"', plan)
    links = {f"{a}-{b}" for a, b in pairs if a.startswith(PLANE) != b.startswith(PLANE)}
    return redis.fault(
        "down", *(word for link in sorted(links) for word in ("--link", link)), "--for", f"{CUT_S:g}s"
    )


def satellite_killed(redis: Recipe) -> float:
    """The node's process, and with it everything on the satellite."""
    now_s = time.time()
    os.kill(redis.place.tree(redis.name)[PRIMARY], 9)
    return now_s


def process_killed(redis: Recipe) -> float:
    """Redis alone."""
    now_s = time.time()
    redis.at(PRIMARY, "pkill", "-KILL", "redis-server").expect()
    return now_s


@dataclass(frozen=True)
class Case:
    """A row of the table. `ask`: what clients ask for; `setting`: what the primary is set to."""

    name: str
    happens: Callable[[Recipe], float]
    ask: tuple[object, ...] = ()
    setting: tuple[str, ...] = ()
    changes: dict[str, Any] = field(default_factory=dict)
    onboard: bool = True


CASES = (
    Case("Redis killed, started again", process_killed, onboard=False),
    Case("satellite killed, started again", satellite_killed, onboard=False),
    Case(
        "satellite killed for good", satellite_killed, changes={"nodes": {"restart": "never"}}, onboard=False
    ),
    Case("dark for 15 s", dark),
    Case(
        "dark, min-replicas-to-write 1", dark, setting=("min-replicas-to-write 1", "min-replicas-max-lag 2")
    ),
    Case("dark, WAIT 1", dark, ask=("--wait", 1)),
    Case("plane cut off for 15 s, WAIT 1", plane_cut, ask=("--wait", 1)),
    Case("plane cut off for 15 s, WAIT 2", plane_cut, ask=("--wait", 2)),
)


@dataclass(frozen=True)
class Seen:
    """What one run showed. Times in seconds after it happened."""

    gap_s: float
    down_s: list[float]
    switched_s: float | None
    ground: dict[str, Any]
    onboard: dict[str, Any] | None


async def main() -> None:
    """Redis: seconds without a write, and acknowledged writes lost, by what happens to the primary and what clients ask for."""
    print(
        "  what happens                     no writes (s)    noticed (s)   moved (s)   ground: lost of    on board: lost of"
    )
    for case in CASES:
        seen = [await asyncio.to_thread(_run, case) for _ in range(TIMES)]
        print(f"  {case.name:31}  {_row(seen)}", flush=True)


def _row(seen: list[Seen]) -> str:
    gaps = sorted(one.gap_s for one in seen)
    downs = sorted(at for one in seen for at in one.down_s)
    moved = [one.switched_s for one in seen if one.switched_s is not None]
    lost = [_lost([one.ground for one in seen]), _lost([one.onboard for one in seen if one.onboard])]
    noticed = f"{downs[0]:.2f}-{downs[-1]:.2f}" if downs else "-"
    at = f"{statistics.median(moved):.2f}" if moved else "-"
    times = " ".join(f"{gap:.2f}" for gap in gaps)
    return f"{times:15}  {noticed:11}   {at:9}   {lost[0]:15}    {lost[1]}"


def _lost(found: list[dict[str, Any]]) -> str:
    if not found:
        return "-"
    return f"{sum(one['lost'] for one in found)} of {sum(one['acknowledged'] for one in found):,}"


def _run(case: Case) -> Seen:
    with open_recipe("redis", PROGRAMS, case.changes) as redis:
        if case.setting:
            for setting in case.setting:
                redis.at(PRIMARY, "redis-cli", "config", "set", *setting.split()).expect()
        ground, onboard = redis.file("ground"), redis.file("onboard")
        clients = [redis.begin("london", *redis.client(SCRIPT, "write", *SENTINELS, *case.ask, "-o", ground))]
        writes(ground, 20)
        if case.onboard:
            there = ("write", "--server", PRIMARY, *case.ask, "-o", onboard)
            clients.append(redis.begin(PRIMARY, *redis.client(SCRIPT, *there)))
            writes(onboard, 20)
        began_s = case.happens(redis)
        eventually(lambda: time.time() > began_s + CUT_S, "the fault is over")
        if case.onboard:
            # Who comes back as a primary is made a replica, and forgets what it had alone.
            eventually(
                lambda: redis.at(PRIMARY, "redis-cli", "role").out.startswith("slave"),
                f"{PRIMARY} is a replica",
            )
        writes(ground, 5)
        for client in clients:
            client.process.terminate()
            client.process.wait()
        times = [one["t"] for one in acknowledged(ground)]
        gap_s = max(b - a for a, b in itertools.pairwise(times) if b > began_s)
        return Seen(
            gap_s,
            _times(redis, f"+sdown master orbit {PRIMARY} ", began_s),
            min(_times(redis, "+switch-master", began_s), default=None),
            redis.check("london", SCRIPT, ground, *SENTINELS),
            redis.check("london", SCRIPT, onboard, *SENTINELS) if case.onboard else None,
        )


def _times(redis: Recipe, text: str, began_s: float) -> list[float]:
    """When each sentinel first printed this, after the instant."""
    found = []
    for node in ("london", "p2s01", "p4s01"):
        for record in redis.printed(node, "sentinel"):
            if text in record["msg"]:
                found.append(datetime.fromisoformat(record["time"]).timestamp() - began_s)
                break
    return found
