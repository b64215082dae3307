"""What a run's services need outside of its directories, and how to remove that after a run that was killed.

All files are in the run's socket directory and are written before what they name is made.
"""

from __future__ import annotations

from pathlib import Path

from skyrack.orchestrator.runtime.services import clocks, data, disks, groups

GROUPS_FILE = "cgroups"
MOUNT_FILE = "data-mount"
DISKS_FILE = "disks"
CLOCKS_FILE = "clocks"


def remove_left(socket_dir: Path) -> None:
    """Remove control groups without processes, what was kept of removed files, clocks, and the mount point."""
    groups.remove_recorded(socket_dir / GROUPS_FILE)
    disks.remove_recorded(socket_dir / DISKS_FILE)
    clocks.remove_recorded(socket_dir / CLOCKS_FILE)
    data.remove_recorded(socket_dir / MOUNT_FILE)
