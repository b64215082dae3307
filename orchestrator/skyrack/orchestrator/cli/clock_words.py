"""The clock of a run in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def clock_words(clock: Mapping[str, Any]) -> str:
    """How fast it goes: `speed 1`, or `paused at t = 12.3 s, to go on at speed 60`."""
    if clock["paused"]:
        goes_on = f", to go on at speed {clock['set_speed']:g}" if clock["set_speed"] != 1.0 else ""
        return f"paused at t = {clock['t_s']:.3f} s{goes_on}"
    return f"speed {clock['speed']:g}"


def change_words(change: Mapping[str, Any]) -> str:
    """What a change of the clock was, from its event or from the answer to who asked for it."""
    before, after = change["before"], change["after"]
    at = f"t = {after['t_s']:.3f} s, {after['utc']}"
    match change["cause"]:
        case "pause":
            return f"the clock is paused at {at}"
        case "resume":
            return f"the clock goes on at {at}, speed {after['speed']:g}"
        case "speed":
            return f"the clock goes at speed {after['speed']:g} instead of {before['speed']:g} from {at}"
        case _:
            span_s = after["t_s"] - before["t_s"]
            still = ", where it is paused" if after["paused"] else ""
            return f"the clock jumps by {span_s:.3f} s to {at}{still}"
