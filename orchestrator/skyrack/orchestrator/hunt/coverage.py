"""Which states a schedule's faults meet, as words: a hunt keeps the schedules that met new ones.

A fault's word has its kind, the role of its target, whether a way changes beside it, how many links of its target are lit, and
how far clients are from members. Two faults that act together have a word, too, and so has what became of the operations. How
long faults last and how many they are is left out: to look for what is new there would be to look for short faults, and many.
"""

from __future__ import annotations

from itertools import combinations

from skyrack.orchestrator.hunt.outcome import Outcome
from skyrack.orchestrator.hunt.schedule import PER_S, Fault, Schedule
from skyrack.orchestrator.hunt.world import World

BESIDE_S = 1.5
"""A fault this near to a change of a way is beside it: longer than the time until everybody has heard of a lost link."""
_ALONE = {"/": "'s service", "|": " from members", ">": " one way"}
_HELD_DS = 30  # how long what has no end of its own counts as acting


def signature(schedule: Schedule, world: World) -> frozenset[str]:
    """The words of a schedule's faults."""
    words = {_word(fault, schedule, world) for fault in schedule.faults}
    for one, other in combinations(schedule.faults, 2):
        if _together(one, other):
            same = "same" if one.node == other.node else "other"
            words.add(f"{_what(one, world)} then {_what(other, world)} {same}")
    return frozenset(words)


def effect(outcome: Outcome) -> frozenset[str]:
    """The words of what a trial came to: how many operations failed or are unknown, and the longest recovery, by octaves."""
    words = {f"fail {outcome.fail.bit_length()}", f"unknown {outcome.unknown.bit_length()}"}
    if outcome.recovery_s is not None:
        words.add(f"recovery {int(outcome.recovery_s).bit_length()}")
    return frozenset(words)


def _word(fault: Fault, schedule: Schedule, world: World) -> str:
    t_s = schedule.start_s + fault.at_ds / PER_S
    lit = "-" if world.role(fault.node) == "link" else str(min(world.lit(fault.node, t_s), 4))
    return " ".join(
        [
            _what(fault, world),
            _beside(t_s, world),
            f"lit={lit}",
            f"hops={_hops(world.hops(t_s))}",
        ]
    )


def _what(fault: Fault, world: World) -> str:
    back = " back" if fault.value.startswith("-") else ""
    alone = next((text for mark, text in _ALONE.items() if mark in fault.target), "")
    return f"{fault.kind}{back} {world.role(fault.node)}{alone}"


def _together(one: Fault, other: Fault) -> bool:
    ends = [(fault.at_ds, fault.at_ds + (fault.for_ds or _HELD_DS)) for fault in (one, other)]
    return max(begin for begin, _ in ends) < min(end for _, end in ends)


def _beside(t_s: float, world: World) -> str:
    changes = world.changes_s(t_s - BESIDE_S, t_s + BESIDE_S)
    if not changes:
        return "apart"
    nearest = min(changes, key=lambda at_s: abs(at_s - t_s))
    return "before" if nearest >= t_s else "after"


def _hops(hops: int | None) -> str:
    if hops is None:
        return "none"
    return "0-2" if hops <= 2 else "3-5" if hops <= 5 else "6-"
