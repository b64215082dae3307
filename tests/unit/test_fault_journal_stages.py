"""A fault that was in a stage when its orchestrator ended begins that stage anew, and none before it."""

from __future__ import annotations

from pathlib import Path

from skyrack.orchestrator.faults.fault import Draft, Fault
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.targets import Selection, Target
from skyrack.orchestrator.runtime.fault_journal import FaultJournal


def test_the_journal_knows_how_many_stages_are_left(tmp_path: Path) -> None:
    kind, target = KINDS["retire"], Target(("p0s00",), nodes=(0,), places=((0, ""),))
    values = {parameter.key: parameter.default or 0.0 for parameter in kind.parameters}
    assert kind.stages is not None
    stages = kind.stages(values, target)
    draft = Draft(
        kind.name, target, values, kind.effect(values, target), float("inf"), "test",
        selection=Selection(nodes=("p0s00",)), stages=stages,
    )  # fmt: skip
    journal = FaultJournal(tmp_path / "faults.jsonl")
    journal.entered([Fault("f1", draft, 5.0, float("inf"))])
    journal.begun(["f1"])
    assert [kept.stages_left for kept in journal.read() or []] == [None]
    journal.staged("f1", 1)
    kept = (journal.read() or [])[0]
    assert kept.stages_left == 1
    assert [stage.name for stage in stages[-1 - kept.stages_left :]] == ["erase", "deorbit"]
    assert kept.entry == {"kind": "retire", "nodes": ["p0s00"], **values, "cause": "test"}
