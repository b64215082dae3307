"""What a node is told at its start, as JSON, and the paths that follow from it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Literal

PORT = 50051
# sun_path holds 108 bytes with the terminating zero.
MAX_SOCKET_PATH_BYTES = 107
_KINDS = ("satellite", "ground", "pop", "user")


class ConfigError(ValueError):
    """The node configuration cannot be used; the message names the key."""


@dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """Everything a node needs to know before it serves."""

    name: str
    kind: Literal["satellite", "ground", "pop", "user"]
    index: int
    run: str
    address: str
    network: str
    socket_dir: str
    mtu: int = 1500
    gso_max_bytes: int = 0
    """Largest super-packet the kernel hands over; 0 turns segmentation offload off."""
    hosts_file: str | None = None
    """Shared hosts file to show as /etc/hosts inside the node."""
    log_file: str | None = None
    """JSON lines; standard error when absent."""
    seed: int = 1
    niceness: int = 0
    isolate: bool = True
    """False: the process is already alone in its namespaces (a container)."""
    bus_socket: str | None = None
    """Unix socket of the telemetry bus's broker; None: no bus."""
    bus_username: str | None = None
    bus_password: str | None = field(default=None, repr=False)
    telemetry_period_s: float = 5.0
    """Time between two reports on the bus."""
    watchdog_s: float = 0.0
    """Whoever has forked the node kills it when it has not run for so long; 0: never."""
    heartbeat_fd: int = -1
    """Pipe to its parent that the node writes a byte to now and then; made by the parent, -1: nobody listens."""
    flight: dict[str, Any] | None = None
    """What the flight software of a satellite is told, see flight/settings.py; None: there is none."""

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 63 or not set(self.name) <= _NAME_CHARACTERS:
            raise ConfigError(f"name: {self.name!r}, expected 1 to 63 of a-z, A-Z, 0-9, '.', '_' and '-'")
        if self.name.startswith("."):
            raise ConfigError(f"name: {self.name!r} begins with a dot")
        if self.kind not in _KINDS:
            raise ConfigError(f"kind: {self.kind!r}, expected one of {', '.join(_KINDS)}")
        if self.index < 0:
            raise ConfigError(f"index: {self.index}, expected 0 or more")
        if not 576 <= self.mtu <= 65535:
            raise ConfigError(f"mtu: {self.mtu}, expected 576 to 65535")
        if not 0 <= self.gso_max_bytes <= 65536:
            raise ConfigError(f"gso_max_bytes: {self.gso_max_bytes}, expected 0 to 65536")
        try:
            network, address = IPv4Network(self.network), IPv4Address(self.address)
        except ValueError as error:
            raise ConfigError(f"network or address: {error}") from error
        if address not in network:
            raise ConfigError(f"address: {address} is outside {network}")
        if not 0 < self.telemetry_period_s <= 86_400:
            raise ConfigError(
                f"telemetry_period_s: {self.telemetry_period_s}, expected more than 0, to 86400"
            )
        if not 0 <= self.watchdog_s <= 86_400:
            raise ConfigError(f"watchdog_s: {self.watchdog_s}, expected 0 to 86400")
        if self.flight is not None and self.kind != "satellite":
            raise ConfigError(f"flight: a {self.kind} does not fly")
        for path in (self.grpc_socket, self.metrics_socket, self.net_socket, self.control_socket):
            if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
                raise ConfigError(
                    f"socket_dir: {path} is longer than the {MAX_SOCKET_PATH_BYTES} bytes of a socket's path"
                )

    @property
    def grpc_socket(self) -> Path:
        """Where the orchestrator and tools reach the node's gRPC server."""
        return Path(self.socket_dir, "nodes", f"{self.name}.sock")

    @property
    def metrics_socket(self) -> Path:
        """Where /metrics is served."""
        return Path(self.socket_dir, "nodes", f"{self.name}.metrics.sock")

    @property
    def net_socket(self) -> Path:
        """Where descriptors of its network are handed out."""
        return Path(self.socket_dir, "nodes", f"{self.name}.net.sock")

    @property
    def flight_file(self) -> Path:
        """Where its flight software keeps what another process of the node is to go on with."""
        return Path(self.socket_dir, "nodes", f"{self.name}.flight.json")

    @property
    def fabric_socket(self) -> Path:
        """Where the node attaches."""
        return Path(self.socket_dir, "fabric.sock")

    @property
    def control_socket(self) -> Path:
        """Where the node joins."""
        return Path(self.socket_dir, "control.sock")

    @classmethod
    def from_json(cls, text: str | bytes) -> "NodeConfig":
        """The configuration in a JSON object. Raises ConfigError."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"not JSON: {error}") from error
        return cls.from_mapping(data)

    @classmethod
    def from_mapping(cls, data: object) -> "NodeConfig":
        """The configuration in a decoded JSON object. Raises ConfigError for missing, unknown or odd keys."""
        if not isinstance(data, Mapping):
            raise ConfigError(f"expected an object, read {type(data).__name__}")
        known = {field.name: field for field in fields(cls)}
        if unknown := sorted(set(data) - set(known)):
            raise ConfigError(f"unknown keys: {', '.join(map(str, unknown))}")
        for key, value in data.items():
            _check_type(key, value, str(known[key].type))
        try:
            return cls(**data)
        except TypeError as error:
            raise ConfigError(str(error).removeprefix("NodeConfig.__init__() ")) from error


_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def _check_type(key: str, value: Any, annotation: str) -> None:
    if value is None and "None" in annotation:
        return
    expected: type = next((kind for kind in (int, bool, float, dict) if kind.__name__ in annotation), str)
    if type(value) is not expected and (expected, type(value)) != (float, int):
        raise ConfigError(f"{key}: {value!r}, expected {expected.__name__}")
