"""Storms, and stays over the anomaly that somebody has ordered: what radiation and surroundings have to know of faults.

faults that are noted --timeline--> spells, over orbit time: what is drawn, doses, stays
      '--those the ledger has begin and end--> now: nodes' surroundings, status, bus, metrics
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from skyrack.orchestrator.environment.spells import CALM, Spells, in_force, spell_of
from skyrack.orchestrator.faults.fault import Fault
from skyrack.orchestrator.faults.ledger import Change
from skyrack.orchestrator.timeline import Timeline


class Storms:
    """All of a run, also those that are to come and those that are over.

    `on_change` hears that others are known than before, `on_turn` that others are in force.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._faults: dict[str, Fault] = {}
        self.spells = Spells()  # as the timeline is known; orbits have stays over the anomaly of their own
        self._acting: dict[str, Fault] = {}
        self.now = CALM
        self.on_change: Callable[[], None] = lambda: None
        self.on_turn: Callable[[], None] = lambda: None
        timeline.listen(lambda _: self._project())

    def note(self, faults: Iterable[Fault]) -> None:
        """Take up those of them that are any."""
        radiating = {f.id: f for f in faults if f.draft.effect.radiation or f.draft.effect.anomaly}
        if radiating:
            self._faults |= radiating
            self._project()
            self.on_change()

    def end(self, fault_id: str, at_s: float) -> None:
        """One, if it is any, ends at this run time; if that is before it begins it never does."""
        if (fault := self._faults.get(fault_id)) is not None:
            self.note([replace(fault, until_s=min(fault.until_s, at_s))])

    def follow(self, change: Change) -> None:
        """Some of them may have begun or ended."""
        acting = self._acting | {fault.id: fault for fault in change.began if fault.id in self._faults}
        for fault in change.ended:
            acting.pop(fault.id, None)
        if acting.keys() != self._acting.keys():
            self._acting = acting
            self.now = in_force(fault.draft.effect for fault in acting.values())
            self.on_turn()

    def _project(self) -> None:
        found = (
            spell_of(fault.draft.effect, self._t_s(fault.since_s), self._t_s(fault.until_s))
            for fault in self._faults.values()
        )
        self.spells = Spells(spell for spell in found if spell is not None)

    def _t_s(self, run_s: float) -> float:
        return self._timeline.t_s(run_s) if run_s < math.inf else math.inf
