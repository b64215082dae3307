"""Becoming a program that a user named, with the exit statuses that a shell has for one that cannot be had."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import NoReturn

NOT_EXECUTABLE = 126
NOT_FOUND = 127


def become(command: Sequence[str], environment: Mapping[str, str], *, speaker: str = "") -> NoReturn:
    """Be that program, found by PATH, from now on; else end, and say why on standard error, as `speaker` where there is one."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a program would inherit that
    try:
        os.execvpe(command[0], list(command), environment)
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        why = "not found" if is_missing else error.strerror
        says = f"{speaker}: " if speaker else ""
        os.write(2, f"{says}{command[0]}: {why}\n".encode(errors="replace"))
        os._exit(NOT_FOUND if is_missing else NOT_EXECUTABLE)
