"""Storms, and stays over the anomaly that somebody has ordered: what radiation has to know of faults."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from skyrack.orchestrator.environment.spells import Spells, spell_of
from skyrack.orchestrator.faults.fault import Fault
from skyrack.orchestrator.timeline import Timeline


class Storms:
    """All of a run, also those that are to come and those that are over. `on_change`: hears of every new one."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._faults: dict[str, Fault] = {}
        self.on_change: Callable[[], None] = lambda: None

    def note(self, faults: Iterable[Fault]) -> None:
        """Take up those of them that are any."""
        radiating = {f.id: f for f in faults if f.draft.effect.radiation or f.draft.effect.anomaly}
        if radiating:
            self._faults |= radiating
            self.on_change()

    def end(self, fault_id: str, at_s: float) -> None:
        """One, if it is any, ends at this run time; if that is before it begins it never does."""
        if (fault := self._faults.get(fault_id)) is not None:
            self.note([replace(fault, until_s=min(fault.until_s, at_s))])

    def spells(self) -> Spells:
        """Over orbit time, as the timeline is known. Orbits have stays of their own."""
        found = (
            spell_of(fault.draft.effect, self._t_s(fault.since_s), self._t_s(fault.until_s))
            for fault in self._faults.values()
        )
        return Spells(spell for spell in found if spell is not None)

    def _t_s(self, run_s: float) -> float:
        return self._timeline.t_s(run_s) if run_s < math.inf else math.inf
