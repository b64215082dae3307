"""What may have made a service stop answering, from the records of a run's events.jsonl."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from skyrack.check.availability import Gap

# An operation may have been under way for so long when what it failed of began.
IN_FLIGHT_S = 2.0
# What changed so shortly before a gap is its likeliest cause.
NEAR_S = 3.0
# What ended can be felt for so long, if nothing nearer explains a gap: elections, restarts, connections made anew.
FELT_S = 10.0

Kind = Literal["injected", "process", "network", "orbital"]
_RANK: dict[Kind, int] = {"injected": 0, "process": 1, "network": 2, "orbital": 3}


@dataclass(frozen=True)
class Cause:
    """`name` in words. `end_s` is infinite for what has not ended. `nodes`: whom alone it concerns, empty for everybody."""

    kind: Kind
    name: str
    begin_s: float
    end_s: float = math.inf
    nodes: frozenset[str] = frozenset()
    fault: str = ""
    on: Sequence[str] = ()
    by: str = ""
    effects: Sequence[str] = field(default=())


def causes(events: Iterable[Mapping[str, Any]]) -> list[Cause]:
    """Faults that were injected, processes that ended, links lost, handovers, changes of the clock, in the order of begins."""
    faults: dict[str, Cause] = {}
    found: list[Cause] = []
    ended: dict[str, int] = {}  # where in `found` the end of a node's process is
    for event in events:
        at_s, node = float(event.get("run_s", 0.0)), str(event.get("node", ""))
        match event.get("event"):
            case "fault_began":
                on = [str(name) for name in event.get("on", ())]
                kind = str(event.get("kind", "fault"))
                faults[str(event.get("fault"))] = Cause(
                    "injected", f"{kind} on {_some(on)}", at_s, fault=str(event.get("fault")), on=on,
                    by=str(event.get("cause", "")),
                )  # fmt: skip
            case "fault_effect" if (fault := faults.get(str(event.get("fault")))) is not None:
                told = event.get("effect", "")
                effects = [*fault.effects, *(told if isinstance(told, list) else [str(told)])]
                faults[fault.fault] = replace(fault, effects=effects)
            case "fault_ended" if (fault := faults.get(str(event.get("fault")))) is not None:
                faults[fault.fault] = replace(fault, end_s=at_s)
            case "node_exited":
                ended[node] = len(found)
                found.append(Cause("process", f"{node}'s process ended", at_s))
            case "node_serving" if node in ended:
                place = ended.pop(node)
                found[place] = replace(found[place], end_s=at_s)
            case "service_ended" | "service_failed" | "service_unready" | "service_stopped":
                what = str(event["event"]).removeprefix("service_")
                found.append(Cause("process", f"{event.get('service')} at {node} {what}", at_s, at_s))
            case "fabric_down":
                found.append(Cause("process", "the fabric ended", at_s, at_s))
            case "convergence" if event.get("change") == "loss":
                lost = [*event.get("nodes", ()), *event.get("links", ())]
                since_s = float(event.get("since_s", at_s))
                found.append(Cause("network", f"loss of {_some(lost)}", since_s, at_s))
            case "handover":
                way = f"handover of {node} from {event.get('from')} to {event.get('to')}"
                found.append(Cause("orbital", way, at_s, at_s, frozenset({node})))
            case "clock_changed":
                found.append(Cause("orbital", f"the clock: {event.get('cause')}", at_s, at_s))
            case "node_dark":
                found.append(Cause("network", f"{node}'s links dark", at_s, at_s))
    return sorted([*faults.values(), *found], key=lambda cause: cause.begin_s)


def cause_of(gap: Gap, known: Sequence[Cause]) -> Cause | None:
    """The likeliest of what is known; None where nothing fits.

    What began or ended just before the gap goes before what only acts when it begins, or has ended a while ago; then
    injected faults go before processes, links and handovers, in this order; then what began last. What began after the gap
    may still have been its cause, while the operation that failed first was under way.
    """
    fitting = [
        cause
        for cause in known
        if cause.begin_s <= gap.begin_s + IN_FLIGHT_S
        and cause.end_s + FELT_S >= gap.begin_s
        and (not cause.nodes or gap.node in cause.nodes)
        and (cause.kind != "orbital" or _is_near(cause, gap))
    ]
    return max(
        fitting,
        key=lambda cause: (
            _is_near(cause, gap),
            -_RANK[cause.kind],
            cause.end_s >= gap.begin_s,
            cause.begin_s,
        ),
        default=None,
    )


def _is_near(cause: Cause, gap: Gap) -> bool:
    return any(-IN_FLIGHT_S <= gap.begin_s - at_s <= NEAR_S for at_s in (cause.begin_s, cause.end_s))


def _some(words: Sequence[str], most: int = 3) -> str:
    listed = ", ".join(words[:most])
    return listed if len(words) <= most else f"{listed} and {len(words) - most} more"
