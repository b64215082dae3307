"""Which processes belong to a service, however they hide.

The mark of a start is a hard limit of real-time CPU time (RLIMIT_RTTIME), some microseconds less than what the node has: no
limit in practice, inherited over fork, exec, setsid and changes of user, readable of every process in /proc/PID/limits, and
nothing that programs touch. The environment is not used: setproctitle, in Redis or PostgreSQL, overwrites it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from skyrack.node.process import Process, read_stat, read_text

# In microseconds, 146,000 years; where the node has no limit itself.
_MOST = 1 << 62
KILL_LIMIT_S = 5.0
_LIMIT = "Max realtime timeout"


class Marks:
    """Gives out marks, each once."""

    def __init__(self) -> None:
        hard = resource.getrlimit(resource.RLIMIT_RTTIME)[1]
        self._next = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)

    def new(self) -> int:
        """Another mark."""
        self._next -= 1
        return self._next


@dataclass(frozen=True)
class Usage:
    """What processes take."""

    cpu_s: float
    resident_bytes: int


def read_mark(limits: str) -> int | None:
    """The hard limit in the text of a process's `limits`; None: unlimited."""
    for line in limits.splitlines():
        if line.startswith(_LIMIT):
            hard = line[len(_LIMIT) :].split()[1]
            return int(hard) if hard.isdecimal() else None
    return None


def marked(mark: int) -> list[Process]:
    """The processes of this PID namespace that run and have this mark, by pid."""
    own = os.getpid()
    if os.readlink("/proc/self") != str(own):
        return []  # another PID namespace's, where mounting an own one was refused
    pids = sorted(int(entry) for entry in os.listdir("/proc") if entry.isdecimal())
    return _running(pid for pid in pids if pid != own and read_mark(read_text(f"/proc/{pid}/limits")) == mark)


def usage_of(pids: Iterable[int]) -> Usage:
    """What these processes take."""
    found = _running(pids)
    return Usage(sum(one.cpu_s for one in found), sum(one.resident_bytes for one in found))


async def kill_marked(mark: int, sleep: Callable[[float], Awaitable[None]]) -> list[Process]:
    """SIGKILL all of them until none runs: who forks meanwhile is found in the next round.

    Returns those that may not be killed, or do not end within KILL_LIMIT_S.
    """
    wait_s, waited_s = 0.001, 0.0
    while (found := marked(mark)) and waited_s < KILL_LIMIT_S:
        for process in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
        await sleep(wait_s)
        waited_s += wait_s
        wait_s = min(2 * wait_s, 0.05)
    return found


def _running(pids: Iterable[int]) -> list[Process]:
    texts = (read_text(f"/proc/{pid}/stat") for pid in pids)
    return [process for process in (read_stat(text) for text in texts if text) if not process.ended]
