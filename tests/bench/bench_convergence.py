"""Unplanned loss of a laser, a satellite, a plane at Starlink's first shell: how long until everybody has heard and pairs work
again, with routes that go around and with fixed ones; and that planned changes lose no packet.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from .command_run import CommandRun, command_run

SCENARIO = (
    "version: 1\nname: bench\nextends: starlink-shell1\ninhabited: {count: 16}\nrouting: {strategy: %s}\n"
)
A, B = "london", "new-york"
INTERVAL_S, FAULT_S, QUIET_S = 0.005, 2.0, 40.0


async def main() -> None:
    """starlink-shell1, 24 inhabited: what a laser, a satellite, a plane cost, by strategy."""
    print(
        "  strategy   lost       first noticed   last informed   pairs cut   restored after (median, most)   a ping's outage"
    )
    for strategy in ("ephemeris", "static"):
        async with command_run(SCENARIO % strategy) as run:
            await run.up()
            bench = _Bench(run)
            for kind in ("laser", "satellite", "plane"):
                print(f"  {strategy:9}  {kind:9}  {await bench.lose(kind)}", flush=True)
            if strategy == "ephemeris":
                print(f"  planned changes over {QUIET_S:g} s: {await bench.quiet()}", flush=True)


class _Bench:
    """What is done to a run that is up."""

    def __init__(self, run: CommandRun) -> None:
        self._run = run

    async def lose(self, kind: str) -> str:
        """Lose something of the path for a while; a line of the table."""
        while not (line := await self._try_to_lose(kind)):  # orbits have moved the path elsewhere meanwhile
            pass
        return line

    async def _try_to_lose(self, kind: str) -> str:
        """Empty where pings did not come by."""
        path = (await self._ping(20))[-1]["path"]
        middle = len(path) // 2
        name = path[middle]
        what = {
            "laser": ("down", "--link", f"{path[middle - 1]}-{name}"),
            "satellite": ("dark", "--node", name),
            "plane": ("dark", "--plane", name.split("s")[0]),
        }[kind]
        seen = len(self._events())
        pinging = asyncio.create_task(
            self._ping(int((FAULT_S + 4.0) / INTERVAL_S)), name="ping"
        )  # outlasts the fault
        await self._run.skyrack("fault", "add", *what, "--for", f"{FAULT_S:g}s", "--at", "1.5s")
        probes = await pinging
        lost = [probe for probe in probes if probe["measured_ms"] is None]
        if not lost:
            return ""
        outage_s = lost[-1]["t_s"] - lost[0]["t_s"] + INTERVAL_S
        unexpected = sum(probe["reason"] is None for probe in lost)
        ping = f"{outage_s * 1e3:6.0f} ms, {len(lost)} lost, {unexpected} of them unexpected"
        news = [e for e in self._events()[seen:] if e["event"] == "convergence" and e["change"] == "loss"]
        if not news:
            return f"{'-':>13}   {'-':>13}   {'-':>9}   {'-':>29}   {ping}"
        change, pairs = news[0], news[0]["pairs"]
        after = pairs["restored_after_s"]
        restored = f"{after['median'] * 1e3:.0f} ms, {after['most'] * 1e3:.0f} ms" if after["median"] else "-"
        return (
            f"{change['detected_after_s'] * 1e3:10.0f} ms   {change['last_informed_after_s'] * 1e3:10.0f} ms   "
            f"{pairs['interrupted']:9}   {restored:>29}   {ping}"
        )

    async def quiet(self) -> str:
        """Probes while nothing but the orbits changes."""
        probes = await self._ping(int(QUIET_S / INTERVAL_S))
        lost = sum(probe["measured_ms"] is None for probe in probes)
        ways = len({tuple(probe["path"]) for probe in probes})
        return f"{lost} of {len(probes)} probes lost over {ways} paths"

    async def _ping(self, count: int) -> list[dict[str, Any]]:
        out = await self._run.skyrack(
            "ping", A, B, "-c", str(count), "-i", f"{INTERVAL_S * 1e3:g}ms", "-o", "json"
        )
        probes: list[dict[str, Any]] = json.loads(out)["probes"]
        return probes

    def _events(self) -> list[dict[str, Any]]:
        path = self._run.runs / "latest" / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]
