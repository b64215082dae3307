"""The broker of a local run: mosquitto where it is installed, else the embedded one; started again when it dies.

nodes, orchestrator --- <mesh_dir>/mqtt.sock ---+
                                                +--- broker process
the user's tools ------ 127.0.0.1:port ---------+      <socket_dir>/mqtt.json says how to get in, as `viewer`
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from skyrack.orchestrator.broker.roles import Role, new_passwords
from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.broker_process import BrokerProcess, Kind, find_mosquitto, is_free
from skyrack.orchestrator.runtime.brokers import SOCKET, WAY_IN, Broker, Brokers, NoBroker, write_way_in
from skyrack.orchestrator.runtime.errors import last_line
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.hands.kept import Kept, Serving
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.orchestrator.runtime.spawned_nodes import backoff_s
from skyrack.v1.bus import Address

Wanted = Literal["auto", "mosquitto", "embedded", "none"]

PORTS_TRIED = 100
IN_USE = "address already in use"  # said of a port that may be free again by the time one looks
STABLE_S = 10.0  # a broker that served this long starts again with the first back-off


def local_broker(wanted: Wanted, port: int | None) -> Brokers:
    """What makes the broker of a local run; `port` None: it is reached by its Unix socket only."""

    def make(places: Places, events: EventLog, clock: Clock) -> Broker:
        return NoBroker() if wanted == "none" else LocalBroker(wanted, port, places, events, clock)

    return make


class LocalBroker:
    """Chooses, starts and keeps one broker process."""

    def __init__(
        self,
        wanted: Literal["auto", "mosquitto", "embedded"],
        port: int | None,
        places: Places,
        events: EventLog,
        clock: Clock,
    ) -> None:
        self.up = asyncio.Event()
        self._wanted = wanted
        self._port = port
        self._socket = places.mesh_dir / SOCKET
        self._way_in = places.socket_dir / WAY_IN
        self._log = places.logs / "broker.log"
        self._events = events
        self._clock = clock
        self._passwords = new_passwords()
        self._process: BrokerProcess | None = None
        self._restarts = 0

    async def run(self, progress: Progress) -> None:
        """Start it, and start it again whenever it ends. Raises RuntimeError when it does not start."""
        with progress.step("broker") as step:
            process, reason = await self._start()
            where = f"on 127.0.0.1:{process.port}" if process.port else "on its Unix socket"
            name = "embedded (amqtt)" if process.kind == "embedded" else process.kind
            step.text = f"{name} {where}{reason}"
        self.up.set()
        await self._keep(process)

    async def stop(self) -> None:
        """End it, and take its files away."""
        if self._process is not None:
            await self._process.stop()
        self._way_in.unlink(missing_ok=True)

    def address(self, role: Role) -> Address:
        """By its Unix socket."""
        return Address(socket=str(self._socket), username=role, password=self._passwords[role])

    def kept(self) -> Kept:
        """The process there is, and those to come."""
        return self

    def serving(self) -> Serving | None:
        """The process that listens."""
        return self._process.serving() if self._process is not None else None

    def kill(self) -> None:
        """SIGKILL. Raises ProcessLookupError."""
        if self._process is None:
            raise ProcessLookupError
        self._process.kill()

    def status(self) -> dict[str, Any]:
        """What it is, where, and how to get in."""
        process = self._process
        port = process.port if process else None
        return {
            "broker": process.kind if process else "",
            "host": "127.0.0.1" if port else None,
            "port": port,
            "way_in": str(self._way_in),
            "restarts": self._restarts,
        }

    async def _start(self) -> tuple[BrokerProcess, str]:
        """The process and, where it was not asked for by name, why it is this one."""
        if self._wanted != "auto":
            return await self._start_kind(self._wanted), ""
        if find_mosquitto() is None:
            return await self._start_kind("embedded"), "; mosquitto is not on PATH"
        try:
            return await self._start_kind("mosquitto"), " (found on PATH)"
        except RuntimeError as error:
            return await self._start_kind("embedded"), f"; {error}"

    async def _start_kind(self, kind: Kind) -> BrokerProcess:
        """On the first port that is free. Raises RuntimeError."""
        if kind == "mosquitto" and find_mosquitto() is None:
            raise RuntimeError("mosquitto is not on PATH: install it, or choose --broker embedded")
        first = self._port
        while True:
            port = None if first is None else _free_port(first)
            self._process = process = BrokerProcess(
                kind, self._socket, port, self._passwords, self._log, self._clock
            )
            host = None if port is None else "127.0.0.1"
            write_way_in(self._way_in, host, port, self._socket, self._passwords["viewer"])
            if await process.start():
                return process
            said = last_line(self._log)
            if port is None or (is_free(port) and IN_USE not in said.lower()):
                raise RuntimeError(f"{kind} did not start: {said or 'it said nothing'}")
            first = port + 1  # somebody else was quicker to take this one

    async def _keep(self, process: BrokerProcess) -> None:
        failures = 0
        while True:
            since_s = self._clock.run_s()
            status = await process.wait()
            self._events.add("broker_down", status=status)
            if self._clock.run_s() - since_s > STABLE_S:
                failures = 0
            started = False
            while not started:
                failures += 1
                await self._clock.sleep(backoff_s(failures))
                started = await process.start()
            self._restarts += 1
            self._events.add("broker_up", broker=process.kind)


def _free_port(first: int) -> int:
    last = min(first + PORTS_TRIED - 1, 65535)
    for port in range(first, last + 1):
        if is_free(port):
            return port
    raise RuntimeError(
        f"no port from {first} to {last} on 127.0.0.1 is free: choose with --broker-port, or 0 for none"
    )
