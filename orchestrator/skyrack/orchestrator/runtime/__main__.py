"""`python -m skyrack.orchestrator.runtime`: the orchestrator process of one run, started by `skyrack up`."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import get_args

from skyrack.orchestrator.api.listen import Listen
from skyrack.orchestrator.runtime.basis import Means
from skyrack.orchestrator.runtime.errors import sentence
from skyrack.orchestrator.runtime.local import local_processes
from skyrack.orchestrator.runtime.local_broker import Wanted, local_broker
from skyrack.orchestrator.runtime.local_entries import local_entries
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.progress import PipeSink, Progress
from skyrack.orchestrator.runtime.run import Run
from skyrack.orchestrator.scenario import load_scenario


def main() -> int:
    """Run until SIGTERM or `down`; the exit status."""
    parser = argparse.ArgumentParser(prog="skyrack-orchestrator")
    parser.add_argument("--run", required=True)
    parser.add_argument("--socket-dir", type=Path, required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--lock-fd", type=int, required=True)
    parser.add_argument("--progress-fd", type=int, required=True)
    parser.add_argument("--port", type=int, help="on 127.0.0.1, or the next free one; none without it")
    parser.add_argument("--allow-host", action="append", default=[])
    parser.add_argument("--protect-reads", action="store_true")
    parser.add_argument("--broker", choices=get_args(Wanted), required=True)
    parser.add_argument("--broker-port", type=int, help="on 127.0.0.1, or the next free one; none without it")
    parser.add_argument("--entry-port", type=int, help="the first of the entries' ports; none without it")
    arguments = parser.parse_args()
    faulthandler.enable()
    # Children must hold neither: the lock is this run's life, the pipe the starting command's.
    os.set_inheritable(arguments.lock_fd, False)
    os.set_inheritable(arguments.progress_fd, False)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    progress = Progress(PipeSink(arguments.progress_fd))
    try:
        asyncio.run(_run(arguments, progress))
    except Exception as error:
        traceback.print_exc()
        progress.send(error=sentence(error))
        return 1
    return 0


async def _run(arguments: argparse.Namespace, progress: Progress) -> None:
    scenario = load_scenario(arguments.run_dir / "scenario.yaml")
    places = Places(arguments.socket_dir, arguments.socket_dir, arguments.run_dir)
    means = Means(
        processes=local_processes,
        brokers=local_broker(arguments.broker, arguments.broker_port),
        entries=local_entries(arguments.entry_port),
    )
    run = Run(arguments.run, scenario, places, progress, means)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, run.stop.set)
    await run.main(_listen(arguments))


def _listen(arguments: argparse.Namespace) -> Listen | None:
    if arguments.port is None:
        return None
    names = tuple(arguments.allow_host)
    return Listen("127.0.0.1", arguments.port, True, names, arguments.protect_reads)


if __name__ == "__main__":
    sys.exit(main())
