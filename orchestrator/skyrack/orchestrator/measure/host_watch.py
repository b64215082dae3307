"""The caller's side of the host process: `with HostWatch(t0) as watch: ...; windows = watch.windows()`."""

from __future__ import annotations

import json
import os
import select
import socket
from types import TracebackType
from typing import Any, Self

from skyrack.orchestrator.measure import host_process
from skyrack.orchestrator.measure.child import LineChild
from skyrack.orchestrator.measure.host import Window


class HostWatch:
    """One host process. `raw` has the windows as JSON values, for keeping beside what was measured."""

    def __init__(self, t0_monotonic_ns: int) -> None:
        self._channel, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            arguments = [str(t0_monotonic_ns), str(far.fileno())]
            self.child = LineChild(host_process.__name__, arguments, pass_fds=[far.fileno()])
        self.raw: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def watch(self, name: str, schedstat: int) -> None:
        """Tell in every window from the next on how long `name` waited for a core; takes the descriptor.

        The same name again means another process. A watch that cannot be passed on is missing in the windows.
        """
        try:
            socket.send_fds(self._channel, [json.dumps({"watch": name}).encode()], [schedstat])
        except OSError:
            return
        finally:
            os.close(schedstat)

    def finish(self) -> None:
        """End with the second that is running. Keep reading `child` until it has ended."""
        self._channel.close()

    def windows(self) -> list[Window]:
        """End the watch with the second that is running; returns every window. Takes up to two seconds."""
        self.finish()
        while not self.child.ended:
            select.select([self.child.descriptor], [], [])
            self.raw += self.child.read()
        return [Window(**line) for line in self.raw]

    def close(self) -> None:
        """End and reap the process."""
        self.finish()
        self.child.close()
