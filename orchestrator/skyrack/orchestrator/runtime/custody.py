"""Custody: brings a bundle, a declared transfer without a way now, over contacts that are still to come.

way by contacts --> wait at the store --> send over the first leg --> stored there: the next leg is the first ...
   ^                  |                      |
   '-- other failures '-- and room there?    '-- contact missed: all of it is still where it was

The way is looked for anew from where the bundle is, whenever what it was planned for is no longer so.
A store is the memory of a node's process: it outlasts dark lasers and ends with the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.fabric.quantum import BEST_EFFORT
from skyrack.orchestrator.routing.bundle_route import NoBundleRouteError
from skyrack.orchestrator.routing.contacts import Busy, Leg
from skyrack.orchestrator.runtime.stores import Stores
from skyrack.orchestrator.timeline import Piece
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures

LEAD_S = 0.02  # how long before a contact opens the fabric is told to send
LOOK_S = 0.2  # how often what waits asks whether something else has failed
RETRY_S = 5.0  # until a way is looked for again where there is none any more
GRACE_S = 1.0  # nothing has arrived for so long and there is no way: the contact is missed


class BundleLostError(Exception):
    """The node that had it in custody has ended; says which."""


class BundleExpiredError(Exception):
    """It was under way for as long as a bundle may be; says where it was."""


class Planner(Protocol):
    """As runtime/bundle_planner.py."""

    @property
    def horizon_s(self) -> float:
        """How far ahead, run seconds."""

    async def find(
        self,
        src: int,
        dst: int,
        now_s: float,
        until_s: float,
        size_bytes: int,
        failures: Failures,
        stores: Callable[[int], bool],
        busy: Iterable[Busy],
    ) -> tuple[Leg, ...]:
        """The legs by which a bundle arrives first. Raises NoBundleRouteError."""


class Crossing(Protocol):
    """What is told of a leg under way, about every 0.1 s of run time and once it is done."""

    @property
    def state(self) -> str:
        """`done` or something else."""

    @property
    def delivered_bytes(self) -> int:
        """What has arrived."""

    @property
    def resent_bytes(self) -> int:
        """What was lost on the way and sent again."""

    @property
    def at_s(self) -> float:
        """When."""


@dataclass(eq=False)
class Bundle:
    """`here` has all of it; `legs` are what is to come, none where no way is known. `passed`: stores until now."""

    number: int
    size_bytes: int
    src: int
    dst: int
    traffic_class: int
    expires_s: float
    here: int
    passed: tuple[int, ...]
    legs: tuple[Leg, ...] = ()
    # What was known to have failed, and of the clock, when `legs` were looked for.
    planned_for: tuple[Failures, tuple[Piece, ...]] = (NO_FAILURES, ())
    crossing: Crossing | None = None
    at_s: float = 0.0  # when it came to `here`
    resent_bytes: int = 0
    lost: bool = False

    @property
    def stations(self) -> tuple[int, ...]:
        """Source, the stores on the way, past and to come, and the destination."""
        ahead = tuple(leg.dst for leg in self.legs) or (self.dst,)
        return (*self.passed, *ahead) if self.here != self.dst else self.passed


class Custodian:
    """`send(at_s, src, dst, size_bytes, traffic_class)` is a transfer over a way there is; ending its iteration cancels it.

    Where it ends without being done, the leg is over. `joined`: whether a way leads from one node to another now, as far as
    is known. `failures`: what is known to have failed. `pieces`: of the timeline. `tell(event, bundle, fields)` hears what
    happens. Nodes are indices, times run seconds.
    """

    def __init__(
        self,
        clock: Clock,
        planner: Planner,
        stores: Stores,
        send: Callable[[float, int, int, int, int], AsyncGenerator[Crossing, None]],
        joined: Callable[[int, int], bool],
        failures: Callable[[], Failures],
        tell: Callable[[str, Bundle, dict[str, object]], None],
        pieces: Callable[[], tuple[Piece, ...]] = tuple,
    ) -> None:
        self._clock = clock
        self._planner = planner
        self._send = send
        self._joined = joined
        self._failures = failures
        self._tell = tell
        self._pieces = pieces
        self._bundles: set[Bundle] = set()
        self._planning = asyncio.Lock()  # each bundle sees what the ones before it have booked
        self.stores = stores

    def ended(self, node: int) -> None:
        """The node's process has ended, and with it what was stored there."""
        for bundle in self._bundles:
            if bundle.here == node:
                bundle.lost = True

    async def carry(
        self, number: int, src: int, dst: int, size_bytes: int, traffic_class: int = BEST_EFFORT
    ) -> AsyncGenerator[Bundle, None]:
        """Bring a bundle to `dst`; gives it, the same each time, whenever something is new, at last when it is there.

        To end the iteration is to give up, and not to go on with it is to hold the bundle up. Raises NoBundleRouteError
        before anything was given, BundleLostError, BundleExpiredError, and what `send` raises.
        """
        now_s = self._clock.run_s()
        expires_s = now_s + self._planner.horizon_s
        bundle = Bundle(number, size_bytes, src, dst, traffic_class, expires_s, src, (src,))
        if not self.stores.take(src, size_bytes):
            used, limit = self.stores.used_bytes.get(src, 0), self.stores.limit_bytes
            raise NoBundleRouteError(f"its own store has {used} of {limit} bytes in custody", (src,))
        self._bundles.add(bundle)
        try:
            await self._plan(bundle, "no way now")
            while bundle.here != dst:
                yield bundle
                async with aclosing(self._step(bundle)) as news:
                    async for _ in news:
                        yield bundle
            yield bundle
        finally:
            self._bundles.discard(bundle)
            if bundle.here != dst:
                self.stores.release(bundle.here, size_bytes)

    async def _step(self, bundle: Bundle) -> AsyncGenerator[None, None]:
        """Wait for the first leg and cross it; afterwards the bundle has new legs, wherever it is then."""
        if not bundle.legs:
            await self._wait(bundle, min(self._clock.run_s() + RETRY_S, bundle.expires_s))
            await self._plan_again(bundle, "no way known before")
            return
        leg = bundle.legs[0]
        if not await self._wait(bundle, leg.departs_s - LEAD_S):
            turned = self._pieces() != bundle.planned_for[1]
            await self._plan_again(bundle, "the clock was changed" if turned else "something else has failed")
            return
        onward = leg.dst != bundle.dst
        if onward and not self.stores.take(leg.dst, bundle.size_bytes):
            await self._plan_again(bundle, "no room in the next store")
            return
        try:
            async with aclosing(self._cross(bundle, leg)) as news:
                async for _ in news:
                    yield
        finally:
            done, bundle.crossing = bundle.crossing, None
            crossed = done is not None and done.state == "done"
            if onward and not crossed:
                self.stores.release(leg.dst, bundle.size_bytes)
        sent_bytes = done.delivered_bytes if done is not None else 0
        bundle.resent_bytes += done.resent_bytes if done is not None else 0
        if done is None or not crossed:
            bundle.resent_bytes += sent_bytes
            self._tell("contact_missed", bundle, {"sent_in_vain_bytes": sent_bytes})
            await self._plan_again(bundle, "contact missed")
            return
        self.stores.release(bundle.here, bundle.size_bytes)
        bundle.here, bundle.at_s = leg.dst, done.at_s
        bundle.passed, bundle.legs = (*bundle.passed, leg.dst), bundle.legs[1:]
        if onward:
            self._tell("bundle_stored", bundle, {})
            if self._clock.run_s() > bundle.legs[0].departs_s:
                await self._plan_again(bundle, "stored late")

    async def _wait(self, bundle: Bundle, until_s: float) -> bool:
        """Sleep until then; False as soon as what is known to have failed, or the clock, is not what was planned for."""
        self._require_there(bundle)
        while (left_s := until_s - self._clock.run_s()) > 0.0:
            if (self._failures(), self._pieces()) != bundle.planned_for:
                return False
            await self._clock.sleep(min(left_s, LOOK_S))
            self._require_there(bundle)
        return True

    async def _cross(self, bundle: Bundle, leg: Leg) -> AsyncGenerator[None, None]:
        """Send it over a leg; ends when it is there, or when nothing comes any more and there is no way."""
        grown_s, grown_bytes = self._clock.run_s(), 0
        sent = self._send(leg.departs_s, leg.src, leg.dst, bundle.size_bytes, bundle.traffic_class)
        async with aclosing(sent) as news:
            async for crossing in news:
                self._require_there(bundle)
                bundle.crossing, now_s = crossing, self._clock.run_s()
                if crossing.state == "done":
                    return
                if crossing.delivered_bytes > grown_bytes:
                    grown_s, grown_bytes = now_s, crossing.delivered_bytes
                if now_s > grown_s + GRACE_S and not self._joined(leg.src, leg.dst):
                    return
                yield
        # No fabric: the next attempt is not at once.
        await self._clock.sleep(grown_s + GRACE_S - self._clock.run_s())

    async def _plan_again(self, bundle: Bundle, why: str) -> None:
        self._require_there(bundle)
        try:
            await self._plan(bundle, why)
        except NoBundleRouteError as error:
            if bundle.legs:
                self._tell("bundle_stranded", bundle, {"why": str(error)})
            bundle.legs = ()

    async def way(self, src: int, dst: int, size_bytes: int) -> tuple[Leg, ...]:
        """How a bundle would go that is asked for now. Raises NoBundleRouteError."""
        now_s = self._clock.run_s()
        expires_s = now_s + self._planner.horizon_s
        return await self._legs(Bundle(0, size_bytes, src, dst, BEST_EFFORT, expires_s, src, (src,)))

    async def _plan(self, bundle: Bundle, why: str) -> None:
        async with self._planning:
            bundle.planned_for = self._failures(), self._pieces()
            bundle.legs = await self._legs(bundle)
        self._tell("bundle_routed", bundle, {"why": why})

    async def _legs(self, bundle: Bundle) -> tuple[Leg, ...]:
        others = [
            Busy(leg.src, leg.dst, leg.departs_s, leg.sent_s)
            for b in self._bundles
            if b is not bundle
            for leg in b.legs
        ]
        return await self._planner.find(
            bundle.here,
            bundle.dst,
            self._clock.run_s(),
            bundle.expires_s,
            bundle.size_bytes,
            self._failures(),
            lambda node: node == bundle.here or self.stores.has_room(node, bundle.size_bytes),
            others,
        )

    def _require_there(self, bundle: Bundle) -> None:
        if bundle.lost:
            raise BundleLostError(bundle.here)
        if not bundle.legs and self._clock.run_s() >= bundle.expires_s:
            raise BundleExpiredError(bundle.here)
