"""Names inside a container: what /etc/hosts and /etc/resolv.conf have to say.

Container engines mount both, each as a file of its own. They are written in place, because a mounted file cannot be
renamed over, and only if they are such mounts: the files of a host are nobody's to change.
"""

import os
from collections.abc import Mapping
from pathlib import Path


def write_mounted(texts: Mapping[str, str]) -> list[str]:
    """Have these files hold these texts. Returns what could not be done and can be lived without, for the log.

    A file that holds its text already is left alone: it may be mounted read-only, with the right content.
    """
    mounts = mount_points(Path("/proc/self/mountinfo").read_text())
    missed = []
    for name, text in texts.items():
        try:
            if Path(name).read_text() == text:
                continue
            if name not in mounts:
                missed.append(f"{name}: left as it is, since it is not a mount of its own")
                continue
            with open(name, "r+") as file:
                file.write(text)
                file.truncate()
        except OSError as error:
            missed.append(f"{name}: {os.strerror(error.errno or 0)}")
    return missed


def mount_points(mountinfo: str) -> frozenset[str]:
    """The places in a /proc/PID/mountinfo, without those whose names need escapes. Pure."""
    return frozenset(line.split()[4] for line in mountinfo.splitlines())
