"""What the clock of a run was told, for an orchestrator that goes on with it: clock.jsonl in the run directory, appended to.

{"run_s": 20.0, "t_s": 20.0, "speed": 0.0, "set_speed": 1.0}   a piece of the timeline, and the speed it is to go on with
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from skyrack.orchestrator.runtime.journal import Journal
from skyrack.orchestrator.timeline import Piece


class ClockJournal:
    """Of one run."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)

    def add(self, piece: Piece, set_speed: float) -> None:
        """This piece is to be."""
        self._journal.append(
            [{"run_s": piece.run_s, "t_s": piece.t_s, "speed": piece.speed, "set_speed": set_speed}]
        )

    def read(self) -> list[tuple[Piece, float]]:
        """Every piece but the first, each with the speed to go on with; nothing where there is no journal."""
        found: list[tuple[Piece, float]] = []
        for one in self._journal.read() or ():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # no record of a piece
                piece = Piece(float(one["run_s"]), float(one["t_s"]), float(one["speed"]))
                found.append((piece, float(one["set_speed"])))
        return found
