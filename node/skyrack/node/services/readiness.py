"""When a service is ready, from what its probe finds: try after try, never two at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from skyrack.node.clock import Clock
from skyrack.node.services.probes import NotReadyError, Try

FIRST_PERIOD_S = 0.1
DEFAULT_PERIOD_S = DEFAULT_TIMEOUT_S = 1.0
SHORTEST_S = 0.05
MISSES = 3


async def readiness(trial: Try, period_s: float, timeout_s: float, clock: Clock) -> AsyncIterator[str]:
    """Why the service is not ready, empty when it is: each time that this changes, for ever.

    Until it is ready for the first time the wait between two tries grows from FIRST_PERIOD_S to `period_s`; after that it
    is `period_s`, and MISSES tries in a row have to fail before it is not ready any more.
    """
    period_s = max(period_s or DEFAULT_PERIOD_S, SHORTEST_S)
    timeout_s = max(timeout_s or DEFAULT_TIMEOUT_S, SHORTEST_S)
    wait_s, misses, said = min(FIRST_PERIOD_S, period_s), MISSES, None
    while True:
        try:
            async with asyncio.timeout(timeout_s):
                await trial()
            found, misses, wait_s = "", 0, period_s
        except TimeoutError:
            found, misses = f"no answer within {timeout_s:g} s", misses + 1
        except NotReadyError as error:
            found, misses = str(error), misses + 1
        if found != said and (not found or misses >= MISSES):
            said = found
            yield found
        await clock.sleep(wait_s)
        wait_s = min(2 * wait_s, period_s)
