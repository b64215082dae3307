"""What every part of a run is made from, and how a run comes by what is not its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.runtime.brokers import Brokers
from skyrack.orchestrator.runtime.entries import MakeEntries
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.nodes import NodeBook
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.processes import Launch, Processes
from skyrack.orchestrator.runtime.roster import Roster
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.geometry import Geometry


@dataclass(frozen=True)
class Means:
    """Who starts the processes, where the broker is, who serves the entries."""

    processes: Callable[[Launch], Processes]
    brokers: Brokers
    entries: MakeEntries


@dataclass(frozen=True)
class Basis:
    """A run's name, scenario, directories, time, sky and nodes.

    `passes`: over the anomaly, of this geometry. `worker`: the one thread in which geometry is computed. `again`: an
    orchestrator may have been there before this one.
    """

    run: str
    scenario: Scenario
    places: Places
    clock: RealClock
    timeline: Timeline
    events: EventLog
    geometry: Geometry
    passes: Passes
    roster: Roster
    book: NodeBook
    worker: Executor
    again: bool

    def t_s(self) -> float:
        """The orbit time of now."""
        return self.timeline.t_s(self.clock.run_s())
