"""The password of Grafana's administrator: made here, so that it is in no file of the project."""

from __future__ import annotations

import secrets
from pathlib import Path

PASSWORD_FILE = "password"


def keep_password(directory: Path) -> None:
    """Write `<directory>/password` unless it is there. Raises OSError.

    Everybody who sees the directory may read it: Grafana is another user, and the volume is mounted nowhere else.
    """
    path = directory / PASSWORD_FILE
    if not path.exists():
        path.write_text(secrets.token_urlsafe(18))
        path.chmod(0o444)
