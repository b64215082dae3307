"""`python -m skyrack.orchestrator.fabric`: the laser mesh, as a process that connects to its orchestrator."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from skyrack.orchestrator.fabric.priority import keep_memory_resident, prefer_realtime
from skyrack.orchestrator.fabric.service import serve_once, serve_one_after_the_other
from skyrack.v1 import privileges


def main() -> int:
    """Serve the mesh; the exit status: 1 when the user cannot be had."""
    parser = argparse.ArgumentParser(
        prog="python -m skyrack.orchestrator.fabric", description="Carry packets."
    )
    parser.add_argument("--connect", type=Path, required=True, help="where the orchestrator listens")
    parser.add_argument("--directory", type=Path, required=True, help="where nodes attach: fabric.sock")
    parser.add_argument(
        "--user",
        type=int,
        metavar="UID",
        help="in a container: take priority, become this user and group without any capability, "
        "and serve one orchestrator after the other",
    )
    arguments = parser.parse_args()
    # The orchestrator decides when the mesh ends; a terminal's Ctrl-C reaches the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    scheduler = prefer_realtime()
    if arguments.user is None:
        serve_once(arguments.connect, arguments.directory, scheduler)
        return 0
    keep_memory_resident()
    try:
        privileges.drop(arguments.user, arguments.user)
    except OSError as error:
        print(f"fabric: {error}", file=sys.stderr)
        return 1
    return serve_one_after_the_other(arguments.connect, arguments.directory, scheduler)


if __name__ == "__main__":
    sys.exit(main())
