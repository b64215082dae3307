"""PostgreSQL: what a commit costs, and which acknowledged ones are gone after a crash or a failover, by synchronous_commit.

The recipe of docs/recipes/postgresql.md, each row a run of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import time
from dataclasses import dataclass
from typing import Any

from ..e2e.place import eventually
from ..recipes.recipe import acknowledged, open_recipe, writes
from ..recipes.test_postgresql import PRIMARY, PROGRAMS, SCRIPT, STANDBY, computed_ms, psql

ALONE_S = 5.0
REMOTE = "new-york"


@dataclass(frozen=True)
class Case:
    """A row: what happens, how clients commit, whether the primary waits for the standby (where `commit` says so)."""

    happens: str
    commit: str
    waits: bool


CASES = (
    Case("killed, started again", "off", False),
    Case("killed, started again", "on", False),
    Case("dark, promoted", "off", False),
    Case("dark, promoted", "on", False),
    Case("dark, promoted", "remote_write", True),
    Case("dark, promoted", "on", True),
    Case("dark, promoted", "remote_apply", True),
)


async def main() -> None:
    """PostgreSQL: time of a commit, and acknowledged ones lost, by what happens to the primary and by synchronous_commit."""
    print(
        "  what happens            commit         standby names   commit p50   round trip   promoted   no writes   "
        "remote: lost of   local: lost of"
    )
    for case in CASES:
        print(f"  {await asyncio.to_thread(row, case)}", flush=True)


def row(case: Case) -> str:
    with open_recipe("postgresql", PROGRAMS) as recipe:
        names = STANDBY if case.waits else ""
        wait = f"ALTER SYSTEM SET synchronous_standby_names = '{names}'"
        psql(recipe, PRIMARY, wait, "SELECT pg_reload_conf()")
        remote, local = recipe.file("remote"), recipe.file("local")
        options = ("--commit", case.commit, "-o")
        clients = [recipe.begin(PRIMARY, *recipe.client(SCRIPT, "write", *options, local, PRIMARY))]
        writes(local, 40)
        clients.append(
            recipe.begin(REMOTE, *recipe.client(SCRIPT, "write", *options, remote, PRIMARY, STANDBY))
        )
        writes(remote, 10)
        rtt_ms = computed_ms(recipe)
        promoted, new = "-", PRIMARY
        if case.happens.startswith("dark"):
            began_s = recipe.fault("dark", "--node", PRIMARY)
            said = psql(recipe, STANDBY, "\\timing", "SELECT pg_promote()")
            promoted, new = f"{float(said.split()[2]) / 1e3:.2f}", STANDBY
        else:
            began_s = time.time()
            os.kill(recipe.place.tree(recipe.name)[PRIMARY], 9)
        writes(remote, 10, at=new)
        eventually(lambda: time.time() > began_s + ALONE_S, "the primary was alone")
        for client in clients:
            client.process.terminate()
            client.process.wait()
        times = [one["t"] for one in acknowledged(remote)]
        gap_s = max(b - a for a, b in itertools.pairwise(times) if b > began_s)
        lost = [recipe.check(REMOTE, SCRIPT, file, new) for file in (remote, local)]
        commit_ms = statistics.median(one["took_ms"] for one in acknowledged(local) if one["t"] < began_s)
        computed = f"{rtt_ms:6.2f}" if case.waits else "     -"
        return (
            f"{case.happens:22}  {case.commit:12}   {names or '-':13}   {commit_ms:6.2f}       {computed}          {promoted:8}"
            f"   {gap_s:9.2f}   {_lost(lost[0]):15}   {_lost(lost[1])}"
        )


def _lost(found: dict[str, Any]) -> str:
    return f"{found['lost']} of {found['acknowledged']:,}"
