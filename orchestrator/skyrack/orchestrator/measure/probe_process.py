"""The prober as a process of its own, so that nothing the caller does can disturb it. `python -m ...probe_process FD`.

    caller --SEQPACKET FD: {"op": "source"|"drop"|"routes"|"run"|"stop", ...} [+ ping socket]--> prober --stdout: JSON
    lines--> caller

Lines are probes, then one {"end": {strays}}. The end of the caller, or `stop`, ends it at once. Imports the
standard library and five small files: it starts in some 50 ms and takes 12 MB.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

from skyrack.orchestrator.measure.prober import Probe, Prober
from skyrack.orchestrator.measure.shots import Plan, Route
from skyrack.v1.descriptors import receive_fds

MESSAGE_BYTES = 1 << 17
_ROUTES_PER_MESSAGE = 400  # of some 100 bytes each, names of 32 and all


class _Stop(Exception):
    pass


class _Control:
    """Carries out the caller's messages on the prober."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.prober: Prober | None = None

    def wait_for_run(self) -> Plan:
        """Sources and routes first, in any number of messages, then the plan."""
        early: dict[str, socket.socket] = {}
        routes: list[Route] = []
        while True:
            message, sock = self._receive()
            if message["op"] == "source" and sock is not None:
                early[message["name"]] = sock
            elif message["op"] == "routes":
                routes += [Route(**route) for route in message["routes"]]
            elif message["op"] == "run":
                plan = Plan(tuple(routes), **message["plan"])
                self.prober = Prober(
                    early, t0_monotonic_ns=message["t0_monotonic_ns"], ip_bytes=plan.ip_bytes
                )
                self.prober.watch(self.channel.fileno(), self.obey)
                return plan

    def obey(self) -> None:
        """One message while the prober runs. Raises _Stop."""
        message, sock = self._receive()
        assert self.prober is not None
        if message["op"] == "source" and sock is not None:
            self.prober.set_source(message["name"], sock)
        elif message["op"] == "drop":
            self.prober.drop_source(message["name"])

    def _receive(self) -> tuple[dict[str, Any], socket.socket | None]:
        data, fds = receive_fds(self.channel, MESSAGE_BYTES, 1)
        message: dict[str, Any] = json.loads(data) if data else {"op": "stop"}
        sock = socket.socket(fileno=fds[0]) if fds else None
        if message["op"] == "stop":
            raise _Stop
        return message, sock


def _write(probes: list[Probe]) -> None:
    text = "".join(json.dumps(dataclasses.asdict(probe)) + "\n" for probe in probes)
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> None:
    """Serve one plan."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = _Control(socket.socket(fileno=int(sys.argv[1])))
    try:
        plan = control.wait_for_run()
    except _Stop:
        return
    prober = control.prober
    assert prober is not None
    gc.freeze()
    gc.disable()
    try:
        for probes in prober.run(plan.shots()):
            _write(probes)
    except _Stop:
        _write(prober.give_up())
    sys.stdout.write(json.dumps({"end": dataclasses.asdict(prober.strays)}) + "\n")


def run_messages(plan: Plan, t0_monotonic_ns: int) -> Iterator[bytes]:
    """The messages that start `plan`, however many routes it has."""
    routes = [dataclasses.asdict(route) for route in plan.routes]
    for first in range(0, len(routes), _ROUTES_PER_MESSAGE):
        part = routes[first : first + _ROUTES_PER_MESSAGE]
        yield json.dumps({"op": "routes", "routes": part}).encode()
    rest = {
        field.name: getattr(plan, field.name) for field in dataclasses.fields(plan) if field.name != "routes"
    }
    yield json.dumps({"op": "run", "t0_monotonic_ns": t0_monotonic_ns, "plan": rest}).encode()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(1)
