"""CPU per packet of the engine alone, in virtual time, against the least a heap of events can cost."""

from __future__ import annotations

import gc
import struct
import time
from array import array
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush

from skyrack.orchestrator.fabric.classes import Classes, SharedLink
from skyrack.orchestrator.fabric.engine import NO_LINK, Engine
from skyrack.orchestrator.fabric.link import Link

HOPS = (1, 5, 10)
PACKETS = 60_000
REPEATS = 3
INTERVAL_S = 1e-5
DELAY_S = 0.002
SEGMENTS = 45
BASE = 0x64400001
FAST_S_PER_BYTE = 8e-11
SLOW_S_PER_BYTE = 1.05 * INTERVAL_S / 1428
CLASSES = Classes.of("weighted", 0.5, [10])


async def main() -> None:
    """The engine alone: CPU per packet, without system calls."""
    floor_us = {hops: _best_us(partial(_heap, hops)) for hops in HOPS}
    print("  hops  packets/s  us/packet   us/hop   heap alone us   ratio")
    for hops in HOPS:
        one_us = _best_us(partial(_engine, hops, _packet(hops)))
        print(
            f"  {hops:4} {1e6 / one_us:10,.0f} {one_us:10.2f} {one_us / hops:8.2f}"
            f" {floor_us[hops]:15.2f} {one_us / floor_us[hops]:7.1f}"
        )
    train_us = _best_us(partial(_engine, 5, _train(5)))
    print(
        f"  trains of {SEGMENTS} segments over 5 hops: {train_us:.2f} us each, {SEGMENTS * 1e6 / train_us:,.0f} segments/s"
    )
    for words, s_per_byte in (
        ("nothing waits", FAST_S_PER_BYTE),
        ("all wait at the first link", SLOW_S_PER_BYTE),
    ):
        plain_us, shared_us = (
            _best_us(partial(_engine, 5, _packet(5), s_per_byte, classes)) for classes in (None, CLASSES)
        )
        print(f"  links with classes, 5 hops, {words}: {shared_us:.2f} us/packet, without {plain_us:.2f}")


def _best_us(work: Callable[[], float]) -> float:
    return min(work() for _ in range(REPEATS))


def _engine(
    hops: int, data: bytes, s_per_byte: float = FAST_S_PER_BYTE, classes: Classes | None = None
) -> float:
    engine = _row(hops, s_per_byte, classes)
    gc.collect()
    gc.disable()
    try:
        begun = time.process_time()
        now = 0.0
        for _ in range(PACKETS):
            now += INTERVAL_S
            engine.ingress(now, 0, data)
            engine.advance(now)
            while engine.deliveries and engine.deliveries[0][0] <= now:
                heappop(engine.deliveries)
        return (time.process_time() - begun) / PACKETS * 1e6
    finally:
        gc.enable()


def _heap(hops: int) -> float:
    """The same number of events in flight, popped and pushed, and nothing else."""
    events: list[tuple[float, int, int]] = []
    begun = time.process_time()
    now, sequence = 0.0, 0
    for _ in range(PACKETS):
        now += INTERVAL_S
        heappush(events, (now, sequence, 0))
        while events and events[0][0] <= now:
            t, _, hop = heappop(events)
            sequence += 1
            if hop < hops:
                heappush(events, (t + DELAY_S, sequence, hop + 1))
    return (time.process_time() - begun) / PACKETS * 1e6


def _row(hops: int, s_per_byte: float, classes: Classes | None) -> Engine:
    n = hops + 1
    rows = [0, *([-1] * (n - 2)), 1]
    engine = Engine(n, BASE, [row >= 0 for row in rows], rows)
    engine.lit = bytearray(b"\1" * n)
    routes = array("I", [NO_LINK] * (2 * n))
    for i in range(hops):
        for ends in ((i, i + 1), (i + 1, i)):
            engine.links.append(
                SharedLink(*ends, s_per_byte, 1.0, classes=classes)
                if classes
                else Link(*ends, s_per_byte, 1.0)
            )
        routes[n + i], routes[i + 1] = 2 * i, 2 * i + 1
    engine.follow(memoryview(routes))
    engine.delay_s = memoryview(array("d", [DELAY_S] * (2 * hops)))
    engine.slope = memoryview(array("d", [0.0] * (2 * hops)))
    return engine


def _packet(hops: int, size: int = 1428) -> bytes:
    ends = BASE.to_bytes(4, "big"), (BASE + hops).to_bytes(4, "big")
    return bytes(10) + struct.pack("!BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 255, 17, 0, *ends) + bytes(size - 20)


def _train(hops: int) -> bytes:
    payload = SEGMENTS * 1448
    ends = BASE.to_bytes(4, "big"), (BASE + hops).to_bytes(4, "big")
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, payload + 52, 0, 0, 255, 6, 0, *ends)
    tcp = bytes(12) + b"\x80" + bytes(19)
    return struct.pack("=BBHHHH", 1, 1, 52, 1448, 20, 16) + ip + tcp + bytes(payload)
