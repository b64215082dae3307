"""The parts of a run, by what they are for: composition.py makes them, run.py keeps them going, answers.py asks them."""

from __future__ import annotations

from dataclasses import dataclass

from skyrack.orchestrator.api.control import ControlService
from skyrack.orchestrator.api.health import RunHealth
from skyrack.orchestrator.runtime.background import Background
from skyrack.orchestrator.runtime.basis import Basis
from skyrack.orchestrator.runtime.brokers import Broker
from skyrack.orchestrator.runtime.bundles import Bundles
from skyrack.orchestrator.runtime.bus import RunBus
from skyrack.orchestrator.runtime.clock_control import ClockControl
from skyrack.orchestrator.runtime.entries import Entries
from skyrack.orchestrator.runtime.fault_drafts import Drafts
from skyrack.orchestrator.runtime.faults import Faults
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.runtime.launches import Launches
from skyrack.orchestrator.runtime.occurrences import Occurrences
from skyrack.orchestrator.runtime.probes import OwnProbes
from skyrack.orchestrator.runtime.processes import Processes
from skyrack.orchestrator.runtime.radiation import RadiationCount
from skyrack.orchestrator.runtime.services.services import Services
from skyrack.orchestrator.runtime.space import Space
from skyrack.orchestrator.runtime.throttles import Throttles
from skyrack.orchestrator.runtime.transfers import Transfers
from skyrack.orchestrator.runtime.updates import Outlook


@dataclass(frozen=True)
class Outside:
    """Beside the mesh: the broker, what the run says on its bus, where users come in."""

    broker: Broker
    bus: RunBus
    entries: Entries


@dataclass(frozen=True)
class Mesh:
    """The processes, what users run in them, and what keeps the fabric on the timetable."""

    processes: Processes
    services: Services
    feed: Feed


@dataclass(frozen=True)
class Happenings:
    """What befalls nodes: as planned, by chance, or because somebody asks for it. `drafts`: what words of faults mean."""

    drafts: Drafts
    faults: Faults
    launches: Launches
    throttles: Throttles
    occurrences: Occurrences
    radiation: RadiationCount | None


@dataclass(frozen=True)
class Traffic:
    """What the fabric carries beside packets of nodes, and the run's own probes."""

    transfers: Transfers
    bundles: Bundles | None
    background: Background
    probes: OwnProbes


@dataclass(frozen=True)
class Joining:
    """What nodes join, and what they are told there."""

    outlook: Outlook
    control: ControlService
    health: RunHealth


@dataclass(frozen=True)
class Parts:
    """All of them."""

    basis: Basis
    outside: Outside
    mesh: Mesh
    happenings: Happenings
    traffic: Traffic
    joining: Joining
    clock_control: ClockControl
    space: Space
