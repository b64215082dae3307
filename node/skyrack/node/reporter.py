"""What a node says on the telemetry bus: its state when that changes, and how it is every few seconds.

The broker says "dark" for a node that dies, by the last will; one that ends by itself says so last. Without a bus in the
configuration nothing is said.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.fabric_link import FabricLink
from skyrack.node.metrics import read_device_counters, resident_bytes
from skyrack.node.position import OutsideEphemerisError, geodetic
from skyrack.v1.bus import Address, Bus, Message
from skyrack.v1.telemetry import (
    FLIGHT_MODES,
    VERSION,
    NodeState,
    NodeTelemetry,
    node_topic,
    utc_text,
)

if TYPE_CHECKING:
    from skyrack.node.flight.pilot import Pilot

LAST_WORDS_S = 0.5  # for the last messages of a node that ends
State = Literal["serving", "stopping", "dark"]


class Reporter:
    """Speaks while `run` runs. `bus` is None where the node has none."""

    def __init__(self, config: NodeConfig, clock: Clock, fabric: FabricLink, control: ControlLink) -> None:
        self._config = config
        self._clock = clock
        self._fabric = fabric
        self._control = control
        self._started_ns = clock.monotonic_ns()
        self._serves = False
        self._rng = random.Random(f"{config.seed}, telemetry, {config.name}")
        self.pilot: Pilot | None = None  # where there is flight software
        self.bus: Bus | None = None
        if config.bus_socket is not None:
            address = Address(
                socket=config.bus_socket, username=config.bus_username, password=config.bus_password
            )
            will = self._message("dark", None)
            self.bus = Bus(address, config.name, clock.sleep, self._rng, will=will)

    async def run(self) -> None:
        """Stay connected, and report for ever."""
        if self.bus is None:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.bus.run(), name="bus")
            tasks.create_task(self._report(self.bus), name="telemetry")

    async def farewell(self) -> None:
        """Say that the node is dark, and wait a little for that to be heard."""
        if self.bus is not None:
            self._say("dark")
            await self.bus.flush(LAST_WORDS_S)

    def serving(self) -> None:
        """The node answers from now on."""
        self._serves = True
        self.changed()

    def changed(self) -> None:
        """The lasers were lit or went dark."""
        if self._serves:
            self._say("serving" if self._fabric.attached else "dark")

    def stopping(self) -> None:
        """The node was asked to end."""
        self._serves = False
        self._say("stopping")

    def _say(self, state: State) -> None:
        if self.bus is not None:
            self.bus.publish(self._message(state, utc_text(self._clock.utc_now())))

    def _message(self, state: State, t_utc: str | None) -> Message:
        config = self._config
        payload = NodeState(v=VERSION, node=config.name, kind=config.kind, state=state, t_utc=t_utc)
        return Message.of(node_topic(config.run, config.name, "state"), payload, qos=1, retain=True)

    async def _report(self, bus: Bus) -> None:
        # Nodes start together; reports spread over the period are easier on everybody.
        await self._clock.sleep(self._config.telemetry_period_s * self._rng.random())
        topic = node_topic(self._config.run, self._config.name, "telemetry")
        while True:
            bus.publish(Message.of(topic, self.telemetry()))
            await self._clock.sleep(self._config.telemetry_period_s)

    def telemetry(self) -> NodeTelemetry:
        """How the node is now."""
        now_ns = self._clock.monotonic_ns()
        knowledge = self._control.knowledge
        t_s = knowledge.t_s(now_ns) if knowledge else None
        lat_deg, lon_deg, altitude_km = self._position(t_s)
        counters = read_device_counters(Path("/proc/net/dev").read_text()) or [0] * 16
        times = os.times()
        now = self.pilot.readings if self.pilot is not None else None
        return NodeTelemetry(
            v=VERSION,
            node=self._config.name,
            kind=self._config.kind,
            t_utc=utc_text(self._clock.utc_now()),
            t_s=None if t_s is None else round(t_s, 3),
            attached=self._fabric.attached,
            lat_deg=lat_deg,
            lon_deg=lon_deg,
            altitude_km=altitude_km,
            neighbours=[neighbour.name for neighbour in knowledge.neighbours] if knowledge else [],
            mesh_received_bytes=counters[0],
            mesh_sent_bytes=counters[8],
            cpu_s=round(times.user + times.system, 2),
            rss_bytes=resident_bytes(),
            uptime_s=round((now_ns - self._started_ns) / 1e9, 3),
            flight_mode=FLIGHT_MODES[now.decision.mode.value] if now else None,
            battery_ratio=_rounded(now.charge_ratio if now else None, 4),
            battery_wear_ratio=_rounded(now.wear_ratio if now else None, 9),
            temperature_c=_rounded(now.temperature_c if now else None, 2),
            power_in_w=_rounded(now.sun_w if now else None, 1),
            power_out_w=_rounded(now.load_w if now else None, 1),
            cpu_cores_allowed=self.pilot.allowed_cores if self.pilot else None,
        )

    def _position(self, t_s: float | None) -> tuple[float | None, float | None, float | None]:
        knowledge = self._control.knowledge
        if knowledge is None or t_s is None:
            return None, None, None
        try:
            lat_deg, lon_deg, altitude_km = geodetic(knowledge.at(t_s)[0])
        except OutsideEphemerisError:
            return None, None, None
        return round(lat_deg, 4), round(lon_deg, 4), round(altitude_km, 3)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
