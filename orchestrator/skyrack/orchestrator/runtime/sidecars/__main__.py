"""`python -m skyrack.orchestrator.runtime.sidecars`: be what keeps a project's sidecars, until SIGTERM.

Exit status 0 after SIGTERM, 1 after a failure: no engine answers, or a data directory cannot be written. Without a socket
(DOCKER_SOCKET=/dev/null) it prepares the data directories, and starts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.runtime.sidecars.data import fill, prepare
from skyrack.orchestrator.runtime.sidecars.engine import Engine, EngineError
from skyrack.orchestrator.runtime.sidecars.keeper import Keeper
from skyrack.orchestrator.runtime.sidecars.orders import Orders


def main() -> int:
    """The exit status."""
    arguments = _parser().parse_args()
    # The first process of a container would ignore it by default.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        prepare(arguments.data, arguments.files)
        if not arguments.engine.is_socket():
            print(f"{arguments.engine} is no socket: what ends with its node stays so", flush=True)
            arguments.prepared.touch()
            signal.pause()
        asyncio.run(_keep(arguments))
    except (EngineError, LookupError) as error:
        print(f"{arguments.engine}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
    return 1


async def _keep(arguments: argparse.Namespace) -> None:
    """For ever. Raises EngineError, and LookupError outside of a container."""
    clock = RealClock()
    async with Engine(arguments.engine) as engine:
        # Its name is the beginning of its identity.
        project = await engine.project_of(socket.gethostname())

        def fill_again(name: str) -> None:
            fill(arguments.data / name, arguments.files / name)

        keeper = Keeper(
            engine, project, arguments.mesh_dir, clock, lambda text: print(text, flush=True), fill_again
        )
        orders = Orders(engine, project, keeper, arguments.data, clock)
        async with orders.serve(arguments.orders):
            arguments.prepared.touch()
            await keeper.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m skyrack.orchestrator.runtime.sidecars",
        description="Start the containers of services again whose nodes are back, and do to them what faults do.",
    )
    parser.add_argument("--engine", type=Path, required=True, help="the engine's socket")
    parser.add_argument("--mesh-dir", type=Path, required=True, help="shared with the nodes")
    parser.add_argument(
        "--orders", type=Path, required=True, help="where the orchestrator says what is to be done to them"
    )
    parser.add_argument("--data", type=Path, required=True, help="with a directory per sidecar")
    parser.add_argument(
        "--files", type=Path, required=True, help="likewise, with what is to be written there"
    )
    parser.add_argument(
        "--prepared", type=Path, required=True, help="file that is made once sidecars may start"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
