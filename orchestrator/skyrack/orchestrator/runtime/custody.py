"""Custody: brings a declared transfer over contacts that are still to come, from store to store.

carry --> contacts now --> first leg of the earliest way --> wait --> send --> it is stored there --> contacts now ...

Each leg is one declared transfer between two nodes that are in contact. The way is looked for anew at every store, so what
has failed meanwhile is gone around; a leg that fails leaves the whole where it was.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.routing.strategies.contact_graph import Contact, earliest_legs

RETRY_S = 1.0
MOST_FAILURES = 10  # of legs in a row


class LegFailedError(Exception):
    """A leg did not bring everything to its end; says why."""


class NoContactsError(Exception):
    """No contacts within the horizon lead there, or legs keep failing."""


@dataclass(frozen=True, slots=True)
class Custody:
    """Where the bytes are: `node` has them all and waits until `departs_s`, or is the destination.

    `arrives_s`: when they are expected at the destination, run seconds.
    """

    state: Literal["waiting", "delivered"]
    node: int
    departs_s: float
    arrives_s: float


class Custodian:
    """`contacts(run_s)`: contacts from then on, in run seconds. `send(src, dst, size_bytes)` returns once all of it has
    arrived, raises LegFailedError. Nodes are indices.
    """

    def __init__(
        self,
        clock: Clock,
        contacts: Callable[[float], Awaitable[Sequence[Contact]]],
        send: Callable[[int, int, int], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._contacts = contacts
        self._send = send

    async def carry(self, src: int, dst: int, size_bytes: int) -> AsyncGenerator[Custody, None]:
        """Bring `size_bytes` from `src` to `dst`; gives each store on the way. Raises NoContactsError.

        To end the iteration is to give up; a leg under way is cancelled with it.
        """
        here, failures = src, 0
        while here != dst:
            now_s = self._clock.run_s()
            legs = earliest_legs(await self._contacts(now_s), here, dst, now_s, size_bytes)
            if legs is None:
                raise NoContactsError("no contacts within the horizon lead there")
            yield Custody("waiting", here, legs[0].departs_s, legs[-1].arrives_s)
            await self._clock.sleep(max(0.0, legs[0].departs_s - self._clock.run_s()))
            try:
                await self._send(here, legs[0].dst, size_bytes)
            except LegFailedError as error:
                failures += 1
                if failures >= MOST_FAILURES:
                    raise NoContactsError(
                        f"{failures} attempts in a row failed, the last one: {error}"
                    ) from error
                await self._clock.sleep(RETRY_S)
                continue
            here, failures = legs[0].dst, 0
        now_s = self._clock.run_s()
        yield Custody("delivered", dst, now_s, now_s)


def in_run_time(contacts: Sequence[Contact], speed: float) -> list[Contact]:
    """Contacts of orbit time in run time; delays and rates are never scaled."""
    return [Contact(c.src, c.dst, c.t0_s / speed, c.t1_s / speed, c.delay_s, c.rate_bps) for c in contacts]
