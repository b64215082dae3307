"""How far a hunt is: one line on a terminal, elsewhere a line for each trial."""

from __future__ import annotations

import sys

from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.hunt.outcome import Outcome
from skyrack.orchestrator.hunt.search import Hunt, Request


class Meter:
    """One line that says how far the hunt is, on a terminal; elsewhere a line for each trial."""

    def __init__(self, search_s: float) -> None:
        self._search_s = search_s
        self._shown = False

    def begin(self, number: int, request: Request, hunt: Hunt) -> None:
        """A trial begins."""
        if sys.stderr.isatty():
            self._shown = True
            text = f" .. trial {number} {request.purpose:<8} {_faults(request)}   {self._far(hunt)}"
            print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)

    def end(self, number: int, request: Request, outcome: Outcome, hunt: Hunt) -> None:
        """It has ended. What broke stays on a terminal."""
        words = ", ".join(outcome.checks) or outcome.verdict
        if outcome.verdict == "failed":
            words += f": {outcome.text.splitlines()[-1] if outcome.text else ''}"
        if outcome.recovery_s is not None:
            words += f", recovery {outcome.recovery_s:.1f} s"
        if not sys.stderr.isatty() or outcome.verdict in ("bad", "failed"):
            self.clear()
            mark = "BAD" if outcome.verdict == "bad" else " ok" if outcome.verdict == "ok" else " ??"
            note(
                f"{mark} trial {number:3} {request.purpose:<8} {_faults(request)}, {outcome.spent_s:.0f} s: {words}   "
                f"{self._far(hunt)}"
            )

    def clear(self) -> None:
        """Make room."""
        if self._shown:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
        self._shown = False

    def _far(self, hunt: Hunt) -> str:
        found = f", {len(hunt.finds)} found" if hunt.finds else ""
        return f"{hunt.spent_s:.0f} of {self._search_s:.0f} s, {len(hunt.seen)} states{found}"


def _faults(request: Request) -> str:
    count = len(request.schedule.faults)
    return f"{count} fault{' ' if count == 1 else 's'}"
