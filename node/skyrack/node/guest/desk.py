"""What guests may ask a node, answered from what it holds; never waits, but for alerts."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import math
import string
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.fabric_link import FabricLink
from skyrack.node.guest.alerts import AlertWatch, View
from skyrack.node.knowledge import Knowledge
from skyrack.node.position import OutsideEphemerisError, geodetic
from skyrack.node.version import VERSION
from skyrack.v1 import guest_pb2, node_pb2
from skyrack.v1.kinds import NODE_KINDS

if TYPE_CHECKING:
    from skyrack.node.flight.pilot import Pilot

MOST_WATCHERS = 64
MOST_W = 1e9  # of a declared load
LONGEST_WORD = 63
_WORD = frozenset(string.ascii_letters + string.digits + "-_.")
LAST_WORDS_S = 0.5  # for the last alert of a node that ends
LAST_LOOKS = 25  # within these; after each the loop has gone round, however late a busy host is
# Timers of a loop may fire a little early; then there is nothing to tell yet, and another look is due.
SHORTEST_WAIT_S = 0.001


class Lack(enum.Enum):
    """Why there is no answer."""

    NOT_YET = "not yet"
    TOO_OLD = "too old"
    TOO_MANY = "too many"
    NOT_HERE = "not here"
    ODD = "odd"


class Unanswerable(Exception):
    """There is no answer now. The text is for the guest; `hint` says what to do."""

    def __init__(self, lack: Lack, text: str, hint: str) -> None:
        super().__init__(text)
        self.lack = lack
        self.hint = hint


class GuestDesk:
    """`wake` is to be called when something of what it reads has changed."""

    def __init__(self, config: NodeConfig, clock: Clock, fabric: FabricLink, control: ControlLink) -> None:
        self._config = config
        self._clock = clock
        self._fabric = fabric
        self._control = control
        self._stopping = False
        self._watchers: set[asyncio.Event] = set()
        self._start_time = _timestamp_now(clock)
        self.pilot: Pilot | None = None  # where there is flight software

    def identity(self) -> guest_pb2.GetIdentityResponse:
        """Which node this is."""
        return guest_pb2.GetIdentityResponse(
            name=self._config.name,
            kind=NODE_KINDS[self._config.kind],
            index=self._config.index,
            run=self._config.run,
            address=self._config.address,
            network=self._config.network,
            mtu_bytes=self._config.mtu,
            version=VERSION,
            start_time=self._start_time,
            attached=self._fabric.attached,
            joined=self._control.joined,
        )

    def clock(self) -> guest_pb2.GetClockResponse:
        """What time it is. Raises Unanswerable."""
        knowledge, now_ns = self._knowledge(), self._clock.monotonic_ns()
        t_s = knowledge.t_s(now_ns)
        return guest_pb2.GetClockResponse(
            t_s=t_s,
            time=_utc(knowledge, t_s),
            start=knowledge.clock.start,
            speed=knowledge.speed,
            t0_monotonic_ns=knowledge.clock.t0_monotonic_ns,
            since_run_s=knowledge.clock.since_run_s,
            since_t_s=knowledge.clock.since_t_s,
            monotonic_ns=now_ns,
            host_time=_timestamp_now(self._clock),
        )

    def peers(self) -> guest_pb2.ListPeersResponse:
        """Who else is there. Raises Unanswerable."""
        knowledge = self._knowledge()
        dark = (
            {peer.name for peer in knowledge.neighbours} if not self._fabric.attached else self._control.lost
        )
        return guest_pb2.ListPeersResponse(
            epoch=knowledge.epoch,
            peers=[peer for peer in self._control.peers if peer.name != self._config.name],
            neighbours=[peer for peer in knowledge.neighbours if peer.name not in dark],
            lost=sorted(peer.name for peer in knowledge.neighbours if peer.name in dark),
        )

    def forecast(self) -> guest_pb2.GuestServiceGetForecastResponse:
        """What is ahead. Raises Unanswerable."""
        knowledge = self._knowledge()
        t_s = knowledge.t_s(self._clock.monotonic_ns())
        return guest_pb2.GuestServiceGetForecastResponse(
            t_s=t_s,
            contacts=knowledge.contacts(t_s),
            contacts_until_t_s=knowledge.contacts_until_t_s,
            shadow=knowledge.shadow(t_s),
            anomaly=knowledge.anomaly(t_s),
            gateways=knowledge.gateways(t_s),
        )

    def environment(self) -> guest_pb2.GetEnvironmentResponse:
        """Where the node is, and what surrounds it. Raises Unanswerable."""
        knowledge = self._knowledge()
        t_s = knowledge.t_s(self._clock.monotonic_ns())
        try:
            position_km, velocity_km_s = knowledge.at(t_s)
        except OutsideEphemerisError as error:
            hint = (
                "the orchestrator has not been heard of for a while; /v1/identity says whether it is joined"
            )
            raise Unanswerable(Lack.TOO_OLD, str(error), hint) from error
        lat_deg, lon_deg, altitude_km = geodetic(position_km)
        in_shadow, around = knowledge.in_shadow(t_s), knowledge.surroundings
        return guest_pb2.GetEnvironmentResponse(
            t_s=t_s,
            time=_utc(knowledge, t_s),
            lat_deg=lat_deg,
            lon_deg=lon_deg,
            altitude_km=altitude_km,
            position_km=node_pb2.Vector(x=position_km[0], y=position_km[1], z=position_km[2]),
            velocity_km_s=node_pb2.Vector(x=velocity_km_s[0], y=velocity_km_s[1], z=velocity_km_s[2]),
            sunlit=None if in_shadow is None else not in_shadow,
            weather=knowledge.weather,
            in_anomaly=knowledge.in_anomaly(t_s),
            beta_deg=None if around is None else around.beta_deg,
            country=None if around is None else around.country,
        )

    def flight(self) -> guest_pb2.GetFlightResponse:
        """Power, heat and mode. Raises Unanswerable."""
        answer = self._pilot().flight()
        if answer is None:
            text = "the flight software has decided nothing yet"
            raise Unanswerable(Lack.NOT_YET, text, "it does within a second of a node's start; try again")
        return answer

    def declare_load(self, request: guest_pb2.DeclareLoadRequest) -> guest_pb2.DeclareLoadResponse:
        """Count a load. Raises Unanswerable."""
        pilot = self._pilot()
        if not request.name or not set(request.name) <= _WORD or len(request.name) > LONGEST_WORD:
            text = f"name: {request.name!r}, expected a word of letters, digits, '-', '_' and '.'"
            raise Unanswerable(
                Lack.ODD, text, "a name that is declared again replaces what was declared before"
            )
        if not 0.0 <= request.power_w <= MOST_W:
            raise Unanswerable(
                Lack.ODD, f"power_w: {request.power_w:g}, expected 0 to {MOST_W:g} W", "0 ends it"
            )
        for_s = request.for_s if request.HasField("for_s") else None
        if for_s is not None and not 0.0 < for_s < math.inf:
            raise Unanswerable(
                Lack.ODD, f"for_s: {for_s:g}, expected more than 0 s", "without it until told otherwise"
            )
        return guest_pb2.DeclareLoadResponse(
            granted_ratio=pilot.declare(request.name, request.power_w, for_s)
        )

    def _pilot(self) -> Pilot:
        if self.pilot is None:
            text = f"{self._config.name} has no flight software: nobody counts its power and heat"
            hint = "satellites have it where the scenario has `power: {}`"
            raise Unanswerable(Lack.NOT_HERE, text, hint)
        return self.pilot

    def require_room(self) -> None:
        """Raise Unanswerable where nobody else can watch."""
        if len(self._watchers) >= MOST_WATCHERS:
            text = f"{MOST_WATCHERS} watch already"
            raise Unanswerable(Lack.TOO_MANY, text, "share one stream among the programs of a node")

    @contextlib.contextmanager
    def watching(self, idle_s: float) -> Iterator[AsyncIterator[guest_pb2.Alert | None]]:
        """What happens from the call on, until the node stops; None where nothing did for `idle_s`. Raises Unanswerable."""
        self.require_room()
        woken = asyncio.Event()
        self._watchers.add(woken)
        try:
            yield self._alerts(AlertWatch(self._view()), woken, idle_s)
        finally:
            self._watchers.discard(woken)

    async def _alerts(
        self, watch: AlertWatch, woken: asyncio.Event, idle_s: float
    ) -> AsyncIterator[guest_pb2.Alert | None]:
        while True:
            woken.clear()
            view, now_ns = self._view(), self._clock.monotonic_ns()
            for alert in watch.look(view, now_ns):
                yield alert
            if view.stopping:
                return
            wait_s = max(SHORTEST_WAIT_S, watch.wait_s(now_ns))
            try:
                async with asyncio.timeout(min(idle_s, wait_s)):
                    await woken.wait()
            except TimeoutError:
                if wait_s >= idle_s:
                    yield None

    def wake(self) -> None:
        """Something has changed."""
        for woken in self._watchers:
            woken.set()

    async def farewell(self) -> None:
        """The node was asked to end: who watches is told so last, and may take a moment to hear it."""
        self._stopping = True
        self.wake()
        for _ in range(LAST_LOOKS):
            if not self._watchers:
                return
            await self._clock.sleep(LAST_WORDS_S / LAST_LOOKS)

    def _view(self) -> View:
        control = self._control
        pilot = self.pilot
        flight = pilot.state() if pilot is not None and pilot.readings is not None else None
        return View(
            control.knowledge, control.lost, control.joined, self._fabric.attached, self._stopping, flight
        )

    def _knowledge(self) -> Knowledge:
        if self._control.knowledge is None:
            text = "no word from the orchestrator yet"
            raise Unanswerable(Lack.NOT_YET, text, "it comes within a second of a node's start; try again")
        return self._control.knowledge


def _utc(knowledge: Knowledge, t_s: float) -> Timestamp:
    time = Timestamp()
    time.FromNanoseconds(knowledge.utc_ns(t_s))
    return time


def _timestamp_now(clock: Clock) -> Timestamp:
    time = Timestamp()
    time.FromDatetime(clock.utc_now())
    return time
