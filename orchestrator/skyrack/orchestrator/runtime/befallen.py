"""What has come of occurrences: which of them are faults already, and how many have begun."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from skyrack.orchestrator.faults.fault import Fault
from skyrack.orchestrator.faults.occurrence import Known
from skyrack.orchestrator.runtime.fault_journal import Kept


class Befallen:
    """Of this orchestrator, but for `before`: what one before it has entered, by fault.

    `came`: how many have begun, by source and kind.
    """

    def __init__(self) -> None:
        self.before: Mapping[str, Known] = {}
        self.came: Counter[tuple[str, str]] = Counter()
        self._source: dict[str, str] = {}  # of those that are to begin

    def go_on(self, kept: Iterable[Kept]) -> None:
        """Another orchestrator has entered these."""
        self.before = {fault.id: fault.occurrence for fault in kept if fault.occurrence is not None}

    def entered(self, fault: Fault, known: Known) -> None:
        """An occurrence is a fault now."""
        self._source[fault.id] = known.source

    def began(self, faults: Iterable[Fault]) -> None:
        """Count those of them that occurrences are."""
        self.came.update(
            (self._source.pop(fault.id), fault.draft.kind) for fault in faults if fault.id in self._source
        )
