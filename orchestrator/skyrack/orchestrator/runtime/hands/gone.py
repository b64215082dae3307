"""How long the end of a node that was killed is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from skyrack.orchestrator.runtime.hands.hands import CannotError

END_S = 5.0  # the kernel kills a PID namespace within milliseconds, where it can


async def within(gone: Coroutine[Any, Any, None]) -> None:
    """Wait for END_S at most. Raises CannotError."""
    try:
        await asyncio.wait_for(gone, END_S)
    except TimeoutError:
        raise CannotError(f"killed, but not gone within {END_S:g} s") from None
