"""The run's token: what a TCP client shows when it asks for a change. A file beside the API's Unix socket.

Who can read the file could use the socket as well, so the file gives nothing away. Where the socket's directory ends with
the process and the run does not, as in containers, a second file that outlives both keeps it, so clients keep working.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from skyrack.orchestrator.runtime.files import write_private

TOKEN_FILE = "token"
_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 random bytes in base64, without padding
_OPEN_TO_OTHERS = 0o077


def run_token(directory: Path, keeper: Path | None = None) -> str:
    """The token in `directory`, as `keeper` has it. Raises OSError.

    Made, 0600, when there is none that nobody else can have read.
    """
    path = directory / TOKEN_FILE
    token = _kept(keeper or path) or secrets.token_urlsafe(_BYTES)
    for place in (path,) if keeper is None else (keeper, path):
        if _kept(place) != token:
            write_private(place, token + "\n")
    return token


def _kept(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        found = os.fstat(descriptor)
        if found.st_mode & _OPEN_TO_OTHERS or found.st_uid != os.geteuid():
            return None
        text = file.read(1024)
    return text.strip() if _TOKEN.fullmatch(text.strip()) else None
