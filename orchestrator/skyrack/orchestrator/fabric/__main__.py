"""`python -m skyrack.orchestrator.fabric`: started by the orchestrator with two inherited descriptors."""

from __future__ import annotations

import argparse
import gc
import json
import mmap
import os
import signal
import socket
from pathlib import Path

from skyrack.orchestrator.fabric.loop import Loop
from skyrack.orchestrator.fabric.priority import keep_memory_resident, prefer_realtime
from skyrack.orchestrator.fabric.wire import FabricConfig, SharedArrays


def main() -> None:
    """Serve the mesh until the control socket ends."""
    parser = argparse.ArgumentParser(prog="skyrack-fabric")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--memory-fd", type=int, required=True)
    arguments = parser.parse_args()
    # The orchestrator decides when the mesh ends; a terminal's Ctrl-C reaches the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config = FabricConfig.load(arguments.directory / "fabric.json")
    arrays = SharedArrays(config, mmap.mmap(arguments.memory_fd, 0))
    control = socket.socket(fileno=arguments.control_fd)
    scheduler, reason = prefer_realtime()
    loop = Loop(config, arrays, control, arguments.directory, realtime=scheduler == "fifo")
    keep_memory_resident()
    gc.collect()
    gc.freeze()
    gc.disable()
    up = {"op": "up", "pid": os.getpid(), "scheduler": scheduler, "scheduler_reason": reason}
    control.send(json.dumps(up).encode())
    loop.run()


if __name__ == "__main__":
    main()
