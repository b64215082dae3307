"""Where a run's processes come from: what the run asks of whoever starts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.fabric.client import FabricClient
from skyrack.orchestrator.fabric.wire import FabricConfig
from skyrack.orchestrator.runtime.brokers import Broker
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.hands.hands import Hands
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.services.services import Preparing, Services
from skyrack.orchestrator.scenario import Scenario
from skyrack.v1.bus import Address


class Fabrics(Protocol):
    """Fabric processes, one after the other."""

    async def start(self, config: FabricConfig, on_event: Callable[[dict[str, Any]], None]) -> FabricClient:
        """The next fabric, once it listens. Raises RuntimeError with its last words when there will be none."""

    async def end(self) -> dict[str, int]:
        """End the fabric, if it has not ended; how it did, as fields of an event: none where nobody can know."""


class Nodes(Protocol):
    """The node processes. What the fabric and the nodes themselves report about them goes to `attached` and `joined`."""

    book: NodeBook

    async def run(self) -> None:
        """See to the nodes until cancelled. Raises RuntimeError when the run cannot go on."""

    async def stop(self) -> None:
        """The run stops, and the nodes with it where they are its own."""

    async def signal(self, name: str, number: int) -> None:
        """Send a signal to a node's process. Raises RuntimeError where that cannot be done."""

    def keep_off(self, node: NodeState) -> None:
        """Before `run`: the node is not there yet, and its process does not start before somebody lets it."""

    def attached(self, node: NodeState, attached: bool) -> None:
        """The fabric says whether the node's lasers are lit."""

    def joined(self, node: NodeState, joined: bool) -> None:
        """The node joined, or its stream ended."""


@dataclass(frozen=True)
class Launch:
    """What is known of a run when its processes are to come. `bus`: how nodes reach the broker, None without one."""

    run: str
    scenario: Scenario
    places: Places
    book: NodeBook
    events: EventLog
    clock: Clock
    bus: Address | None
    broker: Broker


@dataclass(frozen=True)
class Processes:
    """One way to have both. `awaited`: somebody else starts them, so they may be there already, and may come late.

    `hands`: what acts on them for faults, made once it is known which services there are.
    """

    fabrics: Fabrics
    nodes: Nodes
    preparing: Preparing
    hands: Callable[[Services], Hands]
    awaited: bool
