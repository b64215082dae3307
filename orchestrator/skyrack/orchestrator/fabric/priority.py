"""SCHED_FIFO for the fabric where the system allows it, and the reason where it does not; its memory kept resident."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from pathlib import Path

_PRIORITY = 10
_CAP_SYS_NICE = 23


def prefer_realtime() -> tuple[str, str]:
    """Ask for SCHED_FIFO; returns ("fifo", "") or ("other", why).

    One event loop serves every packet, so under a fair scheduler it is the first to wait. With one core only it stays
    under the fair scheduler: a FIFO loop must leave a core to everybody else.
    """
    if len(os.sched_getaffinity(0)) < 2:
        return "other", "one core only: a real-time loop would starve the nodes"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))
    except OSError as error:
        if error.errno != errno.EPERM:
            return "other", str(error)
        return "other", _why_refused()
    return "fifo", ""


def _why_refused() -> str:
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    if os.geteuid() == 0 and not _in_user_namespace():
        if _has_sys_nice(Path("/proc/self/status").read_text()):
            return "refused although root: its control group has no budget for real time (cpu.rt_runtime_us)"
        return "refused although root: without CAP_SYS_NICE (docker run: --cap-add SYS_NICE)"
    return (
        f"needs CAP_SYS_NICE, or a real-time priority limit of at least {_PRIORITY} (now {limit}): "
        f"add '<user> - rtprio {_PRIORITY}' to /etc/security/limits.conf"
    )


def _has_sys_nice(status: str) -> bool:
    """Whether CAP_SYS_NICE is effective, from the text of /proc/<pid>/status."""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return bool(int(fields.get("CapEff", "0"), 16) >> _CAP_SYS_NICE & 1)


def _in_user_namespace() -> bool:
    try:
        return Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]
    except OSError:
        return False


def keep_memory_resident() -> None:
    """Lock what is used of what is mapped now (best effort): to read a page back in the loop is lateness for everybody.

    What is only reserved stays so: a buffer of 32 MB that OpenBLAS never needs here, 8 MB of stack for each thread.
    """
    mcl_current, mcl_onfault = 1, 4
    ctypes.CDLL(None).mlockall(mcl_current | mcl_onfault)
