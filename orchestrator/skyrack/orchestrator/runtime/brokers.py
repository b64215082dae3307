"""Where the broker of the telemetry bus comes from: what a run asks of whoever provides it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from skyrack.orchestrator.broker.roles import ROLES, Role, new_passwords
from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.render import mosquitto
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.files import write_private
from skyrack.orchestrator.runtime.hands.kept import Kept
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.v1.bus import Address

SOCKET = "mqtt.sock"  # below mesh_dir
WAY_IN = "mqtt.json"  # below socket_dir: for the user's own tools


class Broker(Protocol):
    """The broker of a run."""

    up: asyncio.Event  # set when it listened for the first time, or nobody waits for that

    async def run(self, progress: Progress) -> None:
        """See to it until cancelled. Raises RuntimeError when there will be none."""

    async def stop(self) -> None:
        """End it where it is the run's own."""

    def address(self, role: Role) -> Address | None:
        """How a role gets in; None where the run has no broker."""

    def status(self) -> dict[str, Any] | None:
        """What the user is told about it."""

    def kept(self) -> Kept | None:
        """Its process, where it is the run's own."""


Brokers = Callable[[Places, EventLog, Clock], Broker]


class NoBroker:
    """A run without a telemetry bus."""

    def __init__(self, *_: object) -> None:
        self.up = asyncio.Event()
        self.up.set()

    async def run(self, progress: Progress) -> None:
        """Nothing to see to."""

    async def stop(self) -> None:
        """Nothing to end."""

    def address(self, role: Role) -> Address | None:
        """Nowhere."""
        return None

    def status(self) -> dict[str, Any] | None:
        """Nothing to tell."""
        return None

    def kept(self) -> None:
        """None."""


class AwaitedBroker:
    """mosquitto in a container of its own, which starts after the orchestrator and finds its passwords in `broker_dir`.

    A restarted orchestrator keeps the passwords that everybody has.
    """

    def __init__(self, broker_dir: Path, keeper: Path, places: Places, *_: object) -> None:
        """`keeper`: a file that outlives this process. Raises OSError."""
        self.up = asyncio.Event()
        self.up.set()
        self._socket = places.mesh_dir / SOCKET
        self._way_in = places.socket_dir / WAY_IN
        self._passwords = _kept_passwords(keeper)
        if not _fits(broker_dir / "passwd", self._passwords):
            write_private(broker_dir / "passwd", mosquitto.passwd(self._passwords))
        write_way_in(self._way_in, "mosquitto", mosquitto.PORT, self._socket, self._passwords["viewer"])

    async def run(self, progress: Progress) -> None:
        """Others see to it."""

    async def stop(self) -> None:
        """Others end it."""

    def address(self, role: Role) -> Address:
        """By its Unix socket."""
        return Address(socket=str(self._socket), username=role, password=self._passwords[role])

    def kept(self) -> None:
        """None: it is somebody else's."""

    def status(self) -> dict[str, Any]:
        """Seen from inside the project's network."""
        return {
            "broker": "mosquitto",
            "host": "mosquitto",
            "port": mosquitto.PORT,
            "way_in": str(self._way_in),
        }


def _kept_passwords(path: Path) -> dict[Role, str]:
    try:
        kept = json.loads(path.read_text())
        return {role: str(kept[role]) for role in ROLES}
    except (OSError, ValueError, KeyError):
        passwords = new_passwords()
        write_private(path, json.dumps(passwords))
        return passwords


def _fits(path: Path, passwords: Mapping[Role, str]) -> bool:
    """Whether the broker's file is of these passwords; one that is rewritten would not be read again."""
    try:
        return mosquitto.is_passwd_of(path.read_text(), passwords)
    except OSError:
        return False


def write_way_in(path: Path, host: str | None, port: int | None, socket: Path, password: str) -> None:
    """Tell the user's tools how to come in, as `viewer`."""
    way_in = {"host": host, "port": port, "socket": str(socket), "username": "viewer", "password": password}
    write_private(path, json.dumps(way_in) + "\n")
