"""Watches the host while a run is measured: `python -m ...host_process T0_MONOTONIC_NS`. One JSON line per run second.

A canary of normal priority sleeps to absolute deadlines 5 ms apart and notes how late it wakes: what any process of
the run would see. In a process of its own, so that it shares no interpreter lock with work. Lines on stdin name the
processes to watch, `{"fabric": 4121}`; the end of stdin ends it.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import signal
import sys
import time

from skyrack.orchestrator.measure import kernel
from skyrack.orchestrator.measure.host import WINDOW_S

_PERIOD_S = 0.005


def main() -> None:
    """Watch until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    t0_s = int(sys.argv[1]) / 1e9
    os.set_blocking(0, False)
    gc.freeze()
    gc.disable()
    watched: dict[str, int] = {}
    partial = b""
    due_s = time.monotonic() - t0_s
    due_s += WINDOW_S - due_s % WINDOW_S
    lateness_s: list[float] = []
    before: kernel.Reading | None = None
    boundary_s = due_s
    while True:
        time.sleep(max(0.0, due_s - (time.monotonic() - t0_s)))
        now_s = time.monotonic() - t0_s
        lateness_s.append(max(0.0, now_s - due_s))
        if now_s >= boundary_s:
            reading = kernel.read(now_s, watched.items())
            if before is not None:
                window = kernel.window(before, reading, lateness_s)
                nominal = {"start_s": round(boundary_s - WINDOW_S, 6), "end_s": round(boundary_s, 6)}
                print(json.dumps({**dataclasses.asdict(window), **nominal}), flush=True)
            before, lateness_s = reading, []
            # After a stall of seconds the windows slept through do not exist, and what does not exist is not quiet.
            boundary_s += WINDOW_S * (1 + (now_s - boundary_s) // WINDOW_S)
            try:
                data = os.read(0, 1 << 16)
            except BlockingIOError:
                data = None
            if data == b"":
                return
            *lines, partial = (partial + (data or b"")).split(b"\n")
            for line in lines:
                watched.update(json.loads(line))
        # A canary that overslept counts once, not once per deadline it missed.
        while due_s <= now_s:
            due_s += _PERIOD_S


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(1)
