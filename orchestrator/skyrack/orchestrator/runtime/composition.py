"""Makes the parts of a run from what it is made from, and ties them together.

basis --> outside: broker, bus, entries
      --> mesh: processes --> services, feed
      --> happenings: faults, launches, throttles, occurrences --> what the feed and the services are to do about them
      --> traffic: transfers, bundles, background, probes
      --> joining: outlook, the service that nodes join
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from skyrack.orchestrator.api.control import ControlService
from skyrack.orchestrator.api.health import RunHealth
from skyrack.orchestrator.environment.radiation import RadiationSource
from skyrack.orchestrator.faults.occurrence import Source
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.runtime.background import Background
from skyrack.orchestrator.runtime.basis import Basis, Means
from skyrack.orchestrator.runtime.briefing import Briefing
from skyrack.orchestrator.runtime.brokers import NoBroker
from skyrack.orchestrator.runtime.bundle_planner import BundlePlanner
from skyrack.orchestrator.runtime.bundles import Bundles
from skyrack.orchestrator.runtime.bus import RunBus
from skyrack.orchestrator.runtime.clock_control import ClockControl
from skyrack.orchestrator.runtime.clock_journal import ClockJournal
from skyrack.orchestrator.runtime.errors import RunFailed
from skyrack.orchestrator.runtime.fault_drafts import Drafts
from skyrack.orchestrator.runtime.fault_journal import FaultJournal
from skyrack.orchestrator.runtime.fault_record import FaultRecord
from skyrack.orchestrator.runtime.faults import Faults
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.runtime.flights import Flights
from skyrack.orchestrator.runtime.idle_ways import IdleWays
from skyrack.orchestrator.runtime.launches import Launches
from skyrack.orchestrator.runtime.occurrences import Occurrences
from skyrack.orchestrator.runtime.parts import Happenings, Joining, Mesh, Outside, Parts, Traffic
from skyrack.orchestrator.runtime.probes import OwnProbes
from skyrack.orchestrator.runtime.processes import Launch, Processes
from skyrack.orchestrator.runtime.radiation import RadiationCount
from skyrack.orchestrator.runtime.services import kept
from skyrack.orchestrator.runtime.services.services import Services
from skyrack.orchestrator.runtime.space import Space
from skyrack.orchestrator.runtime.stores import Stores
from skyrack.orchestrator.runtime.throttles import Throttles
from skyrack.orchestrator.runtime.transfers import Transfers
from skyrack.orchestrator.runtime.updates import Outlook
from skyrack.orchestrator.scenario import entry_nodes
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.sources import sources_of


def compose(basis: Basis, means: Means, journal: ClockJournal, set_speed: float) -> Parts:
    """All parts, none of which has begun; `set_speed`: the speed that a paused clock goes on with.

    Raises RunFailed for faults of the scenario that cannot be, RuntimeError for what the host does not have.
    """
    outside = _outside(basis, means)
    processes = means.processes(_launch(basis, outside))
    mesh = _mesh(basis, processes)
    happenings = _happenings(basis, mesh)
    storms = happenings.faults.storms
    outside.bus.now = lambda: storms.now
    traffic = _traffic(basis, mesh)
    mesh.feed.on_fabric_down = lambda: _fabric_down(traffic.transfers, happenings.faults)
    space = Space(basis, storms)
    return Parts(
        basis=basis,
        outside=outside,
        mesh=mesh,
        happenings=happenings,
        traffic=traffic,
        joining=_joining(basis, outside, mesh, happenings, traffic),
        clock_control=_clock_control(basis, mesh.feed, space, journal, set_speed),
        space=space,
    )


def _outside(basis: Basis, means: Means) -> Outside:
    make_broker = means.brokers if basis.scenario.telemetry.enabled else NoBroker
    broker = make_broker(basis.places, basis.events, basis.clock)
    on_ground = basis.roster.names[basis.geometry.n_sat :]
    nodes = entry_nodes(basis.scenario.entries, on_ground)
    entries = means.entries(nodes, basis.places, basis.events, basis.clock)
    bus = RunBus(basis, broker.address("orchestrator"))
    basis.events.listen(bus.event)
    return Outside(broker, bus, entries)


def _launch(basis: Basis, outside: Outside) -> Launch:
    return Launch(
        run=basis.run,
        scenario=basis.scenario,
        places=basis.places,
        book=basis.book,
        events=basis.events,
        clock=basis.clock,
        bus=outside.broker.address("node"),
        broker=outside.broker,
    )


def _mesh(basis: Basis, processes: Processes) -> Mesh:
    file = basis.places.run_dir / "services.json"
    services = Services(
        run=basis.run,
        services=basis.scenario.services,
        book=basis.book,
        preparing=processes.preparing,
        events=basis.events,
        clock=basis.clock,
        file=file,
        kept=kept.read(file) if basis.again else None,
        watchdog_s=basis.scenario.watchdog_s,
    )
    return Mesh(processes, services, Feed(basis, processes))


def _happenings(basis: Basis, mesh: Mesh) -> Happenings:
    feed, services = mesh.feed, mesh.services
    hands = mesh.processes.hands(services)
    drafts = Drafts(basis.geometry, services.places)
    journal = FaultJournal(basis.places.run_dir / "faults.jsonl")
    faults = Faults(
        geometry=basis.geometry,
        drafts=drafts,
        record=FaultRecord(journal, basis.events, basis.roster.names),
        feed=feed,
        hands=hands,
        timeline=basis.timeline,
        clock=basis.clock,
    )
    launches = Launches(basis, mesh.processes.nodes.keep_off, feed, faults)
    launches.begin(again=basis.again)

    def lead_around() -> None:
        """Routes lead to drained nodes, and not through them where there is another way."""
        by_name = basis.book.by_name
        feed.drained(frozenset(by_name[name].index for name in services.drained))

    services.listen(lead_around)
    lead_around()
    throttles = Throttles(hands, basis.book, basis.events, resumed=basis.again)
    sources = _sources(basis, faults)
    occurrences = Occurrences(
        sources=sources,
        timeline=basis.timeline,
        faults=faults,
        events=basis.events,
        clock=basis.clock,
        before=faults.befallen.before if basis.again else None,
    )
    faults.storms.on_change = faults.on_gone = launches.on_ordered = occurrences.draw_anew
    return Happenings(
        drafts=drafts,
        faults=faults,
        launches=launches,
        throttles=throttles,
        occurrences=occurrences,
        radiation=_radiation(basis, faults, sources),
    )


def _sources(basis: Basis, faults: Faults) -> list[Source]:
    """What befalls nodes by orbit time, once the faults of the scenario are entered. Raises RunFailed."""
    try:
        if basis.again:
            faults.go_on()
        else:
            faults.enter_plan()
        return sources_of(
            basis.geometry, basis.passes, lambda: faults.storms.spells, lambda: faults.gone.spans
        )
    except (FaultProblem, Unknown) as problem:
        raise RunFailed(str(problem)) from problem


def _radiation(basis: Basis, faults: Faults, sources: Iterable[Source]) -> RadiationCount | None:
    """Where the scenario has some."""
    for source in sources:
        if isinstance(source, RadiationSource):
            return RadiationCount(
                source=source,
                storms=faults.storms,
                came=faults.befallen.came,
                timeline=basis.timeline,
                clock=basis.clock,
                seed=basis.scenario.seed,
            )
    return None


def _traffic(basis: Basis, mesh: Mesh) -> Traffic:
    feed, ways = mesh.feed, IdleWays(basis, mesh.feed)
    transfers = Transfers(
        roster=basis.roster,
        book=basis.book,
        events=basis.events,
        clock=basis.clock,
        carrier=lambda: feed.fabric,
        way_at=ways.at,
        byte_scale=basis.scenario.links.byte_scale,
        classes=basis.scenario.links.classes is not None,
    )
    feed.on_transfer = transfers.heard
    bundles = transfers.bundles = _bundles(basis, feed, transfers, ways)
    background = Background(basis.scenario, basis.roster, basis.clock, lambda: feed.fabric)
    feed.on_fabric_up = background.start
    return Traffic(transfers, bundles, background, OwnProbes(basis, feed.oracle))


def _bundles(basis: Basis, feed: Feed, transfers: Transfers, ways: IdleWays) -> Bundles | None:
    """Where the strategy stores and forwards."""
    if basis.scenario.routing.strategy != "contact-graph":
        return None
    return Bundles(
        transfers=transfers,
        planner=BundlePlanner(basis.scenario, basis.timeline),
        stores=Stores(basis.scenario.routing.storage_bytes),
        names=basis.roster.names,
        book=basis.book,
        events=basis.events,
        clock=basis.clock,
        joined=ways.joined,
        failures=lambda: feed.told,
        pieces=lambda: basis.timeline.pieces,
    )


def _fabric_down(transfers: Transfers, faults: Faults) -> None:
    transfers.fabric_down()
    faults.fabric_down()


def _joining(basis: Basis, outside: Outside, mesh: Mesh, happenings: Happenings, traffic: Traffic) -> Joining:
    outages, names = mesh.feed.outages, basis.roster.names
    outlook = Outlook(
        geometry=basis.geometry,
        passes=basis.passes,
        timeline=basis.timeline,
        address_of=basis.roster.address,
        t0_monotonic_ns=basis.clock.t0_monotonic_ns,
        storms=happenings.faults.storms,
    )
    briefing = Briefing(basis, outlook, outside.bus, outages)
    control = ControlService(
        run=basis.run,
        nodes=mesh.processes.nodes,
        update_of=briefing.update_of,
        lost_of=briefing.lost_of,
        transfers=traffic.transfers,
        services=mesh.services,
        flights=Flights(happenings.throttles, basis.events),
    )

    def tell(change: Failures) -> None:
        """Those beside what has been noticed, or is back, are told at once: the epoch may last for long."""
        control.lost(names[node] for node in outlook.beside(change))

    outages.on_change = tell
    return Joining(outlook, control, RunHealth(basis.book))


def _clock_control(
    basis: Basis, feed: Feed, space: Space, journal: ClockJournal, set_speed: float
) -> ClockControl:
    async def prepare(t_s: float) -> None:
        """Have at hand what is in force at an orbit time. Raises ValueError where no orbit is."""
        await asyncio.get_running_loop().run_in_executor(basis.worker, basis.geometry.epoch, t_s)

    return ClockControl(
        timeline=basis.timeline,
        set_speed=set_speed,
        start=basis.geometry.start,
        clock=basis.clock,
        events=basis.events,
        journal=journal,
        prepare=prepare,
        turn=feed.turn,
        next_eclipse=space.next_eclipse_s,
    )
