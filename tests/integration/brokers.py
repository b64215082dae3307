"""A real broker process of each kind, and clients of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiomqtt
from tests.e2e.place import port

from skyrack.orchestrator.broker.roles import Role
from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.local_broker import LocalBroker
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.v1.bus import Address, Bus, Message

FIRST_PORT = port(18_930)
RUN = "test"
PATIENCE_S = 60.0


async def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.01)


@dataclass
class Listener:
    """A viewer: the newest message of each topic, and all of them in order."""

    newest: dict[str, bytes] = field(default_factory=dict)
    all: list[tuple[str, bytes, bool]] = field(default_factory=list)

    def says(self, topic: str) -> dict[str, Any]:
        """The newest message of a topic; empty when there is none."""
        payload = self.newest.get(topic)
        return json.loads(payload) if payload else {}


class _Steps:
    """Hears how each step of a start ends."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def send(self, message: Mapping[str, Any]) -> None:
        if message.get("state") == "ok":
            self._texts.append(message["text"])

    def never_wait(self) -> None:
        """It does not."""


@dataclass
class World:
    """A broker that is kept running."""

    broker: LocalBroker
    directory: Path
    events: EventLog
    tasks: asyncio.TaskGroup
    clock: RealClock = field(default_factory=RealClock)

    @property
    def port(self) -> int:
        """Where tools find it."""
        return int(self.broker.status()["port"])

    def publisher(self, role: Role, will: Message | None = None, address: Address | None = None) -> Bus:
        """A running bus of a role."""
        bus = Bus(address or self.broker.address(role), role, asyncio.sleep, random.Random(1), will=will)
        self.running.append(self.tasks.create_task(bus.run()))
        return bus

    running: list[asyncio.Task[None]] = field(default_factory=list)

    def client(self, role: str | None = "viewer", password: str | None = None) -> aiomqtt.Client:
        """What a user's tool does: MQTT over TCP."""
        known = self.broker.address("viewer" if role is None else role)  # type: ignore[arg-type]
        return aiomqtt.Client(
            "127.0.0.1",
            self.port,
            username=role,
            password=password or (known.password if role else None),
            timeout=PATIENCE_S,
        )

    @contextlib.asynccontextmanager
    async def listener(self) -> AsyncIterator[Listener]:
        """A viewer of everything."""
        heard = Listener()

        async def listen(client: aiomqtt.Client) -> None:
            async for message in client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else b""
                heard.newest[message.topic.value] = payload
                heard.all.append((message.topic.value, payload, message.retain))

        async with self.client() as client:
            await client.subscribe("skyrack/#", qos=1)
            listening = asyncio.create_task(listen(client))
            try:
                yield heard
            finally:
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                    await listening

    async def hang(self) -> None:
        """Stop the broker process, and wait until all of it has: one is still answered until then."""
        pid = self.pid()
        os.kill(pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{pid}/task")
        await eventually(
            lambda: all(_state(task) == "T" for task in tasks.iterdir()), "the broker stands still"
        )

    def go_on(self) -> None:
        """Let it run again."""
        os.kill(self.pid(), signal.SIGCONT)

    def pid(self) -> int:
        """The broker process."""
        process = self.broker._process
        assert process is not None
        assert process._process is not None
        return process._process.pid


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(") ")[2].split()[0]


@contextlib.asynccontextmanager
async def open_world(
    kind: Literal["auto", "mosquitto", "embedded"], *, progress: list[str] | None = None
) -> AsyncIterator[World]:
    """A broker of this kind, gone afterwards; `progress` hears how its start ends."""
    with tempfile.TemporaryDirectory(prefix="skyrack-bus-", dir="/tmp") as name:
        directory = Path(name)
        (directory / "logs").mkdir()
        clock = RealClock()
        events = EventLog(directory / "events.jsonl", clock)
        places = Places(directory, directory, directory)
        broker = LocalBroker(kind, FIRST_PORT, places, events, clock)
        try:
            async with asyncio.TaskGroup() as tasks:
                world = World(broker, directory, events, tasks)
                keeping = tasks.create_task(
                    broker.run(Progress(_Steps([] if progress is None else progress)))
                )
                await asyncio.wait(
                    {keeping, tasks.create_task(broker.up.wait())}, return_when="FIRST_COMPLETED"
                )
                try:
                    yield world
                finally:
                    for task in (keeping, *world.running):
                        task.cancel()
        finally:
            await broker.stop()
            events.close()
        assert sorted(os.listdir(directory)) == ["events.jsonl", "logs"]
