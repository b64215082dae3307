"""Parts of a contained run that end on request: how the run's own process leaves."""

from __future__ import annotations

import asyncio
import time

import pytest

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.fabric.wire import ENDED_ON_REQUEST
from skyrack.orchestrator.runtime.awaited_fabric import AwaitedFabric
from skyrack.orchestrator.runtime.hands import contained_parts
from skyrack.orchestrator.runtime.hands.contained_parts import ContainedParts


def stand_still(for_s: float) -> None:
    """Nobody runs, as on a host whose neighbours take the processor."""
    time.sleep(for_s)


async def test_a_host_that_stood_still_does_not_take_the_answer_along(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(contained_parts, "ANSWER_S", 0.03)
    left: list[int] = []
    gone = asyncio.Event()

    def leave(status: int) -> None:
        left.append(status)
        gone.set()

    fabrics = AwaitedFabric(tmp_path_factory.mktemp("parts") / "control.sock", print)
    (said,) = await ContainedParts(fabrics, RealClock(), leave).end("orchestrator")
    assert "ends in 0.03 s" in said
    await asyncio.sleep(0)
    stand_still(2 * 0.03)
    for _ in range(5):  # an answer goes through some hands
        await asyncio.sleep(0)
    assert left == [], "it left before its answer was out"
    await gone.wait()
    assert left == [ENDED_ON_REQUEST]
