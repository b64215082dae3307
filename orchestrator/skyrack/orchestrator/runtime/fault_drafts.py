"""What somebody wants to be a fault, read: requests, campaigns, the scenario's plan, occurrences, and the journal's entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from skyrack.orchestrator.faults.atlas import Services
from skyrack.orchestrator.faults.campaign import draw
from skyrack.orchestrator.faults.fault import Draft, Planned
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.occurrence import Occurrence
from skyrack.orchestrator.faults.plan import drafted, planned
from skyrack.orchestrator.faults.problem import FaultProblem
from skyrack.orchestrator.faults.request import Request, read_draft, read_requests
from skyrack.orchestrator.faults.targets import Selection, places_of
from skyrack.orchestrator.runtime.fault_journal import Kept
from skyrack.orchestrator.scenario.campaigns import read_campaign
from skyrack.orchestrator.topology.atlas import atlas_of
from skyrack.orchestrator.topology.geometry import Geometry


class Drafts:
    """Of one run; `services`: where they are at the time. Everything raises FaultProblem or Unknown, and then nothing is."""

    def __init__(self, geometry: Geometry, services: Callable[[], Services]) -> None:
        self._names = geometry.names
        self._scenario = geometry.scenario
        self._seed = geometry.scenario.seed
        self._atlas = atlas_of(geometry, services)
        self._campaigns = {campaign.name for campaign in geometry.scenario.faults.campaigns}

    def plan(self) -> list[Planned]:
        """Everything that the scenario has decided beforehand."""
        return planned(self._scenario.faults.timetable(), self._atlas, self._seed)

    def asked(self, body: Mapping[str, Any], given: int) -> list[Request]:
        """A request's. `given`: how many faults there have been, which decides what is drawn for it."""
        return read_requests(body, self._atlas, lambda index: Lot(self._seed, "request", given + index))

    def campaign(self, body: Mapping[str, Any]) -> tuple[str, list[Planned]]:
        """Its name and what it draws; no name twice."""
        campaign = read_campaign(body)
        if campaign.name in self._campaigns:
            raise FaultProblem(
                f"there is a campaign called {campaign.name!r} already, and it would draw the same"
            )
        return campaign.name, draw(campaign, self._atlas, self._seed)

    def drawn(self, campaign: str) -> None:
        """No other campaign can be called so any more."""
        self._campaigns.add(campaign)

    def befalling(self, occurrence: Occurrence) -> Draft:
        """What an occurrence will be."""
        return drafted(occurrence, self._atlas, self._seed)

    def kept(self, fault: Kept) -> Draft:
        """What the journal says a fault is."""
        return read_draft(fault.entry, self._atlas, Lot(self._seed, fault.id))

    def whole_nodes(self, words: Sequence[str]) -> list[str]:
        """The names of nodes with a process that words select, for a command."""
        if not words:
            raise FaultProblem("which nodes?")
        target = places_of(Selection(nodes=tuple(words)), self._atlas, bare=False)
        for node, service in target.places:
            if service:
                raise FaultProblem(
                    f"{self._names[node]}/{service}: a whole node is meant: {self._names[node]}"
                )
        return [self._names[node] for node, _ in target.places]
