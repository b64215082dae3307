"""Exit statuses, and the one exception that carries one to `main`."""

from __future__ import annotations

FINE = 0
FAILED = 1
USAGE = 2
BAD = 3
INCONCLUSIVE = 4
INTERRUPTED = 130


class Problem(Exception):
    """Something the user can act on: what is wrong, a hint, and the exit status. Never shown as a traceback."""

    def __init__(self, message: str, *, hint: str = "", status: int = FAILED) -> None:
        super().__init__(message)
        self.hint = hint
        self.status = status


class Finished(Exception):
    """The command has been carried out elsewhere, with this exit status; nothing more is to be said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
