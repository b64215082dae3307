"""What the orchestrator says on the telemetry bus: every event, the environment of every epoch, every node's forecast."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from skyrack.orchestrator.environment.spells import CALM, InForce
from skyrack.orchestrator.environment.truth import truth_at
from skyrack.orchestrator.orbit.times import iso_utc
from skyrack.orchestrator.runtime.basis import Basis
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.v1 import control_pb2, mesh_pb2
from skyrack.v1.bus import Address, Bus, Message
from skyrack.v1.kinds import NODE_KINDS
from skyrack.v1.telemetry import (
    VERSION,
    Contact,
    Environment,
    Forecast,
    Kind,
    Stay,
    environment_topic,
    event_topic,
    node_topic,
    utc_text,
)

MOST_NAMED = 200  # satellites of a constellation whose eclipsed ones are all named
EVENTS_KEPT = 1_000  # while no broker takes them
LAST_WORDS_S = 5.0  # for the broker to take one more; it is nice, and on a busy host it takes its time
_KINDS: dict[int, Kind] = {number: cast(Kind, word) for word, number in NODE_KINDS.items()}


def environment(geometry: Geometry, epoch: Epoch, t_s: float, t_utc: str, now: InForce = CALM) -> Environment:
    """The environment at orbit time `t_s`, in `epoch`. `now`: storms, and who counts as over the anomaly."""
    truth = truth_at(geometry, t_s, now)
    every = geometry.n_sat <= MOST_NAMED
    candidates = range(geometry.n_sat) if every else geometry.inhabited[geometry.inhabited < geometry.n_sat]
    return Environment(
        v=VERSION,
        t_utc=t_utc,
        t_s=round(t_s, 3),
        start_utc=iso_utc(geometry.start),
        epoch_t0_s=round(epoch.t0_s, 3),
        epoch_t1_s=round(epoch.t1_s, 3),
        sun_direction_teme=[round(float(x), 6) for x in truth.sun_teme],
        satellites=geometry.n_sat,
        eclipsed_ratio=round(float(1.0 - truth.lit.mean()), 4),
        eclipsed=[geometry.names[i] for i in candidates if not truth.lit[i]],
        eclipsed_of="all" if every else "inhabited",
        beta_min_deg=round(float(truth.beta_deg.min()), 3),
        beta_max_deg=round(float(truth.beta_deg.max()), 3),
        in_anomaly_ratio=round(float(truth.in_anomaly.mean()), 4),
        in_anomaly=[geometry.names[i] for i in candidates if truth.in_anomaly[i]],
        storm_factor=float(truth.storm_factor.max()),
        in_storm_ratio=round(float((truth.storm_factor != 1.0).mean()), 4),
    )


def forecast(update: control_pb2.NodeUpdate, node: str, t_s: float, t_utc: str, start_utc: str) -> Forecast:
    """What an update tells a node of its future at orbit time `t_s`."""
    gateways = _contacts(update.gateways, t_s)
    eclipses, passes = _stays(update.shadow.eclipses, t_s), _stays(update.anomaly.passes, t_s)
    return Forecast(
        v=VERSION,
        node=node,
        t_utc=t_utc,
        t_s=round(t_s, 3),
        start_utc=start_utc,
        known_until_t_s=round(update.forecast_until_t_s, 3),
        contacts=_contacts(update.forecast, t_s),
        stays_known_until_t_s=round(update.shadow.until_t_s, 3) if update.HasField("shadow") else None,
        next_eclipse=next(iter(eclipses), None),
        next_anomaly_pass=next(iter(passes), None),
        next_gateway_pass=next(iter(gateways), None),
        eclipses=eclipses,
        anomaly_passes=passes,
        gateway_passes=gateways,
    )


def _contacts(contacts: Iterable[mesh_pb2.Contact], t_s: float) -> list[Contact]:
    return [
        Contact(
            peer=contact.peer,
            kind=_KINDS[contact.kind],
            start_t_s=round(contact.start_t_s, 3),
            end_t_s=round(contact.end_t_s, 3),
        )
        for contact in contacts
        if contact.end_t_s > t_s
    ]


def _stays(stays: Iterable[mesh_pb2.Eclipse | mesh_pb2.AnomalyPass], t_s: float) -> list[Stay]:
    return [
        Stay(start_t_s=round(stay.start_t_s, 3), end_t_s=round(stay.end_t_s, 3))
        for stay in stays
        if stay.end_t_s > t_s
    ]


class RunBus:
    """Says it, or nothing where the run has no broker. Everything returns at once; only `close` waits, a second at most.

    `now`: the storms in force; set once there is somebody who knows.
    """

    def __init__(self, basis: Basis, address: Address | None) -> None:
        self._run = basis.run
        self._geometry = basis.geometry
        self._clock = basis.clock
        self._worker = basis.worker
        self._start_utc = iso_utc(basis.geometry.start)
        rng = random.Random(f"{basis.scenario.seed}, bus, orchestrator")
        self._bus = None if address is None else Bus(address, "orchestrator", basis.clock.sleep, rng)
        self.now: Callable[[], InForce] = lambda: CALM

    async def run(self) -> None:
        """Stay connected for ever."""
        if self._bus is not None:
            await self._bus.run()

    def counters(self) -> dict[str, int]:
        """What became of the messages, as `GET /v1/status` has it."""
        bus = self._bus
        if bus is None:
            return {}
        return {
            "connected": bus.connected,
            "published": bus.published,
            "dropped": bus.dropped,
            "reconnects": bus.reconnects,
        }

    def event(self, record: dict[str, Any]) -> None:
        """An event of the run: to be called by its EventLog."""
        payload = {"v": VERSION, "t_utc": self._t_utc(), **record}
        self._publish(Message.of(event_topic(self._run), payload, qos=1, keep=EVENTS_KEPT))

    async def environment(self, epoch: Epoch, t_s: float) -> None:
        """The environment at orbit time `t_s`, in `epoch`; computed in the geometry's worker."""
        if self._bus is None:
            return
        loop = asyncio.get_running_loop()
        payload = await loop.run_in_executor(
            self._worker, environment, self._geometry, epoch, t_s, self._t_utc(), self.now()
        )
        self._retain(environment_topic(self._run), payload)

    def forecast(self, node: str, update: control_pb2.NodeUpdate, t_s: float) -> None:
        """What a node is told of its future."""
        payload = forecast(update, node, t_s, self._t_utc(), self._start_utc)
        self._retain(node_topic(self._run, node, "forecast"), payload)

    async def close(self, nodes: Sequence[str]) -> None:
        """Take back from the broker what this run and its `nodes`, which have ended, had it retain."""
        if self._bus is None:
            return
        states = [node_topic(self._run, node, "state") for node in nodes]
        topics = [environment_topic(self._run), *(node_topic(self._run, node, "forecast") for node in nodes)]
        # States twice: the first time, the broker may not have read yet that a node's connection has ended, and says its last
        # will afterwards. When that time has been acknowledged, it has.
        for taken_back in ([*topics, *states], states):
            for topic in taken_back:
                self._publish(Message(topic, b"", qos=1, retain=True))
            if not await self._bus.flush(LAST_WORDS_S):
                return

    def _retain(self, topic: str, payload: Environment | Forecast) -> None:
        self._publish(Message.of(topic, payload, qos=1, retain=True))

    def _publish(self, message: Message) -> None:
        if self._bus is not None:
            self._bus.publish(message)

    def _t_utc(self) -> str:
        return utc_text(self._clock.utc())
