"""What asks a service from inside a node, one operation at a time; and the plan that every worker of a load is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

from skyrack.workloads import Request


class Client(Protocol):
    """One process of a history, or all of a node where `Clients.shared`."""

    async def open(self) -> None:
        """What there must be before anything is asked."""

    async def prepare(self) -> None:
        """Have a connection."""

    async def invoke(self, request: Request) -> Any:
        """Carry it out; what was answered. Raises Failed when it definitely did not happen, anything else when nobody knows."""

    async def close(self) -> None:
        """Let go of the connection."""


class Clients(Protocol):
    """How clients are made; a value that travels as JSON. `shared`: one of them serves all processes of a node."""

    kind: ClassVar[str]
    shared: ClassVar[bool]

    def connect(self, source: str, place: int) -> Client:
        """The client of the node `source` that is its `place`th; it connects when it is first used."""

    def load(self) -> None:
        """Import what clients need. Raises UnknownName, OptionError."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What every worker of one load knows. `clients_per_node`: how many are prepared before the load."""

    t0_monotonic_ns: int
    timeout_s: float
    clients: Clients
    clients_per_node: int = 1

    def as_mapping(self) -> dict[str, Any]:
        """For JSON, to a worker that is no child."""
        return {**asdict(self), "kind": self.clients.kind}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Plan:
        """The reverse of `as_mapping`. Raises TypeError, KeyError."""
        rest = dict(data)
        made = _clients(rest.pop("kind"), rest.pop("clients"))
        return cls(clients=made, **rest)


def _clients(kind: str, data: Mapping[str, Any]) -> Clients:
    if kind == "echo":
        from skyrack.groundstation.load.echo import EchoClients

        return EchoClients(**data)
    from skyrack.groundstation.load.store_client import StoreClients

    return StoreClients(**data)
