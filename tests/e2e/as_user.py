"""`python as_user.py UID DIRECTORY... -- COMMAND`: run COMMAND as an unprivileged user who can read the directories.

Python or the checkout may lie below a directory that only root may enter, /root for instance. Then the user gets a
mount namespace in which that directory holds nothing but what is named here; the machine itself is not changed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from skyrack.v1 import namespaces

OTHERS_ENTER = 0o001


def closed_ancestor(path: Path) -> Path | None:
    """The topmost directory on the way to `path` that others may not enter."""
    for directory in reversed(path.parents):
        if not directory.stat().st_mode & OTHERS_ENTER:
            return directory
    return None


def open_up(paths: Iterable[Path]) -> None:
    """Give this process a view in which others can reach `paths`."""
    closed: dict[Path, set[Path]] = {}
    for path in paths:
        if (ancestor := closed_ancestor(path.resolve())) is not None:
            closed.setdefault(ancestor, set()).add(path.resolve())
    if not closed:
        return
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.make_mounts_private()
    for directory, wanted in closed.items():
        staged = [(path, tempfile.mkdtemp(prefix="skyrack-view-")) for path in sorted(wanted)]
        for path, stage in staged:
            namespaces.mount(str(path), stage, None, namespaces.MS_BIND | namespaces.MS_REC)
        namespaces.mount("tmpfs", directory, "tmpfs", 0, "mode=755")
        for path, stage in staged:
            path.mkdir(parents=True, exist_ok=True)
            namespaces.mount(stage, path, None, namespaces.MS_BIND | namespaces.MS_REC)
            namespaces.unmount(stage)
            os.rmdir(stage)


def main() -> None:
    """Open up, drop every privilege, become the command."""
    separator = sys.argv.index("--")
    uid, command = int(sys.argv[1]), sys.argv[separator + 1 :]
    open_up(map(Path, sys.argv[2:separator]))
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
