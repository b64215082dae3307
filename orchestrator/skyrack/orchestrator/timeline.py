"""Orbit time as a function of run time, in straight pieces: at one speed until somebody changes it.

    t_s  |            ____/   speed 1 again
         |        ___|        a jump: t_s is another from one instant to the next
         |    ___/            paused: speed 0
         |  /                 speed 1
         +-------------- run_s

Run time is real seconds from the start of the run, which the fabric, faults and histories count; orbit time is what orbits,
shadows, weather and radiation follow. Neither ever goes back. Pure: it reads no clock.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Piece:
    """From run time `run_s` on it is orbit time `t_s`, and goes on `speed` times as fast as the run; 0 while paused."""

    run_s: float
    t_s: float
    speed: float

    def t_at(self, run_s: float) -> float:
        """Orbit time at an instant of this piece."""
        return self.t_s + self.speed * (run_s - self.run_s)

    def run_at(self, t_s: float) -> float:
        """The run time at which this piece would come to an orbit time that is no earlier than its own; infinite: never."""
        if t_s <= self.t_s:
            return self.run_s
        return self.run_s + (t_s - self.t_s) / self.speed if self.speed else math.inf


class Timeline:
    """Every piece since the start, or those that are given. `listen`: hear of a new piece once it is part of this.

    A piece may be to come: it is announced a moment before it is in force. May be read from any thread.
    """

    def __init__(self, speed: float, pieces: Sequence[Piece] = ()) -> None:
        self._pieces = list(pieces) or [Piece(0.0, 0.0, speed)]
        self._listeners: list[Callable[[Piece], None]] = []

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """In order of run time."""
        return tuple(self._pieces)

    def listen(self, hear: Callable[[Piece], None]) -> None:
        """Have every later change told."""
        self._listeners.append(hear)

    def piece_at(self, run_s: float) -> Piece:
        """The piece in force at a run time; the first one before the start."""
        return self._pieces[max(0, bisect_right(self._pieces, run_s, key=lambda piece: piece.run_s) - 1)]

    def t_s(self, run_s: float) -> float:
        """Orbit time at a run time."""
        return self.piece_at(run_s).t_at(run_s)

    def times_s(self, run_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Orbit times (m,) at run times (m,), each by the piece that was in force then."""
        pieces = self._pieces.copy()
        since_s, t_s, speed = np.array([(piece.run_s, piece.t_s, piece.speed) for piece in pieces]).T
        number = np.maximum(0, np.searchsorted(since_s, run_s, side="right") - 1)
        return np.asarray(t_s[number] + speed[number] * (run_s - since_s[number]), dtype=np.float64)

    def speed_at(self, run_s: float) -> float:
        """Orbit seconds per real second at a run time; 0 while paused."""
        return self.piece_at(run_s).speed

    def run_s(self, t_s: float) -> float:
        """The first run time at which orbit time is `t_s` or later, as things stand; infinite if it never will be."""
        for piece, after in zip(self._pieces, [*self._pieces[1:], None], strict=True):
            reached_s = piece.run_at(t_s)
            if after is None or reached_s <= after.run_s:
                return reached_s
        raise AssertionError(t_s)

    def change(self, run_s: float, *, speed: float | None = None, t_s: float | None = None) -> Piece:
        """Begin another piece at `run_s`: with another speed, or from a later orbit time on. Raises ValueError."""
        last = self._pieces[-1]
        if run_s < last.run_s:
            raise ValueError(f"the timeline has changed after run time {run_s:.6f} s already")
        now_s = last.t_at(run_s)
        if t_s is not None and t_s < now_s:
            raise ValueError(f"orbit time cannot go back from {now_s:.3f} s to {t_s:.3f} s")
        piece = Piece(run_s, now_s if t_s is None else t_s, last.speed if speed is None else speed)
        if run_s == last.run_s:
            self._pieces[-1] = piece
        else:
            self._pieces.append(piece)
        for hear in self._listeners:
            hear(piece)
        return piece
