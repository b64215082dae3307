"""Who may connect to a Unix socket: its owner only, whatever the umask was."""

import os
from pathlib import Path

OWNER_ONLY = 0o600


def owner_only(path: Path) -> None:
    """Take a socket away from everybody but its owner. Raises OSError.

    Its directory, which nobody else may enter, guards it between its creation and this call, and afterwards as well.
    """
    os.chmod(path, OWNER_ONLY)
