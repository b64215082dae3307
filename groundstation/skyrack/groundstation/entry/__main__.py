"""`python -m skyrack.groundstation.entry --mesh-dir DIR --entry NAME=PORT ...`: the HTTP proxies of a run, in one process.

Ends with status 0 after SIGTERM or SIGINT, with 2 for unusable arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
import traceback
from pathlib import Path

from skyrack.groundstation.entry.answer import page
from skyrack.groundstation.entry.proxy import Gate
from skyrack.node.clock import Clock, RealClock

MOST_CLIENTS = 1024
FDS_PER_CLIENT = 3  # the client's, the mesh's, the station's
SPARE_FDS = 64
BACKLOG = 512
RETRY_S = 0.5
_FD = "fd:"


def main() -> int:
    """The exit status."""
    options = _parser().parse_args()
    try:
        listeners = {name: _listener(options.host, where) for name, where in map(_entry, options.entry)}
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(options.mesh_dir, listeners, RealClock()))
    return 0


async def _serve(mesh_dir: Path, listeners: dict[str, socket.socket], clock: Clock) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    room = asyncio.Semaphore(_most_clients())
    async with asyncio.TaskGroup() as tasks:
        for name, listener in listeners.items():
            tasks.create_task(_accept(tasks, Gate(mesh_dir, name), listener, room, clock), name=name)


async def _accept(
    tasks: asyncio.TaskGroup, gate: Gate, listener: socket.socket, room: asyncio.Semaphore, clock: Clock
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            client, _ = await loop.sock_accept(listener)
        except ConnectionAbortedError:
            continue
        except OSError as error:  # out of descriptors
            print(f"{gate.station}: cannot accept: {error.strerror}", file=sys.stderr, flush=True)
            await clock.sleep(RETRY_S)
            continue
        if room.locked():
            with client, contextlib.suppress(OSError):
                client.send(page(503, "too many connections are open: no more at once"))
            continue
        tasks.create_task(_serve_one(gate, client, room))


async def _serve_one(gate: Gate, client: socket.socket, room: asyncio.Semaphore) -> None:
    """A fault of ours in serving one client is not the end of the others."""
    async with room:
        try:
            await gate.serve(client)
        except Exception:
            traceback.print_exc()


def _most_clients() -> int:
    """As many as descriptors allow, MOST_CLIENTS at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft == resource.RLIM_INFINITY:
        return MOST_CLIENTS
    return max(1, min(MOST_CLIENTS, (soft - SPARE_FDS) // FDS_PER_CLIENT))


def _entry(text: str) -> tuple[str, str]:
    name, equals, where = text.partition("=")
    if not (name and equals and where.removeprefix(_FD).isdecimal()):
        raise ValueError(f"--entry {text}: expected NAME=PORT or NAME={_FD}DESCRIPTOR")
    return name, where


def _listener(host: str, where: str) -> socket.socket:
    """Raises OSError."""
    if where.startswith(_FD):
        fd = int(where.removeprefix(_FD))
        os.set_inheritable(fd, False)
        listener = socket.socket(fileno=fd)
    else:
        listener = socket.create_server((host, int(where)), backlog=BACKLOG)
    listener.setblocking(False)
    return listener


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m skyrack.groundstation.entry",
        description="HTTP proxies into the mesh of a run, each of which enters it at one station.",
    )
    parser.add_argument("--mesh-dir", type=Path, required=True, help="directory that the run's nodes share")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--entry", action="append", required=True, metavar="NAME=PORT",
        help="a station and its port; fd:N is a listening socket that this process was given; repeat for each",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
