"""Which faults a run has, for an orchestrator that goes on with it: faults.jsonl in the run directory, appended to.

{"fault": "f3", "since_s": 20.0, "until_s": 50.0, "entry": {"kind": ...}}   entered; until_s null: until further notice
{..., "occurrence": {"source": "radiation", "t_s": 1200.5, "for_t_s": 90.0}}      of one that waited for orbit time, as well
{"fault": "f3", "begun": true}                                              written before anything of it is done
{"fault": "f3", "until_s": 31.2}                                            it ends then: somebody, or the clock, wants it
{"fault": "f3", "over": true}                                               it has ended
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skyrack.orchestrator.faults.fault import Fault
from skyrack.orchestrator.faults.occurrence import Known
from skyrack.orchestrator.faults.request import entry_of


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
    occurrence: Known | None = None


class FaultJournal:
    """Appends; a disk that is full costs what an orchestrator to come would have known, never the run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entered(self, faults: Iterable[Fault], occurrence: Known | None = None) -> None:
        """These are to be, all of them of one occurrence if that is given."""
        more = {} if occurrence is None else {"occurrence": asdict(occurrence)}
        self._append(
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
        self._append([{"fault": fault_id, "until_s": until_s if until_s < math.inf else None}])

    def begun(self, fault_ids: Iterable[str]) -> None:
        """These are about to begin."""
        self._append({"fault": fault_id, "begun": True} for fault_id in fault_ids)

    def over(self, fault_ids: Iterable[str]) -> None:
        """These have ended."""
        self._append({"fault": fault_id, "over": True} for fault_id in fault_ids)

    def read(self) -> list[Kept] | None:
        """Every fault, in the order of entering; None where there is no journal."""
        try:
            lines = self._path.read_text().splitlines()
        except OSError:
            return None
        known: dict[str, dict[str, Any]] = {}
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that a kill has cut
                record = json.loads(line)
                known.setdefault(record["fault"], {}).update(record)
        return [
            Kept(
                name,
                float(last["since_s"]),
                math.inf if last["until_s"] is None else float(last["until_s"]),
                last["entry"],
                "begun" in last,
                "over" in last,
                Known(**last["occurrence"]) if "occurrence" in last else None,
            )
            for name, last in known.items()
            if "entry" in last
        ]

    def _append(self, records: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(record) + "\n" for record in records)
        with contextlib.suppress(OSError):
            if text:
                with self._path.open("a") as file:
                    file.write(text)
