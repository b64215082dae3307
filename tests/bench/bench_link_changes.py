"""A thousand links of Starlink's first shell changed within a second, by API: when each change holds, what waits meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from .command_run import CommandRun, command_run

SCENARIO = "version: 1\nname: bench\nextends: starlink-shell1\n"
PLANES, SLOTS = 72, 22
LINKS = [
    f"p{plane}s{slot:02d}-p{plane}s{(slot + 1) % SLOTS:02d}"
    for plane in range(PLANES)
    for slot in range(SLOTS)
][:1000]
EXTRA_S = 0.001
WATCHED_S = 4.0  # pings every 2 ms, so that there are deliveries to be late
CONNECTIONS = 32


@dataclass(frozen=True)
class Answered:
    """One request: until its changes hold, until its answer came, and directions that the fabric has otherwise."""

    holds_s: float
    answered_s: float
    directions: int
    wrong: int


async def main() -> None:
    """starlink-shell1, 20 inhabited: 1,000 links get another delay within a second."""
    async with command_run(SCENARIO) as run:
        await run.up()
        await _changes(run)


async def _changes(run: CommandRun) -> None:
    async with _api(run) as (api, t0_ns):
        print(
            "  requests           holds after (median, most)   answered after   as the fabric has it   "
            "last holds   lateness p50, p99, most     ping: worst error"
        )
        await _watched(run, api, t0_ns, "none", [], 0.0)
        for size in (1000, 100, 10, 1):
            parts = [LINKS[first : first + size] for first in range(0, len(LINKS), size)]
            name = f"{len(parts)} x {size}"
            await _watched(run, api, t0_ns, name, parts, 1.0 / len(parts))
            await _ask(api, "DELETE", "/v1/faults")


async def _watched(
    run: CommandRun,
    api: aiohttp.ClientSession,
    t0_ns: int,
    name: str,
    parts: list[list[str]],
    every_s: float,
) -> None:
    """Change the links part by part, one each `every_s`, under pings; a line of the table."""
    count = int(WATCHED_S / 0.002)
    arguments = ("ping", "london", "new-york", "-c", str(count), "-i", "2ms", "-o", "json")
    pinging = asyncio.create_task(run.skyrack(*arguments), name="ping")
    await asyncio.sleep(1.5)  # until the command has started
    before = (await _ask(api, "GET", "/v1/fabric"))["lateness"]
    begun_s = time.monotonic()
    answers: list[Answered] = []
    async with asyncio.TaskGroup() as tasks:
        changing = []
        for i, links in enumerate(parts):
            await asyncio.sleep(begun_s + i * every_s - time.monotonic())
            changing.append(tasks.create_task(_change(api, t0_ns, links), name=f"change {i}"))
        if not parts:
            await asyncio.sleep(1.0)
    answers = [task.result() for task in changing]
    last_s = max((task.result().holds_s + i * every_s for i, task in enumerate(changing)), default=0.0)
    after = (await _ask(api, "GET", "/v1/fabric"))["lateness"]
    probes = json.loads(await pinging)["probes"]
    errors_ms = [
        abs(p["measured_ms"] - p["computed_ms"])
        for p in probes
        if p["measured_ms"] is not None and p["computed_ms"] is not None and p["reason"] is None
    ]
    late = ", ".join(_quantile(before, after, q) for q in (0.5, 0.99, 1.0))
    if answers:
        holds = sorted(a.holds_s for a in answers)
        answered = sorted(a.answered_s for a in answers)
        directions, wrong = sum(a.directions for a in answers), sum(a.wrong for a in answers)
        middle = len(answers) // 2
        told = (
            f"{holds[middle] * 1e3:8.1f} ms, {holds[-1] * 1e3:6.1f} ms      {answered[middle] * 1e3:8.1f} ms"
            f"   {directions - wrong:10,} of {directions:,}   {last_s:8.3f} s"
        )
    else:
        told = f"{'-':>22} {'-':>18} {'-':>24} {'-':>10}"
    print(f"  {name:12} {told}    {late}   {max(errors_ms, default=0.0):10.2f} ms", flush=True)


async def _change(api: aiohttp.ClientSession, t0_ns: int, links: list[str]) -> Answered:
    """One fault on each of the links, all in one request."""
    faults = [{"kind": "latency", "links": [link], "extra_s": EXTRA_S} for link in links]
    sent_ns = time.monotonic_ns()
    answer = await _ask(api, "POST", "/v1/faults", {"faults": faults})
    answered_ns = time.monotonic_ns()
    says = [direction["extra_s"] for fault in answer["faults"] for direction in fault["fabric"]]
    return Answered(
        answer["at_s"] - (sent_ns - t0_ns) / 1e9,
        (answered_ns - sent_ns) / 1e9,
        2 * len(links),
        2 * len(links) - sum(extra_s == EXTRA_S for extra_s in says),
    )


def _quantile(before: dict[str, Any], after: dict[str, Any], q: float) -> str:
    """An upper bound of the lateness of that share of the deliveries in between."""
    counts = [b - a for a, b in zip(before["counts"], after["counts"], strict=True)]
    seen, total = 0, sum(counts)
    for bound_s, count in zip([*after["le_s"], after["max_s"]], counts, strict=True):
        seen += count
        if seen >= q * total:
            return f"{bound_s * 1e3:.2f} ms"
    return "-"


async def _ask(api: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> Any:
    async with api.request(method, f"http://run{path}", json=body) as response:
        response.raise_for_status()
        return await response.json()


@contextlib.asynccontextmanager
async def _api(run: CommandRun) -> AsyncIterator[tuple[aiohttp.ClientSession, int]]:
    """A session with the API of a run that is up, and when the run began on the monotonic clock."""
    status = json.loads(await run.skyrack("status", "-o", "json"))
    connector = aiohttp.UnixConnector(str(Path(status["socket_dir"], "api.sock")), limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session, status["t0_monotonic_ns"]
