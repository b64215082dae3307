"""The one place that waits for children: those that somebody watches, and orphans that fall to this process as init.

Who starts a process must do it on the loop's thread and call `watch` before the loop runs again; a second waiter, such as
asyncio's subprocesses, would lose its children to this one.
"""

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass


@dataclass(frozen=True)
class Exit:
    """How a process ended."""

    code: int
    """Its exit status, or minus the signal."""
    cpu_s: float
    """CPU time it used, and its descendants that it waited for."""


class Reaper:
    """Works from `start` on, on SIGCHLD of the running loop."""

    def __init__(self) -> None:
        self._ends: dict[int, asyncio.Future[Exit]] = {}

    def start(self) -> None:
        """Listen to SIGCHLD; what has ended already is collected."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)
        self._reap()

    def watch(self, pid: int) -> asyncio.Future[Exit]:
        """The end of a child. Cancel nothing but a shield of it."""
        end: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._ends[pid] = end
        return end

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return
                end = self._ends.pop(pid, None)
                if end is not None and not end.done():
                    cpu_s = usage.ru_utime + usage.ru_stime
                    end.set_result(Exit(os.waitstatus_to_exitcode(status), cpu_s))
