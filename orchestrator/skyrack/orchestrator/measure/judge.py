"""What the history of a workload proves, as a verdict needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyrack.check import CheckError, Report
from skyrack.history import HistoryError, read_history
from skyrack.orchestrator.measure.workload import StoreLoad
from skyrack.workloads import find_workload


@dataclass(frozen=True, slots=True)
class Judged:
    """`broken`: promises that were not kept. `doubts`: why the history cannot say that they were."""

    report: Mapping[str, Any] | None
    broken: tuple[str, ...]
    doubts: tuple[str, ...]


def judge_history(path: Path, load: StoreLoad, events: Sequence[Mapping[str, Any]]) -> Judged:
    """Check a history on file as its workload wants it, with the run's events meanwhile."""
    try:
        history = read_history(path)
        report: Report = find_workload(load.kind).of(load.options).checks(history, events)
    except (HistoryError, CheckError) as error:
        return Judged(None, (), (str(error),))
    except Exception as error:  # of a workload of the user's
        return Judged(None, (), (f"the checks of {load.kind} end with {type(error).__name__}: {error}",))
    doubts = [
        f"{check.name}: {_first(check.text)}" for check in report.checks if check.verdict == "inconclusive"
    ]
    if history.cut_short:
        doubts.append("the history is cut short")
    broken = [f"{check.name}: {_first(check.text)}" for check in report.checks if check.verdict == "bad"]
    return Judged(report.to_json(), tuple(broken), tuple(doubts))


def _first(text: str) -> str:
    return text.partition("\n")[0]
