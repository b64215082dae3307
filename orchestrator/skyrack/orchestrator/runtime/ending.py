"""The end of a process that was asked to end."""

from __future__ import annotations

import asyncio
import contextlib


async def ended(process: asyncio.subprocess.Process, patience_s: float) -> int:
    """Wait for it, and kill what has not followed after `patience_s`; the exit status, negative for a signal."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            return await process.wait()
    process.kill()
    return await process.wait()
