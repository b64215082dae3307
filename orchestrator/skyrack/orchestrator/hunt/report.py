"""What a hunt says at its end: lines for a terminal, and JSON values."""

from __future__ import annotations

from typing import Any

from skyrack.orchestrator.hunt.search import Find, Hunt


def verdict(hunt: Hunt) -> str:
    """`found`: confirmed; `unstable`: it broke, not each time; `held`: nothing broke; `inconclusive`: no trial says."""
    best = hunt.best
    if best is not None:
        return "found" if best.confirmed else "unstable"
    return "held" if hunt.trials > hunt.inconclusive else "inconclusive"


def lines(hunt: Hunt) -> list[str]:
    """The report, without where its files are."""
    trials = f"{hunt.trials} trial{'' if hunt.trials == 1 else 's'}, {hunt.spent_s:.0f} s, {len(hunt.seen)} states met"
    if hunt.inconclusive:
        trials += f", {hunt.inconclusive} inconclusive"
    best = hunt.best
    if best is None:
        mark = " ok " if verdict(hunt) == "held" else " ?? "
        return [f"{mark} nothing broke   {trials}"]
    mark = "BAD " if best.confirmed else " ?? "
    schedule = best.smallest
    found = [
        f"{mark} {best.goal.words}   {replays(best)}",
        *(f"     {line}" for line in best.outcome.text.splitlines()),
        f"     Faults   {'  '.join(schedule.words) or 'none: it breaks without any'}",
        f"     Load     {schedule.start_s} s into the orbit, for {schedule.span_s} s, seed {schedule.seed}",
        f"     Found    in trial {best.first}; {_shrunk(best)}",
        f"     Hunt     {trials}",
    ]
    others = len(hunt.finds) - 1
    if others:
        found += [f"     Others   {others} more broke, and not each time"]
    return found


def replays(find: Find) -> str:
    """How sure it is, in words."""
    counts = find.replays
    if not find.wanted:
        again = f", and in none of {counts.held} more trials" if counts.held else ""
        return f"NOT CONFIRMED: broke once{again}"
    told = f"broke {counts.broke} of {counts.conclusive} replays"
    if counts.inconclusive:
        told += f", {counts.inconclusive} more inconclusive"
    if find.confirmed:
        return f"confirmed: {told}"
    return f"{'UNSTABLE' if counts.held else 'NOT CONFIRMED'}: {told}"


def as_json(hunt: Hunt) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "verdict": verdict(hunt),
        "trials": hunt.trials,
        "spent_s": round(hunt.spent_s, 3),
        "inconclusive": hunt.inconclusive,
        "states": len(hunt.seen),
        "finds": [_find(find) for find in hunt.finds],
        "best": None if hunt.best is None else hunt.finds.index(hunt.best),
    }


def _find(find: Find) -> dict[str, Any]:
    counts = find.replays
    return {
        "what": find.goal.words,
        "confirmed": find.confirmed,
        "replays": {"broke": counts.broke, "held": counts.held, "inconclusive": counts.inconclusive},
        "first_trial": find.first,
        "shown_by_trial": find.shown_by,
        "shrinking_ended": find.shrinking_ended,
        "schedule": find.smallest.as_json(),
        "found_as": find.trail[0].as_json(),
        "outcome": find.outcome.as_json(),
    }


def _shrunk(find: Find) -> str:
    if not find.wanted and len(find.trail) == 1:
        return "not shrunk"
    before, after = len(find.trail[0].faults), len(find.smallest.faults)
    told = f"{before} fault{'' if before == 1 else 's'} shrunk to {after}"
    return told if find.shrinking_ended else f"{told}, and the time to shrink was over"
