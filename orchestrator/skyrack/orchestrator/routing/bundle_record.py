"""The way of a bundle as JSON-able values: in run seconds and, as `_t_s`, in seconds of orbit time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skyrack.orchestrator.routing.contacts import Leg
from skyrack.orchestrator.timeline import Timeline


def bundle_record(
    names: Sequence[str], legs: Sequence[Leg], size_bytes: int, timeline: Timeline
) -> dict[str, Any]:
    """Every leg: when it departs, has all been sent and has arrived, and how long its contact lasts."""
    return {
        "size_bytes": size_bytes,
        **_twice("arrives", legs[-1].arrives_s, timeline),
        "legs": [
            {
                "from": names[leg.src],
                "to": names[leg.dst],
                **_twice("departs", leg.departs_s, timeline),
                **_twice("sent", leg.sent_s, timeline),
                **_twice("arrives", leg.arrives_s, timeline),
                **_twice("contact_ends", leg.until_s, timeline),
            }
            for leg in legs
        ],
    }


def _twice(what: str, run_s: float, timeline: Timeline) -> dict[str, float]:
    return {f"{what}_s": round(run_s, 9), f"{what}_t_s": round(timeline.t_s(run_s), 9)}
