"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write `text` beside `path`, then put it in place. Raises OSError, and leaves nothing then."""
    _write(path, text, 0o666)


def write_private(path: Path, text: str) -> None:
    """As `write_whole`, readable by the user alone from its first byte on."""
    _write(path, text, 0o600)


def _write(path: Path, text: str, mode: int) -> None:
    # A name that nobody can have put a link at: nodes in containers write to the same directory.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
