"""Watches the host while a run is measured: `python -m ...host_process T0_MONOTONIC_NS FD`. A JSON line per run second.

A canary of normal priority sleeps to absolute deadlines 5 ms apart and notes how late it wakes: what any process of
the run would see. In a process of its own, so that it shares no interpreter lock with work.

    caller --SEQPACKET FD: {"watch": "fabric"} + descriptor of its schedstat--> host process --stdout: JSON lines--> caller

The end of the caller's side ends it with the window that is running.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import signal
import socket
import sys
import time

from skyrack.orchestrator.measure import kernel
from skyrack.orchestrator.measure.host import WINDOW_S
from skyrack.v1.descriptors import receive_fds

_PERIOD_S = 0.005
_MESSAGE_BYTES = 4096


class _Watched:
    """Who is watched, as the caller says: name -> descriptor."""

    def __init__(self, channel: socket.socket) -> None:
        channel.setblocking(False)
        self._channel = channel
        self.schedstat: dict[str, int] = {}
        self.ended = False

    def obey(self) -> set[str]:
        """Carry out the messages that are there; returns the names that mean another process from now on."""
        changed: set[str] = set()
        while not self.ended:
            try:
                data, fds = receive_fds(self._channel, _MESSAGE_BYTES, 1)
            except BlockingIOError:
                break
            if not data:
                self.ended = True
                break
            name = json.loads(data)["watch"]
            if (old := self.schedstat.get(name)) is not None:
                os.close(old)
            self.schedstat[name] = fds[0]
            changed.add(name)
        return changed


def main() -> None:
    """Watch until the caller's side ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    t0_s = int(sys.argv[1]) / 1e9
    watched = _Watched(socket.socket(fileno=int(sys.argv[2])))
    gc.freeze()
    gc.disable()
    due_s = time.monotonic() - t0_s
    due_s += WINDOW_S - due_s % WINDOW_S
    lateness_s: list[float] = []
    before: kernel.Reading | None = None
    boundary_s = due_s
    while True:
        time.sleep(max(0.0, due_s - (time.monotonic() - t0_s)))
        now_s = time.monotonic() - t0_s
        lateness_s.append(max(0.0, now_s - due_s))
        if (changed := watched.obey()) and before is not None:
            # What one process waited is not to be compared with what another did.
            waits_ns = {name: wait for name, wait in before.waits_ns.items() if name not in changed}
            before = dataclasses.replace(before, waits_ns=waits_ns)
        if now_s >= boundary_s:
            reading = kernel.read(now_s, watched.schedstat)
            if before is not None:
                window = kernel.window(before, reading, lateness_s)
                nominal = {"start_s": round(boundary_s - WINDOW_S, 6), "end_s": round(boundary_s, 6)}
                print(json.dumps({**dataclasses.asdict(window), **nominal}), flush=True)
            before, lateness_s = reading, []
            # After a stall of seconds the windows slept through do not exist, and what does not exist is not quiet.
            boundary_s += WINDOW_S * (1 + (now_s - boundary_s) // WINDOW_S)
            if watched.ended:
                return
        # A canary that overslept counts once, not once per deadline it missed.
        while due_s <= now_s:
            due_s += _PERIOD_S


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(1)
