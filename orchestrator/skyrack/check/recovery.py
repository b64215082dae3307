"""How long the service took to answer again: for every fault, and for every gap that has another cause or none."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from skyrack.check.availability import Gap, by_node, common_gaps, gaps, judged
from skyrack.check.causes import FELT_S, Cause, cause_of, causes
from skyrack.check.report import Check
from skyrack.check.words import count
from skyrack.history import Operation

NAME = "recovery"
_MOST_LISTED = 12


def recovery(
    operations: Sequence[Operation], events: Iterable[Mapping[str, Any]]
) -> tuple[Check, list[dict[str, Any]]]:
    """One row per injected fault, with or without a gap; per other cause that has one; one for gaps without a cause.

    Times are run time. `recovered_after_s`: from the cause's begin to the first answer behind the last gap that it has, null
    if none came; 0 where only something under way failed of it. Never bad by itself: what is quick enough is the user's
    threshold.
    """
    operations = judged(operations)
    if not operations:
        return Check(NAME, "inconclusive", "no operations"), []
    first_s = min(operation.invoked_s for operation in operations)
    last_s = max(_known_end_s(operation) for operation in operations)
    known = [cause for cause in causes(events) if cause.begin_s <= last_s and cause.end_s + FELT_S >= first_s]
    per_node = by_node(operations)
    of_nodes = [gap for node, asked in per_node.items() if node for gap in gaps(asked, node)]
    by_cause: dict[int | None, defaultdict[str, list[Gap]]] = {
        place: defaultdict(list) for place, cause in enumerate(known) if cause.kind == "injected"
    }
    places = {id(cause): place for place, cause in enumerate(known)}
    for gap in [*common_gaps(per_node), *of_nodes]:
        found = cause_of(gap, known)
        place = None if found is None else places[id(found)]
        by_cause.setdefault(place, defaultdict(list))[gap.node].append(gap)
    order = sorted(by_cause, key=lambda place: math.inf if place is None else place)
    rows = [_row(None if place is None else known[place], by_cause[place]) for place in order]
    return _check(rows), rows


def _row(cause: Cause | None, by_node: Mapping[str, Sequence[Gap]]) -> dict[str, Any]:
    begin_s = None if cause is None else cause.begin_s
    of_nodes = {node: _outage(found, begin_s) for node, found in by_node.items() if node}
    overall = _outage(by_node[""], begin_s) if by_node.get("") else None
    if cause is None:
        return {"cause": None, "kind": None, "overall": overall, "nodes": of_nodes}
    row: dict[str, Any] = {
        "cause": cause.name,
        "kind": cause.kind,
        "began_s": cause.begin_s,
        "ended_s": None if math.isinf(cause.end_s) else cause.end_s,
    }
    if cause.fault:
        row |= {
            "fault": cause.fault,
            "on": list(cause.on),
            "by": cause.by,
            "effects": list(cause.effects),
        }
    return {**row, "overall": overall, "nodes": of_nodes}


def _outage(found: Sequence[Gap], begin_s: float | None) -> dict[str, Any]:
    answered_s = found[-1].answered_s
    return {
        "gaps": [[gap.begin_s, gap.end_s] for gap in found],
        "recovered_after_s": (
            None if answered_s is None or begin_s is None else round(max(0.0, answered_s - begin_s), 6)
        ),
    }


def _check(rows: Sequence[Mapping[str, Any]]) -> Check:
    faults = [row for row in rows if row["kind"] == "injected"]
    felt = [row for row in faults if row["nodes"]]
    after = [
        outage["recovered_after_s"]
        for row in felt
        for outage in [row["overall"], *row["nodes"].values()]
        if outage is not None and outage["recovered_after_s"] is not None
    ]
    figures = {
        "faults": len(faults),
        "felt": len(felt),
        "slowest_s": max(after, default=None),
        "unexplained": sum(
            len(outage["gaps"]) for row in rows if row["cause"] is None for outage in row["nodes"].values()
        ),
    }
    text = [f"{count(len(faults), 'fault')}, {len(felt)} of them felt"]
    if after:
        text[0] += f", the slowest recovery {max(after):.3f} s"
    text += [_sentence(row) for row in rows[:_MOST_LISTED]]
    if len(rows) > _MOST_LISTED:
        text.append(f"and {len(rows) - _MOST_LISTED} more")
    return Check(NAME, "ok", "\n".join(text), (), figures)


def _sentence(row: Mapping[str, Any]) -> str:
    nodes = row["nodes"].items()
    if row["cause"] is None:
        where = "; ".join(f"{node} {_spans(outage['gaps'])}" for node, outage in nodes)
        return f"no cause found: {where or _spans(row['overall']['gaps'])}"
    by = (
        f" ({row['fault']}, {row['by']})" if row.get("by") else f" ({row['fault']})" if "fault" in row else ""
    )
    begun = f"{row['began_s']:.3f} s  {row['cause']}{by}: "
    if not nodes and row["overall"] is None:
        return begun + "not felt"
    parts = [f"{node} {_after(outage)}" for node, outage in nodes]
    if row["overall"] is not None:
        parts.insert(0, f"everybody {_after(row['overall'])}")
    return begun + "answers again after: " + ", ".join(parts)


def _after(outage: Mapping[str, Any]) -> str:
    if outage["recovered_after_s"] is None:
        return f"never (from {outage['gaps'][-1][0]:.3f} s)"
    return f"{outage['recovered_after_s']:.3f} s"


def _spans(found: Sequence[Sequence[float | None]], most: int = 3) -> str:
    spans = [
        f"{begin_s:.3f}-{'' if end_s is None else f'{end_s:.3f}'} s"
        for begin_s, end_s in found[:most]
        if begin_s is not None
    ]
    return ", ".join(spans) + (f" and {len(found) - most} more" if len(found) > most else "")


def _known_end_s(operation: Operation) -> float:
    return operation.invoked_s if math.isinf(operation.completed_s) else operation.completed_s
