"""The one place of the orchestrator that reads time or waits for it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Run time and wall time. A fake one makes every schedule testable without waiting."""

    def run_s(self) -> float:
        """Real seconds since the start of the run."""

    def utc(self) -> datetime:
        """Wall clock, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""


class RealClock:
    """CLOCK_MONOTONIC since `t0_monotonic_ns`, which every process of the host shares whatever its namespaces."""

    def __init__(self, t0_monotonic_ns: int | None = None) -> None:
        self.t0_monotonic_ns = time.monotonic_ns() if t0_monotonic_ns is None else t0_monotonic_ns

    def run_s(self) -> float:
        """Real seconds since the start of the run."""
        return (time.monotonic_ns() - self.t0_monotonic_ns) / 1e9

    def utc(self) -> datetime:
        """Wall clock, UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(max(0.0, seconds))


async def sleep_unless(event: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait in real time, or until the event."""
    sleeping = asyncio.ensure_future(clock.sleep(seconds))
    waking = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        if sleeping.done():
            sleeping.result()
    finally:
        for task in (sleeping, waking):
            task.cancel()
