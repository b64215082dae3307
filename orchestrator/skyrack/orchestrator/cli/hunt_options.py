"""What a hunt is asked for, and what that means in its scenario."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skyrack.history import Header, History
from skyrack.orchestrator.cli.describe import geometry_of
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.hunt.draw import Drawer
from skyrack.orchestrator.hunt.kinds import KINDS
from skyrack.orchestrator.hunt.search import GoalName, Hunt, Rules
from skyrack.orchestrator.hunt.world import OrbitWorld
from skyrack.orchestrator.scenario import Scenario, Service, dump_scenario, load_scenario
from skyrack.orchestrator.scenario.placement import placed
from skyrack.orchestrator.spelling import closest
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.workloads import UnknownName, find_adapter, find_workload
from skyrack.workloads.registry import WORKLOADS

SHORTEST_TRIAL_S = 5
OWN = "workload"  # skyrack load workload FILE.py:CLASS
_THRESHOLDS = ("p99 <= ", "availability >= ")


@dataclass(frozen=True, slots=True)
class Options:
    """What a hunt was asked for; `--resume` finds it in hunt.json. Times in seconds, paths absolute.

    `command`: as it was typed. `digest`: of the scenario with everything filled in. `load`: the words after `skyrack load`.
    `test`: where the pytest file is to be; empty for the hunt's directory.
    """

    command: str
    scenario: str
    digest: str
    load: list[str]
    service: str
    clients: list[str]
    kinds: list[str]
    checks: list[str]
    goal: GoalName
    seed: int
    search_s: float
    shrink_s: float
    trial_s: int
    orbit_s: int
    replays: int
    test: str


def absolute(source: str) -> str:
    """A scenario as it is found from anywhere: a path, or the name of a preset."""
    return str(Path(source).resolve()) if Path(source).exists() else source


def digest_of(scenario: Scenario) -> str:
    """What changes when the scenario does."""
    return hashlib.sha256(dump_scenario(scenario).encode()).hexdigest()


def service_of(scenario: Scenario, name: str | None) -> Service:
    """The service under test. Raises Problem."""
    by_name = {service.name: service for service in scenario.services}
    if name is None and len(by_name) == 1:
        return next(iter(by_name.values()))
    there = f"there are {', '.join(by_name)}" if by_name else "the scenario has none"
    if name is None:
        raise Problem(f"which service? {there}", hint="--service NAME", status=USAGE)
    if name not in by_name:
        raise Problem(f"--service: no service is called {name!r}: {there}", status=USAGE)
    return by_name[name]


def refuse_unknown(workload: str, adapter: str, checks: Sequence[str]) -> None:
    """What no trial could run, and checks that none would report, so that nothing ever broke. Raises Problem.

    The checks of a workload of one's own are not known beforehand.
    """
    if workload != OWN and workload not in WORKLOADS:
        near = closest(workload, WORKLOADS) or f"there are {', '.join(WORKLOADS)}, or {OWN} -- FILE.py:CLASS"
        raise Problem(f"--workload: no workload is called {workload!r}: {near}", status=USAGE)
    try:
        find_adapter(adapter)
    except UnknownName as error:
        raise Problem(f"--adapter: {error}", status=USAGE) from error
    if workload == OWN:
        return
    known = _promises(workload)
    for name in checks:
        if name not in known and not name.startswith(_THRESHOLDS):
            near = closest(name, known) or f"{workload} has {', '.join(known)}"
            raise Problem(f"--check: no check is called {name!r}: {near}", status=USAGE)


def _promises(workload: str) -> list[str]:
    """The names of a workload's checks: those that it has for a history of nothing."""
    asks = find_workload(workload).of({})
    nothing = History(Header(asks.name, asks.model, options=asks.facts()), [])
    return [check.name for check in asks.checks(nothing).checks]


def prepared(options: Options) -> tuple[Hunt, Geometry]:
    """The hunt before its first trial, and the scenario's geometry. Raises Problem: something cannot be done."""
    for kind in options.kinds:
        if kind not in KINDS:
            near = closest(kind, KINDS) or f"there are {', '.join(KINDS)}"
            raise Problem(f"--kinds: nothing called {kind!r} can be drawn: {near}", status=USAGE)
    if options.trial_s < SHORTEST_TRIAL_S:
        raise Problem(f"--trial {options.trial_s}s: expected {SHORTEST_TRIAL_S} s or longer", status=USAGE)
    if options.orbit_s < 1:
        raise Problem(f"--orbit {options.orbit_s}s: expected a second or longer", status=USAGE)
    if options.test and not Path(options.test).parent.is_dir():
        raise Problem(f"--test: there is no directory {Path(options.test).parent}", status=USAGE)
    scenario = load_scenario(options.scenario)
    geometry = geometry_of(scenario)
    inhabited = [(geometry.names[node], geometry.kind[node]) for node in geometry.inhabited.tolist()]
    members = tuple(placed(service_of(scenario, options.service), inhabited))
    if not options.clients:
        raise Problem("operations come from nowhere", hint="ground: [london], or --at NODE", status=USAGE)
    for name in options.clients:
        if name not in dict(inhabited):
            near = closest(name, dict(inhabited)) or "skyrack validate --resolved shows them"
            raise Problem(f"--at: no node with a process is called {name!r}: {near}", status=USAGE)
    world = OrbitWorld(geometry, options.service, members, tuple(options.clients))
    drawer = Drawer(world, tuple(options.kinds), options.trial_s, options.orbit_s)
    rules = Rules(
        options.goal,
        options.seed,
        options.search_s,
        options.shrink_s,
        options.replays,
        tuple(options.checks),
    )
    return Hunt(drawer, rules), geometry
