"""A fabric's service to its orchestrator: once, or to one orchestrator after the other."""

from __future__ import annotations

import gc
import json
import mmap
import os
import socket
import time
from pathlib import Path
from typing import NoReturn

from skyrack.orchestrator.fabric import handover
from skyrack.orchestrator.fabric.loop import Loop
from skyrack.orchestrator.fabric.priority import keep_memory_resident
from skyrack.orchestrator.fabric.wire import FabricConfig, SharedArrays

RETRY_S = 0.2

Scheduler = tuple[str, str]  # what `prefer_realtime` returned


def serve_once(path: Path, directory: Path, scheduler: Scheduler) -> None:
    """Serve the orchestrator that listens at `path` until it ends the connection. Raises OSError, HandoverError."""
    with handover.connect(path) as control:
        config, memory_fd = handover.receive_serve(control)
        _serve(control, config, memory_fd, directory, scheduler)


def serve_one_after_the_other(path: Path, directory: Path, scheduler: Scheduler) -> NoReturn:
    """Serve whoever listens at `path`, with nothing kept from the one before; wait where there is nobody."""
    name, reason = scheduler
    _say("real-time priority" if name == "fifo" else f"normal priority: {reason}")
    while True:
        control, config, memory_fd = _next_orchestrator(path)
        with control:
            _say(f"serving {len(config.names)} nodes")
            _serve(control, config, memory_fd, directory, scheduler)
        gc.collect()
        _say("the orchestrator has gone: the mesh is dark")


def _next_orchestrator(path: Path) -> tuple[socket.socket, FabricConfig, int]:
    complaint = ""
    while True:
        try:
            control = handover.connect(path)
            try:
                return control, *handover.receive_serve(control)
            except BaseException:
                control.close()
                raise
        except (OSError, handover.HandoverError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            if (words := reason or str(error)) != complaint:
                complaint = words
                _say(f"waiting for an orchestrator at {path}: {words}")
        time.sleep(RETRY_S)


def _serve(
    control: socket.socket, config: FabricConfig, memory_fd: int, directory: Path, scheduler: Scheduler
) -> None:
    try:
        # In one go, not page by page as the loop comes to new links and routes.
        shared = mmap.mmap(memory_fd, 0, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        arrays = SharedArrays(config, shared)
    finally:
        os.close(memory_fd)
    name, reason = scheduler
    loop = Loop(config, arrays, control, directory, realtime=name == "fifo")
    keep_memory_resident()
    # No collection while packets wait, and nothing that is there now is looked at again until the end.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        control.send(json.dumps({"op": "up", "scheduler": name, "scheduler_reason": reason}).encode())
        loop.run()
    except ConnectionError:
        return
    finally:
        loop.close()
        gc.unfreeze()
        gc.enable()


def _say(text: str) -> None:
    print(f"fabric: {text}", flush=True)
