"""Declared transfers against what they should take, and who gets what of a link that several want."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from skyrack.orchestrator.fabric.flows import Flow
from skyrack.orchestrator.fabric.quantum import BEST_EFFORT, COMPUTE, SEGMENT_BYTES

from ..integration.mesh_world import COMPUTE_DSCP, MeshWorld, Row, open_row
from .iperf import OMITTED_S, available, enterable, stream

LONG_S = 60.0
DELAY_S = 0.005
RATES_BPS = (1e11, 1e12)
MIX_S = 3.0
SETTLED_S = 1.0
ENDLESS = 1 << 60
TCP_RATE_BPS = 2e8
PAYLOAD, PACKET = 1448, 1500  # of a segment with timestamps
SCHEDULES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("one class", {}),
    ("weighted 0.7", {"scheduling": "weighted", "compute_share": 0.7}),
    ("strict", {"scheduling": "strict"}),
)


def said_by(events: Sequence[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """What the fabric has said of one transfer."""
    return [event for event in events if event["op"] == "transfer" and event["id"] == number]


async def main() -> None:
    """Declared transfers at 100 Gbit/s and 1 Tbit/s beside size / rate + delay, and mixes on one link."""
    print("  rate         hops  size       took s          exact s         error      ratio")
    for rate_bps in RATES_BPS:
        for hops in (1, 5):
            await _exact(rate_bps, hops, 40 * 10**9)
    print(f"  {LONG_S:g} s each, side by side: delivered - rate x time, against the quantum of 0.1 ms")
    await asyncio.gather(*(_long(rate_bps) for rate_bps in RATES_BPS))
    print(f"  mixes over {MIX_S:g} s at 100 Gbit/s: share of the link")
    for words, keys in SCHEDULES:
        await _transfers(words, keys, [BEST_EFFORT] * 2 if not keys else [COMPUTE, BEST_EFFORT])
    await _transfers("one class", {}, [BEST_EFFORT] * 3)
    await _transfers("weighted 0.7", SCHEDULES[1][1], [COMPUTE, COMPUTE, BEST_EFFORT])
    if not (available() and enterable()):
        print("  with TCP: skipped: iperf3 and nsenter are needed")
        return
    print(f"  mixes with one TCP stream over {MIX_S:g} s at {TCP_RATE_BPS / 1e6:g} Mbit/s: share of the link")
    for words, keys in SCHEDULES:
        await _beside_tcp(words, keys, "transfer")
    for words, keys in SCHEDULES:
        await _beside_tcp(words, keys, "flow")


async def _exact(rate_bps: float, hops: int, size_bytes: int) -> None:
    async with open_row(_row(rate_bps, hops=hops)) as world:
        at_s = world.now_s() + 0.01
        world.fabric.start_transfer(1, at_s, 0, hops, size_bytes, BEST_EFFORT)
        last = (await _until_done(world, 1))[-1]
    took_s, exact_s = last["at"] - at_s, size_bytes * 8 / rate_bps + hops * DELAY_S
    print(
        f"  {rate_bps / 1e9:5g} Gbit/s {hops:5}  {size_bytes / 1e9:g} GB  {took_s:14.9f}  {exact_s:14.9f}"
        f"  {(took_s - exact_s) * 1e9:7.1f} ns  {took_s / exact_s:.9f}"
    )


async def _long(rate_bps: float) -> None:
    size_bytes = round(rate_bps / 8 * LONG_S)
    async with open_row(_row(rate_bps)) as world:
        at_s = world.now_s() + 0.01
        world.fabric.start_transfer(1, at_s, 0, 1, size_bytes, BEST_EFFORT)
        said = await _until_done(world, 1)
        busy = (await world.fabric.counters())["busy_s"] / LONG_S
    errors_s = [
        (event["bytes"] * 8 / rate_bps - (event["at"] - at_s - DELAY_S), event["at"] - at_s) for event in said
    ]
    early = [error for error, at in errors_s if 1.0 < at < 11.0]
    late = [error for error, at in errors_s if LONG_S - 10.0 < at < LONG_S]
    drift_s = sum(late) / len(late) - sum(early) / len(early)
    took_s, exact_s = said[-1]["at"] - at_s, LONG_S + DELAY_S
    print(
        f"  {rate_bps / 1e9:5g} Gbit/s  {size_bytes / 1e9:g} GB: {took_s:.9f} s of {exact_s:.9f} s, "
        f"ratio {took_s / exact_s:.9f}; drift from the first to the last 10 s {drift_s * 1e6:+.1f} us; loop busy {busy:.1%}"
    )


async def _transfers(words: str, keys: dict[str, Any], classes: list[int]) -> None:
    async with open_row(_row(1e11, **keys)) as world:
        at_s = world.now_s() + 0.01
        for number, traffic_class in enumerate(classes):
            world.fabric.start_transfer(number, at_s + 0.1 * number, 0, 1, ENDLESS, traffic_class)
        await asyncio.sleep(SETTLED_S + MIX_S + 0.5)
    said = [said_by(world.events, number) for number in range(len(classes))]
    rates_bps = [_rate_bps(one, at_s + SETTLED_S) for one in said]
    names = ["compute" if traffic_class == COMPUTE else "best effort" for traffic_class in classes]
    parts = ", ".join(f"{name} {rate / 1e11:.1%}" for name, rate in zip(names, rates_bps, strict=True))
    resent = sum(one[-1]["lost"] for one in said)
    print(
        f"  {words:14} {len(classes)} transfers: {parts}; sum {sum(rates_bps) / 1e11:.2%}; sent again {resent:,} B"
    )


async def _beside_tcp(words: str, keys: dict[str, Any], other: str) -> None:
    """TCP, compute where there are classes, beside a transfer of best effort or a flow that wants all of the link."""
    row = _row(TCP_RATE_BPS, n_flows=1, **keys)
    async with open_row(row) as world:
        at_s = world.now_s() + 0.01
        if other == "flow":
            world.fabric.set_flows(at_s, [Flow(0, 1, TCP_RATE_BPS)], 2 * SEGMENT_BYTES)
        else:
            world.fabric.start_transfer(0, at_s, 0, 1, ENDLESS, BEST_EFFORT)
        options = ("-S", str(COMPUTE_DSCP << 2)) if keys else ()
        streaming = asyncio.ensure_future(stream(world, MIX_S, *options))
        await asyncio.sleep(OMITTED_S + 0.5)
        before = await world.fabric.counters(links=True)
        await asyncio.sleep(MIX_S - 1.0)
        after = await world.fabric.counters(links=True)
        got = await streaming
    span_s = after["run_s"] - before["run_s"]
    total_bps = (after["links"]["bytes"][0] - before["links"]["bytes"][0]) * 8 / span_s
    if other == "flow":
        other_bps = (after["flows"]["delivered"][0] - before["flows"]["delivered"][0]) * 8 / span_s
    else:
        other_bps = _rate_bps(said_by(world.events, 0), before["run_s"], after["run_s"])
    tcp = got.bps * PACKET / PAYLOAD / TCP_RATE_BPS
    print(
        f"  {words:14} TCP {tcp:.1%} ({got.retransmits} retransmits, {got.control}), "
        f"{other} {other_bps / TCP_RATE_BPS:.1%}; link in use {total_bps / TCP_RATE_BPS:.1%}"
    )


def _row(rate_bps: float, **keys: Any) -> Row:
    """Links with the queue of the default, 0.1 s."""
    return replace(Row(), rate_bps=rate_bps, queue_bytes=rate_bps / 80, delay_s=DELAY_S, **keys)


def _rate_bps(said: Sequence[dict[str, Any]], from_s: float, to_s: float = float("inf")) -> float:
    """Of what a transfer said between two instants."""
    between = [event for event in said if from_s <= event["at"] <= to_s]
    assert all(a["bytes"] <= b["bytes"] for a, b in pairwise(between))
    first, last = between[0], between[-1]
    return float((last["bytes"] - first["bytes"]) * 8 / (last["at"] - first["at"]))


async def _until_done(world: MeshWorld, number: int) -> list[dict[str, Any]]:
    give_up_s = time.monotonic() + 2 * LONG_S
    while time.monotonic() < give_up_s:
        said = said_by(world.events, number)
        if said and said[-1]["state"] == "done":
            return said
        await asyncio.sleep(0.05)
    raise RuntimeError(f"transfer {number} does not end")
