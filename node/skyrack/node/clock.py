"""The only place of the node that reads time or waits for it to pass."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time as the node sees it."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC of the host, the same in all its namespaces."""
        ...

    def utc_now(self) -> datetime:
        """Wall clock, for logs and start times only."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait."""
        ...


class RealClock:
    """The host's clocks."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def utc_now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
