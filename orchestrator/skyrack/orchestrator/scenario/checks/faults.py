"""Faults act on what there is."""

from collections.abc import Iterator
from typing import Any

from skyrack.orchestrator.faults.atlas import Atlas, Services
from skyrack.orchestrator.faults.campaign import draw
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.plan import scheduled
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.faults.selectors import drawn, is_random, select
from skyrack.orchestrator.lifecycle import batches  # which imports scenarios

from ..model.scenario import Scenario
from ..placement import KINDS
from ..whereabouts import launches, on_ground, shells_by_name
from .finding import Draft, Finding, Path

_NEEDED = {"faults", "lifecycle", "shells", "tle", "omm", "ground", "users", "pops", "services"}


def check_faults(draft: Draft) -> Iterator[Finding]:
    """Yield words that name nothing, parameters that are missing, and campaigns that have nothing to draw from.

    Which satellites have a process and which lasers there are is for the run to find out: both take the orbits.
    """
    if draft.bad & _NEEDED or draft.satellites is None:
        return
    faults, seed = draft.scenario.faults, draft.scenario.seed
    if not faults.schedule and not faults.campaigns:
        return
    atlas = atlas_of_draft(draft.scenario, list(draft.satellites))
    for index, fault in enumerate(faults.schedule):
        path: Path = ("faults", "schedule", index)
        entry = fault.entry()
        findings = list(_words(path, entry, atlas))
        yield from findings
        if not findings:
            yield from tried(path, lambda i=index, e=entry: scheduled(i, e, atlas, seed))
    names: set[str] = set()
    for index, campaign in enumerate(faults.campaigns):
        path = ("faults", "campaigns", index)
        if campaign.name in names:
            yield Finding((*path, "name"), f"'{campaign.name}' is already the name of another campaign")
        names.add(campaign.name)
        yield from tried(path, lambda c=campaign: draw(c.draw(), atlas, seed))


def _words(path: Path, entry: dict[str, Any], atlas: Atlas) -> Iterator[Finding]:
    """Each word that selects nodes, by itself."""
    for key in ("nodes", "to"):
        for number, word in enumerate(entry.get(key, ())):
            if is_random(word):
                yield from tried((*path, key, number), lambda w=word: drawn(w, atlas, Lot(0), services=True))
            else:
                yield from tried((*path, key, number), lambda w=word: select(w, atlas))
    for number, word in enumerate(entry.get("planes", ())):
        yield from tried((*path, "planes", number), lambda w=word: atlas.plane(w))


def tried(path: Path, attempt: Any) -> Iterator[Finding]:
    """Yield what is wrong with an attempt."""
    try:
        attempt()
    except (FaultProblem, Unknown) as problem:
        message, meant, near = str(problem).partition("did you mean ")
        yield Finding(path, message.removesuffix(": "), meant + near or None)


def atlas_of_draft(scenario: Scenario, satellites: list[str]) -> Atlas:
    """As far as it can be known without orbits."""
    ground = on_ground(scenario)
    names = [*satellites, *(station.name for station in scenario.ground)]
    names += [*(user.name for user in scenario.users), *(pop.name for pop in scenario.pops)]
    shells, first = [], 0
    for shell in scenario.shells:
        shells.append((shell, range(first, first + shell.size)))
        first += shell.size
    index = {name: i for i, name in enumerate(names)}
    fibres = [
        (index[fibre.a], index[fibre.b]) for fibre in scenario.fibre if {fibre.a, fibre.b} <= index.keys()
    ]
    atlas = Atlas(
        names,
        len(satellites),
        len(scenario.ground) + len(scenario.users),
        None,
        fibres,
        ground=ground,
        batches=launches(shells),
        shells=shells_by_name(shells),
        services=lambda: _services(scenario, len(satellites), index),
    )
    atlas.launches = batches.launched_together(scenario.lifecycle, atlas, scenario.seed)
    return atlas


def _services(scenario: Scenario, n_sat: int, index: dict[str, int]) -> Services:
    """Where each could be: of those on satellites, any."""
    kinds = ["satellite"] * n_sat + [place.kind for place in on_ground(scenario)]
    return {
        service.name: [index[name] for name in service.named_nodes if name in index]
        or [
            node
            for node, kind in enumerate(kinds)
            if service.nodes == "all" or kind == KINDS.get(str(service.nodes))
        ]
        for service in scenario.services
    }
