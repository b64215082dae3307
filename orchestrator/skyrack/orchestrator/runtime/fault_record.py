"""What is written of faults: the journal, for an orchestrator that goes on with the run, and events, for everybody else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skyrack.orchestrator.faults.fault import Fault
from skyrack.orchestrator.faults.ledger import Change
from skyrack.orchestrator.faults.occurrence import Known
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.fault_journal import FaultJournal, Kept


class FaultRecord:
    """`names`: of all nodes."""

    def __init__(self, journal: FaultJournal, events: EventLog, names: Sequence[str]) -> None:
        self._journal = journal
        self._names = names
        self._resumed: set[str] = set()
        self.events = events

    def kept(self) -> list[Kept] | None:
        """What an orchestrator before this one has written; None where there was none."""
        return self._journal.read()

    def resumed(self, fault: Kept) -> None:
        """One that had begun goes on."""
        self._resumed.add(fault.id)

    def lost(self, fault: Kept, reason: str) -> None:
        """One cannot go on."""
        self._journal.over([fault.id])
        self.events.add("fault_failed", fault=fault.id, kind=fault.entry.get("kind"), reason=reason)

    def entered(self, faults: Iterable[Fault], known: Known | None = None) -> None:
        """These are to be; `known`: of an occurrence."""
        self._journal.entered(faults, known)

    def until(self, fault_id: str, until_s: float) -> None:
        """One ends at another time than was said."""
        self._journal.ended(fault_id, until_s)

    def never(self, fault_id: str) -> None:
        """One will not begin."""
        self._journal.over([fault_id])

    def begin(self, change: Change) -> None:
        """Before anything of a change is done."""
        self._journal.begun(fault.id for fault in change.began)
        for _, after, _ in change.staged:
            self._journal.staged(after.id, len(after.draft.stages))

    def done(self, change: Change) -> None:
        """All of a change has been given to those who do it."""
        self._journal.over(fault.id for fault in change.ended)
        for fault in change.began:
            self._tell("fault_resumed" if fault.id in self._resumed else "fault_began", fault, change.at_s)
        self._tell_of_stages(change)
        self._tell_of_mended(change)
        for fault in change.ended:
            self._tell("fault_ended", fault, change.at_s)

    def _tell(self, event: str, fault: Fault, at_s: float) -> None:
        draft = fault.draft
        self.events.add(
            event, run_s=at_s, fault=fault.id, kind=draft.kind, on=list(draft.target.words),
            cause=draft.cause, **draft.values,
        )  # fmt: skip

    def _tell_of_stages(self, change: Change) -> None:
        for before, after, stage in change.staged:
            self.events.add(
                "fault_stage", run_s=change.at_s, fault=after.id, kind=after.draft.kind, stage=stage.name,
                on=list(before.draft.target.words), cause=after.draft.cause,
            )  # fmt: skip

    def _tell_of_mended(self, change: Change) -> None:
        for before, _, by in change.mended:
            nodes = sorted(by.draft.effect.mends & _touched(before))
            self.events.add(
                "fault_mended", run_s=change.at_s, fault=before.id, kind=before.draft.kind,
                on=[self._names[node] for node in nodes], by=by.id,
            )  # fmt: skip


def _touched(fault: Fault) -> frozenset[int]:
    """Nodes that a fault keeps dark or holds something at."""
    effect = fault.draft.effect
    return effect.dark | {node for node, _ in effect.holds}
