"""What a run's services need outside of its directories, and how to remove that after a run that was killed.

Both files are in the run's socket directory and are written before what they name is made.
"""

from __future__ import annotations

from pathlib import Path

from skyrack.orchestrator.runtime.services import data, groups

GROUPS_FILE = "cgroups"
MOUNT_FILE = "data-mount"


def remove_left(socket_dir: Path) -> None:
    """Remove control groups without processes, and the mount point."""
    groups.remove_recorded(socket_dir / GROUPS_FILE)
    data.remove_recorded(socket_dir / MOUNT_FILE)
