"""Waiting until every node serves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.orchestrator.runtime.readiness import every_node_serves


class Nowhere:
    def send(self, message: Mapping[str, Any]) -> None: ...

    def never_wait(self) -> None: ...


@pytest.mark.parametrize("turns", range(6))
async def test_who_is_told_to_stop_stops_also_when_a_node_changes_in_that_moment(
    tmp_path: Path, turns: int
) -> None:
    node = NodeState(0, "a", "satellite", "100.64.0.1", alive=True, ever_served=True)
    book = NodeBook([node], EventLog(tmp_path / "events.jsonl", RealClock()), RealClock())
    waiting = asyncio.create_task(every_node_serves(book, RealClock(), Progress(Nowhere()), for_ever=False))
    for _ in range(5):
        await asyncio.sleep(0)
    book.update(node, alive=False)
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting], timeout=0.5)
    assert waiting.cancelled()
