"""What ends a run, in one sentence for the user."""

from __future__ import annotations

from pathlib import Path

from skyrack.orchestrator.orbit.errors import GeometryError

_SPEAKING = (RuntimeError, OverflowError, GeometryError)


class RunFailed(Exception):
    """The run could not start or cannot go on; the text is for the user, the cause is the traceback for the log."""


def sentence(error: BaseException) -> str:
    """The first cause in plain words: of a group its first member, of an unforeseen error its type too."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, (*_SPEAKING, RunFailed)) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def last_line(log: Path) -> str:
    """What a process said last; empty when it said nothing."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""
