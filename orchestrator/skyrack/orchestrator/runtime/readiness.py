"""Waiting until every node serves, and saying how far it is."""

from __future__ import annotations

import asyncio
import contextlib

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.progress import Progress

PATIENCE_S = 60.0
LOOK_S = 0.2
MOST_NAMED = 3


async def every_node_serves(book: NodeBook, clock: Clock, progress: Progress, *, for_ever: bool) -> None:
    """Return once every node in service serves. Raises RuntimeError when none more does for PATIENCE_S, unless `for_ever`."""
    changed = asyncio.Event()
    book.listen(lambda _: changed.set())
    with progress.step("nodes") as step:
        most, since_s = 0, clock.run_s()
        while waiting := [node.name for node in _in_service(book) if node.state != "serving"]:
            nodes = _in_service(book)
            serving = len(nodes) - len(waiting)
            missed = ", ".join(waiting[:MOST_NAMED]) + (", ..." if len(waiting) > MOST_NAMED else "")
            step.update(f"{serving}/{len(nodes)} serving, waiting for {missed}")
            if serving > most:
                most, since_s = serving, clock.run_s()
            if not for_ever and clock.run_s() - since_s > PATIENCE_S:
                raise RuntimeError(f"{missed}: not serving after {PATIENCE_S:g} s, and not ended either")
            changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await changed.wait()
        there, total = len(_in_service(book)), len(book.by_name)
        step.text = f"{there}/{there} serving" + (
            f", {total - there} not in service yet" if total > there else ""
        )


def _in_service(book: NodeBook) -> list[NodeState]:
    return [node for node in book.by_name.values() if not node.phase]
