"""Which faults a run has, for an orchestrator that goes on with it: faults.jsonl in the run directory, appended to.

{"fault": "f3", "since_s": 20.0, "until_s": 50.0, "entry": {"kind": ...}}   entered; until_s null: until further notice
{..., "occurrence": {"source": "radiation", "t_s": 1200.5, "for_t_s": 90.0}}      of one that waited for orbit time, as well
{"fault": "f3", "begun": true}                                              written before anything of it is done
{"fault": "f3", "stages_left": 1}                                           it has come to its last stage but one
{"fault": "f3", "until_s": 31.2}                                            it ends then: somebody, or the clock, wants it
{"fault": "f3", "over": true}                                               it has ended
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skyrack.orchestrator.faults.fault import Fault
from skyrack.orchestrator.faults.occurrence import Known
from skyrack.orchestrator.faults.request import entry_of
from skyrack.orchestrator.runtime.journal import Journal


@dataclass(frozen=True, slots=True)
class Kept:
    """A fault that was entered, with the time at which it ends as far as was known.

    `occurrence`: what it was of the sources of occurrences, None for one of somebody else.
    """

    id: str
    since_s: float
    until_s: float
    entry: Mapping[str, Any]
    begun: bool
    over: bool
    stages_left: int | None = None  # beside the one it is in
    occurrence: Known | None = None


class FaultJournal:
    """Of one run."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)

    def entered(self, faults: Iterable[Fault], occurrence: Known | None = None) -> None:
        """These are to be, all of them of one occurrence if that is given."""
        more = {} if occurrence is None else {"occurrence": asdict(occurrence)}
        self._journal.append(
            {
                "fault": fault.id,
                "since_s": fault.since_s,
                "until_s": fault.until_s if fault.until_s < math.inf else None,
                "entry": entry_of(fault.draft),
                **more,
            }
            for fault in faults
        )

    def ended(self, fault_id: str, until_s: float) -> None:
        """One is to end at another time than was said: somebody has ended it, or orbit time goes on otherwise."""
        self._journal.append([{"fault": fault_id, "until_s": until_s if until_s < math.inf else None}])

    def begun(self, fault_ids: Iterable[str]) -> None:
        """These are about to begin."""
        self._journal.append({"fault": fault_id, "begun": True} for fault_id in fault_ids)

    def staged(self, fault_id: str, stages_left: int) -> None:
        """One has come to another stage; so many are to come."""
        self._journal.append([{"fault": fault_id, "stages_left": stages_left}])

    def over(self, fault_ids: Iterable[str]) -> None:
        """These have ended."""
        self._journal.append({"fault": fault_id, "over": True} for fault_id in fault_ids)

    def read(self) -> list[Kept] | None:
        """Every fault, in the order of entering; None where there is no journal."""
        records = self._journal.read()
        if records is None:
            return None
        known: dict[str, dict[str, Any]] = {}
        for record in records:
            with contextlib.suppress(KeyError, TypeError):  # no record of a fault
                known.setdefault(record["fault"], {}).update(record)
        return [
            Kept(
                name,
                float(last["since_s"]),
                math.inf if last["until_s"] is None else float(last["until_s"]),
                last["entry"],
                "begun" in last,
                "over" in last,
                last.get("stages_left"),
                Known(**last["occurrence"]) if "occurrence" in last else None,
            )
            for name, last in known.items()
            if "entry" in last
        ]
