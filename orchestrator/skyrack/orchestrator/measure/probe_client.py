"""The caller's side of the prober process: hands over the sockets to probe from, reads the probes."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from skyrack.orchestrator.measure import probe_process
from skyrack.orchestrator.measure.child import LineChild
from skyrack.orchestrator.measure.prober import Probe, Strays
from skyrack.orchestrator.measure.shots import Plan


class ProberError(Exception):
    """The prober process ended before its plan did."""


class ProbeProcess:
    """One plan of probes in a process of its own.

    with ProbeProcess() as prober:
        prober.set_source("london", sock)
        prober.start(plan, t0_monotonic_ns)
        for probe in prober.probes(): ...
    """

    def __init__(self) -> None:
        self._channel, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * probe_process.MESSAGE_BYTES)
        with far:
            self.child = LineChild(probe_process.__name__, [str(far.fileno())], pass_fds=[far.fileno()])
        self.strays: Strays | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def set_source(self, name: str, sock: socket.socket) -> None:
        """Probe from `name` through `sock`, which is closed here once handed over."""
        with sock:
            self._send(json.dumps({"op": "source", "name": name}).encode(), sock)

    def drop_source(self, name: str) -> None:
        """Stop probing from `name`."""
        self._send(json.dumps({"op": "drop", "name": name}).encode())

    def start(self, plan: Plan, t0_monotonic_ns: int) -> None:
        """Begin; the plan says when its first probe is due."""
        for message in probe_process.run_messages(plan, t0_monotonic_ns):
            self._send(message)

    def stop(self) -> None:
        """End early; what is in the air becomes `unsent`."""
        self._send(b'{"op": "stop"}')

    def read(self) -> list[Probe]:
        """The probes decided since the last call, without waiting; `child.ended` and `strays` tell when it is over."""
        probes = []
        for line in self.child.read():
            if "end" in line:
                self.strays = Strays(**line["end"])
            else:
                probes.append(Probe(**line))
        return probes

    def probes(self) -> Iterator[Probe]:
        """Every probe as it is decided. Raises ProberError when the process dies."""
        while not self.child.ended:
            select.select([self.child.descriptor], [], [])
            yield from self.read()
        if self.strays is None:
            raise ProberError("the prober process ended before its plan did")

    def close(self) -> None:
        """Stop and reap the process."""
        self._channel.close()
        self.child.close()

    def _send(self, message: bytes, sock: socket.socket | None = None) -> None:
        try:
            socket.send_fds(self._channel, [message], [sock.fileno()] if sock is not None else [])
        except BrokenPipeError:
            return
