"""What a link carries at the moment."""

from __future__ import annotations

from typing import Any, Protocol

from skyrack.orchestrator.clock import Clock

LOOK_S = 0.5


class Counting(Protocol):
    """The part of a fabric that counts."""

    async def counters(self, *, links: bool = False) -> dict[str, Any]:
        """Cumulative, with the run time they are of. Raises ConnectionError, TimeoutError."""


async def carried_bps(
    fabric: Counting | None, clock: Clock, pair: int | None, byte_scale: int
) -> list[float] | None:
    """Emulated bit/s of both directions of a numbered pair over LOOK_S from now; None where nothing is counted."""
    if fabric is None or pair is None:
        return None
    try:
        before = await fabric.counters(links=True)
        await clock.sleep(LOOK_S)
        after = await fabric.counters(links=True)
    except (ConnectionError, TimeoutError):
        return None
    span_s = after["run_s"] - before["run_s"]
    sides = slice(2 * pair, 2 * pair + 2)
    sizes = [
        now - was
        for was, now in zip(before["links"]["bytes"][sides], after["links"]["bytes"][sides], strict=True)
    ]
    # A counter that fell belongs to a link that was made anew.
    return None if span_s <= 0.0 or min(sizes) < 0 else [size * byte_scale * 8.0 / span_s for size in sizes]
