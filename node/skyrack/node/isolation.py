"""Puts this process alone: its own mounts, network, host name and (by its parent's fork) PID namespace."""

import os
import socket
from pathlib import Path

from skyrack.node.config import NodeConfig
from skyrack.v1 import namespaces

# Flags a mount from a more privileged user namespace keeps; a remount without them is refused.
_LOCKED_FLAGS = {os.ST_NOSUID: namespaces.MS_NOSUID, os.ST_NODEV: namespaces.MS_NODEV}


def isolate(config: NodeConfig) -> list[str]:
    """Leave the shared namespaces. Returns what could not be done and can be lived without, for the log.

    Mounts made here are seen here only. Raises OSError when the namespaces themselves are refused.
    """
    namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWNET | namespaces.CLONE_NEWUTS)
    namespaces.make_mounts_receive()
    socket.sethostname(config.name)
    missed = []
    try:
        flags = namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC
        namespaces.mount("proc", "/proc", "proc", flags)
    except OSError as error:
        missed.append(str(error))
    files = {"/etc/resolv.conf": "/dev/null"}
    if config.hosts_file is not None:
        files["/etc/hosts"] = config.hosts_file
    for target, source in files.items():
        try:
            cover(Path(target), Path(source))
        except OSError as error:
            missed.append(str(error))
    return missed


def cover(target: Path, source: Path) -> None:
    """Show `source` at `target`, following a symbolic link there, read-only where it is a regular file.

    The bind mount follows the file, not its name: text appended in place is seen, a file renamed over it is not.
    """
    place = target.resolve()
    namespaces.mount(os.fspath(source), place, None, namespaces.MS_BIND)
    if source.is_file():
        have = os.statvfs(place).f_flag
        kept = sum(mount_flag for flag, mount_flag in _LOCKED_FLAGS.items() if have & flag)
        if have & os.ST_NOEXEC:
            kept |= namespaces.MS_NOEXEC
        flags = namespaces.MS_REMOUNT | namespaces.MS_BIND | namespaces.MS_RDONLY | kept
        namespaces.mount("none", place, None, flags)
