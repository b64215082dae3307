"""What the orchestrator knows about every node, whoever starts them.

not launched, drifting, ... --in service--> starting --attached to the fabric, joined--> serving
serving --socket or process gone--> dark --process back--> starting
                                    '-> lost: by a fault, with all it had
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.events import EventLog


@dataclass
class NodeState:
    """One inhabited node, as the orchestrator sees it."""

    index: int
    name: str
    kind: str  # "satellite" | "ground" | "pop" | "user"
    address: str
    pid: int = 0
    attached: bool = False
    joined: bool = False
    alive: bool = False
    restarts: int = 0
    failures: int = 0
    served_since_s: float = 0.0
    ever_served: bool = False
    fresh: bool = False  # a new process, and it has not served yet
    lost: bool = False  # none is to come
    phase: str = ""  # of a satellite that is not in service yet: what it is doing instead
    starts: int = 0  # of a process of the run's own, those that failed too
    last_words: str = ""

    @property
    def state(self) -> str:
        """serving, starting, dark or lost; of a satellite that is not in service yet its phase."""
        if self.lost:
            return "lost"
        if self.phase:
            return self.phase
        if self.alive and self.attached and self.joined:
            return "serving"
        if self.alive or not self.ever_served:
            return "starting"
        return "dark"


class NodeBook:
    """The state of every node by name and by index; a change of it is an event."""

    def __init__(self, nodes: Iterable[NodeState], events: EventLog, clock: Clock) -> None:
        self.by_name = {node.name: node for node in nodes}
        self.by_index = {node.index: node for node in self.by_name.values()}
        self._events = events
        self._clock = clock
        self._listeners: list[Callable[[NodeState], None]] = []

    def listen(self, listener: Callable[[NodeState], None]) -> None:
        """Call `listener` with every node whose `state` has changed."""
        self._listeners.append(listener)

    def all_serving(self) -> bool:
        """Whether every node serves that is in service."""
        return all(node.phase or node.state == "serving" for node in self.by_name.values())

    def update(self, node: NodeState, **changes: Any) -> None:
        """Set fields of a node."""
        before = node.state
        for name, value in changes.items():
            setattr(node, name, value)
        if node.state == before:
            return
        if node.state == "serving":
            node.served_since_s = self._clock.run_s()
            # "attach": the process is the same, its lasers were dark for a while.
            cause = "attach" if not node.fresh else "restart" if node.restarts else "start"
            self._events.add("node_serving", node=node.name, restarts=node.restarts, cause=cause)
            again, node.fresh = node.ever_served, False
            node.ever_served = True
            if again and self.all_serving():
                self._events.add("all_serving", nodes=len(self.by_name))
        for listener in self._listeners:
            listener(node)
