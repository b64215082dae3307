"""A fault of an orchestrator that was there before, as it goes on. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from skyrack.orchestrator.faults.fault import Draft, Fault
from skyrack.orchestrator.faults.problem import FaultProblem
from skyrack.orchestrator.runtime.fault_journal import Kept

UNDO_S: Final = 0.05  # what ended while there was no orchestrator acts this long once more: what it left is found and undone


def is_done(fault: Kept) -> bool:
    """Whether nothing of it is left to do."""
    return fault.over or (fault.begun and fault.until_s == fault.since_s)


def resumed(fault: Kept, read: Callable[[Kept], Draft], now_s: float) -> Fault:
    """One that is not done, from `now_s` on. Raises FaultProblem, Unknown with why it cannot be any more."""
    if not fault.begun and fault.until_s < now_s:
        raise FaultProblem("its time has passed while there was no orchestrator")
    draft = read(fault)
    since_s = max(fault.since_s, now_s)
    at_once = fault.until_s == fault.since_s
    lasts_s = 0.0 if at_once else max(fault.until_s - since_s, UNDO_S)
    if fault.stages_left is not None:  # the one it was in begins anew
        draft = replace(draft, stages=draft.stages[-1 - fault.stages_left :])
    return Fault(fault.id, draft, since_s, since_s + lasts_s)
