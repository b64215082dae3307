"""How long the end of a node that was killed is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from skyrack.orchestrator.runtime.hands.hands import CannotError

END_S = 60.0  # the kernel kills a PID namespace within milliseconds, where the host lets it


async def within(gone: Coroutine[Any, Any, None]) -> None:
    """Wait for END_S at most. Raises CannotError."""
    try:
        async with asyncio.timeout(END_S):
            await gone
    except TimeoutError:
        raise CannotError(f"killed, but not gone within {END_S:g} s") from None
