"""The clock of a run, as its users set it: paused, resumed, at another speed, somewhere later.

asked --> geometry of the new instant --> LEAD_S ahead: timeline, journal --> fabric, nodes --> in force --> event
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.orbit.times import as_utc, iso_utc
from skyrack.orchestrator.runtime.clock_journal import ClockJournal
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.timeline import Piece, Timeline

LEAD_S = 0.1  # the fabric hears of a change so long before it is in force
FASTEST = 1000.0
LATEST_S = 10 * 365.25 * 86400.0  # of orbit time; no elements hold for longer
ACTIONS = {
    "pause": (),
    "resume": (),
    "speed": ("speed",),
    "jump": ("by_s", "to_t_s", "to_utc", "to_eclipse_of"),
}


class ClockControl:
    """Changes `timeline`, one change at a time.

    `prepare(t_s)` has computed what is in force at an orbit time, and raises ValueError where nothing can be. `turn(run_s)`
    has told the fabric. `next_eclipse(node, t_s)`: when the first stay in the shadow after `t_s` begins; raises KeyError
    and ValueError.
    """

    def __init__(
        self,
        timeline: Timeline,
        set_speed: float,
        start: datetime,
        clock: Clock,
        events: EventLog,
        journal: ClockJournal,
        prepare: Callable[[float], Awaitable[None]],
        turn: Callable[[float], Awaitable[None]],
        next_eclipse: Callable[[str, float], Awaitable[float]],
    ) -> None:
        self._timeline = timeline
        self._set_speed = set_speed
        self._start = start
        self._clock = clock
        self._events = events
        self._journal = journal
        self._prepare = prepare
        self._turn = turn
        self._next_eclipse = next_eclipse
        self._one = asyncio.Lock()

    def now(self) -> dict[str, Any]:
        """What time it is."""
        run_s = self._clock.run_s()
        return self._at(run_s, self._timeline.piece_at(run_s))

    def state(self) -> dict[str, Any]:
        """GET /v1/clock: now, and every piece since the start."""
        return self.now() | {
            "start": iso_utc(self._start),
            "pieces": [asdict(piece) for piece in self._timeline.pieces],
        }

    async def change(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/clock; returns when it is in force. Raises ValueError, KeyError for a node that is not there."""
        action = _action(body)
        async with self._one:
            match action:
                case "speed":
                    return await self._speed(_speed(body["speed"]))
                case "pause" if self._paused:
                    return self._answer(None, "the clock is paused already")
                case "pause":
                    return self._answer(await self._begin("pause", speed=0.0))
                case "resume" if not self._paused:
                    return self._answer(None, "the clock is not paused")
                case "resume":
                    return self._answer(await self._begin("resume", speed=self._set_speed))
                case _:
                    return self._answer(await self._jump(body))

    @property
    def _paused(self) -> bool:
        return self._timeline.pieces[-1].speed == 0.0

    async def _speed(self, speed: float) -> dict[str, Any]:
        if speed == self._set_speed:
            return self._answer(None, f"the clock has speed {speed:g} already")
        self._set_speed = speed
        if self._paused:
            self._journal.add(self._timeline.pieces[-1], speed)
            return self._answer(
                None, f"the clock is paused, and goes on at speed {speed:g} when it is resumed"
            )
        return self._answer(await self._begin("speed", speed=speed))

    async def _jump(self, body: Mapping[str, Any]) -> dict[str, Any]:
        (how,) = [key for key in ACTIONS["jump"] if key in body]
        wanted = body[how]
        now_s = self._timeline.t_s(self._clock.run_s())
        if how == "to_utc":
            t_s = (_instant(wanted) - self._start).total_seconds()
        elif how == "to_eclipse_of":
            if not isinstance(wanted, str):
                raise ValueError(f"to_eclipse_of: {wanted!r} is not the name of a satellite")
            t_s = await self._next_eclipse(wanted, now_s)
        else:
            t_s = _number(how, wanted) + (now_s if how == "by_s" else 0.0)
        if t_s <= now_s:
            raise ValueError(
                f"t = {t_s:.3f} s is not later than the clock is, t = {now_s:.3f} s, {self._utc(now_s)}, and it does "
                "not go back; a run that is started anew begins at t = 0"
            )
        if t_s > LATEST_S:
            raise ValueError(f"t = {t_s:.0f} s is more than ten years after the start of the scenario")
        await self._prepare(t_s)
        span_s = t_s - now_s
        return await self._begin("jump", by_s=span_s if how == "by_s" else None, t_s=t_s)

    async def _begin(
        self, cause: str, *, speed: float | None = None, by_s: float | None = None, t_s: float | None = None
    ) -> dict[str, Any]:
        """The fields of the event, once the new piece is in force. `by_s`: a jump from where the clock is by then."""
        run_s = self._clock.run_s() + LEAD_S
        last = self._timeline.piece_at(run_s)
        before = self._at(run_s, last)
        if by_s is not None:
            t_s = last.t_at(run_s) + by_s
        if t_s is not None:
            t_s = max(t_s, last.t_at(run_s))
        piece = self._timeline.change(run_s, speed=speed, t_s=t_s)
        self._journal.add(piece, self._set_speed)
        await self._turn(run_s)
        await self._clock.sleep(run_s - self._clock.run_s())
        fields = {"cause": cause, "before": before, "after": self._at(run_s, piece)}
        self._events.add("clock_changed", run_s=run_s, **fields)
        return fields

    def _answer(self, changed: Mapping[str, Any] | None, why_not: str = "") -> dict[str, Any]:
        return {"changed": changed, "why_not": why_not, "clock": self.state()}

    def _at(self, run_s: float, piece: Piece) -> dict[str, Any]:
        t_s = piece.t_at(run_s)
        return {
            "run_s": round(run_s, 6),
            "t_s": round(t_s, 6),
            "utc": self._utc(t_s),
            "speed": piece.speed,
            "paused": piece.speed == 0.0,
            "set_speed": self._set_speed,
            "since_run_s": piece.run_s,
            "since_t_s": piece.t_s,
        }

    def _utc(self, t_s: float) -> str:
        instant = as_utc(self._start) + timedelta(milliseconds=round(t_s * 1e3))
        return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _action(body: Mapping[str, Any]) -> str:
    """What is to be done, when the body says so and nothing else. Raises ValueError."""
    action = body.get("action")
    if not isinstance(action, str) or action not in ACTIONS:
        raise ValueError(f"action: expected one of {', '.join(ACTIONS)}, not {action!r}")
    keys = [key for key in body if key != "action"]
    allowed = ACTIONS[action]
    if unknown := [key for key in keys if key not in allowed]:
        raise ValueError(
            f"{action} has no {unknown[0]!r}" + (f": it takes {', '.join(allowed)}" if allowed else "")
        )
    if len(keys) != bool(allowed):
        raise ValueError(f"{action}: expected exactly one of {', '.join(allowed)}")
    return action


def _speed(wanted: object) -> float:
    speed = _number("speed", wanted)
    if not 0.0 < speed <= FASTEST:
        raise ValueError(
            f"speed: expected above 0 and at most {FASTEST:g} orbit seconds per real second, not {speed:g}"
            + ("; to let the orbits stand still, pause" if speed == 0.0 else "")
        )
    return speed


def _number(key: str, wanted: object) -> float:
    if isinstance(wanted, int | float) and not isinstance(wanted, bool) and math.isfinite(wanted):
        return float(wanted)
    raise ValueError(f"{key}: expected a number, not {wanted!r}")


def _instant(wanted: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(wanted))
    except ValueError:
        raise ValueError(
            f"to_utc: expected an instant such as 2026-03-20T12:00:00Z, not {wanted!r}"
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
