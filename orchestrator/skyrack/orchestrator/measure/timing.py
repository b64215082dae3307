"""Whether figures of time say something of a stretch of a run: orbits have to turn at real speed throughout. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WHY = "outages are compressed or stretched, time-outs are not"


def untimed(speed: float, events: Sequence[Mapping[str, Any]]) -> str | None:
    """Why a threshold on time says nothing of a stretch that began at `speed`; None where it does.

    `events`: those of the run meanwhile.
    """
    steps = [_at(speed)]
    for event in events:
        if event["event"] == "clock_changed":
            after_s = f" from {event['run_s']:.3f} s on"
            if event["cause"] == "jump":
                steps.append(
                    f"a jump by {event['after']['t_s'] - event['before']['t_s']:.0f} s at {event['run_s']:.3f} s"
                )
            else:
                steps.append(_at(float(event["after"]["speed"])) + after_s)
    if len(steps) > 1:
        return f"the clock was changed: {', '.join(steps)}: {WHY}"
    return None if speed == 1.0 else f"{steps[0]}: {WHY}"


def _at(speed: float) -> str:
    return f"at speed {speed:g}" if speed else "paused"
