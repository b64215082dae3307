"""`skyrack forward`: local ports that lead to ports of nodes, in through one node on the ground."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.cli import contained
from skyrack.orchestrator.cli.entered import require_entry
from skyrack.orchestrator.cli.exits import FINE, USAGE, Problem
from skyrack.orchestrator.cli.find import LiveRun, RunName, find_any, require_inhabited
from skyrack.orchestrator.cli.forwarding import Way, carry
from skyrack.orchestrator.runtime import paths
from skyrack.orchestrator.runtime.compose import ComposeRun

LOOPBACK = "127.0.0.1"
BACKLOG = 128
_PORTS = range(1, 65536)


@dataclass(frozen=True)
class Target:
    """A port of a node."""

    node: str
    port: int

    def __str__(self) -> str:
        return f"{self.node}:{self.port}"


@dataclass(frozen=True)
class Asked:
    """A run that is asked about itself, wherever it is."""

    status: Callable[[], dict[str, Any]]
    path: Callable[[str, str], dict[str, Any]]
    is_up: Callable[[], bool]


def forward(
    station: Annotated[str, typer.Argument(help="In through this entry: a node on the ground.")],
    targets: Annotated[
        list[str],
        typer.Argument(
            help="NODE:PORT, or SERVICE@NODE for the port by which that service is known to be ready. Several.",
            metavar="TARGET",
        ),
    ],
    port: Annotated[
        list[int] | None,
        typer.Option(
            help="Local port of the first target; again for the next. 0 takes any free one. Default: the same port.",
            min=0,
            max=65535,
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell of every connection.")] = False,
    run: RunName = None,
) -> int:
    """Listen on 127.0.0.1 and carry every connection to a node's port, with the delays of the way. Ctrl-C ends it."""
    local = port or []
    if len(local) > len(targets):
        raise Problem(f"{len(local)} times --port for {len(targets)} targets", status=USAGE)
    if contained.is_inside():
        raise Problem(
            "a port of this container is of no use to you",
            hint=f"outside: curl -x http://127.0.0.1:PORT ..., with the port of {station} in skyrack status",
            status=USAGE,
        )
    asked = _asked(find_any(run))
    status = asked.status()
    proxy = require_entry(station, status)
    wanted = [parse_target(text, status) for text in targets]
    listeners: list[socket.socket] = []
    try:
        for number, target in enumerate(wanted):
            listeners.append(_listen(local[number] if number < len(local) else target.port))
        for target, listener in zip(wanted, listeners, strict=True):
            print(_line(listener, station, target, asked, status["run"]), flush=True)
        ends = [
            (listener, Way(station, proxy, target.node, target.port))
            for target, listener in zip(wanted, listeners, strict=True)
        ]
        stopped = asyncio.run(carry(ends, asked.is_up, tell if verbose else None))
    finally:
        for listener in listeners:
            listener.close()
    if not stopped:
        raise Problem(f"{status['run']} has ended")
    return FINE


def tell(text: str) -> None:
    """About a connection, on stderr."""
    print(text, file=sys.stderr, flush=True)


def parse_target(text: str, status: dict[str, Any]) -> Target:
    """[SERVICE@]NODE[:PORT] in a run of this status. Raises Problem."""
    service, at, place = text.rpartition("@")
    node, colon, port = place.partition(":")
    require_inhabited(node, status["nodes"])
    if colon:
        if not (port.isascii() and port.isdecimal() and int(port) in _PORTS):
            raise Problem(f"{text}: {port!r} is no port", hint=f"for instance {node}:8080", status=USAGE)
        return Target(node, int(port))
    if not at:
        raise Problem(f"{text}: to which port?", hint=f"{node}:PORT, or SERVICE@{node}", status=USAGE)
    here = {entry["service"]: entry["port"] for entry in status["services"] if entry["node"] == node}
    if service not in here:
        names = sorted(here)
        hint = (
            f"there {'is' if len(names) == 1 else 'are'} {', '.join(names)}"
            if names
            else f"{node}:PORT does too"
        )
        raise Problem(f"{node} has no service called {service!r}", hint=hint, status=USAGE)
    if here[service] is None:
        raise Problem(f"no port of {service} is known: its readiness is not told by one", hint=f"{text}:PORT")
    return Target(node, here[service])


def _asked(found: LiveRun | ComposeRun) -> Asked:
    if isinstance(found, LiveRun):
        return Asked(
            found.status,
            lambda a, b: found.api.get("/v1/path?" + urlencode({"from": a, "to": b})),
            lambda: paths.is_held(found.record.run),
        )

    def inside(*words: str) -> dict[str, Any]:
        command = found.command("exec", "-T", contained.ORCHESTRATOR, "skyrack", *words, "-o", "json")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Problem(f"{found.run} does not answer: {done.stderr.strip()}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    # Whether it is still up is not asked: that would take a second of a core each time.
    return Asked(
        lambda: inside("status"), lambda a, b: inside("path", a, b, "--run", found.run), lambda: True
    )


def _listen(port: int) -> socket.socket:
    """Raises Problem."""
    try:
        listener = socket.create_server((LOOPBACK, port), backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Problem(f"{LOOPBACK}:{port} is in use", hint="--port 0 takes a free one") from error
        hint = f"--port {port + 8000} needs no privilege" if error.errno == errno.EACCES else ""
        raise Problem(f"cannot listen on {LOOPBACK}:{port}: {error.strerror}", hint=hint) from error
    listener.setblocking(False)
    return listener


def _line(listener: socket.socket, station: str, target: Target, asked: Asked, run: str) -> str:
    here = f"{LOOPBACK}:{listener.getsockname()[1]} -> {station} -> {target}"
    try:
        path = asked.path(station, target.node)["in_force"]
    except (ApiError, Problem) as error:
        return f"{here}   way unknown: {error}"
    if path is None:
        return f"{here}   no way there now: skyrack path {station} {target.node} --run {run} says why"
    return f"{here}   {path['rtt_ms']:.3f} ms there and back now: {' > '.join(path['path'])}"
