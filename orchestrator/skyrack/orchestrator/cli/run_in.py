"""`skyrack exec`: any program in a node's network, process and mount namespaces."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from skyrack.orchestrator.cli import contained
from skyrack.orchestrator.cli.exits import FAILED, USAGE, Problem
from skyrack.orchestrator.cli.find import RunName, find_any, require_serving
from skyrack.orchestrator.runtime.compose import ComposeRun
from skyrack.v1 import mesh_pb2, namespaces
from skyrack.v1.become import become
from skyrack.v1.guest_environment import guest_environment
from skyrack.v1.redundant import redundant

PASSED_ON = {signal.SIGINT, signal.SIGTERM}
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def execute(
    node: Annotated[str, typer.Argument(help="An inhabited node.")],
    command: Annotated[list[str], typer.Argument(help="After --: the program and its arguments.")],
    redundancy: Annotated[
        int | None,
        typer.Option(
            help="Run so many copies at once and vote on what they print and their exit status; before NODE.",
            min=2,
            max=9,
            show_default=False,
        ),
    ] = None,
    run: RunName = None,
) -> int:
    """Run a program inside a node: `skyrack exec p3s07 -- ping -c 3 tokyo`. Its exit status becomes ours."""
    if command[0] == "--":
        command = command[1:]
    if not command:
        raise Problem("nothing to run", hint=f"for instance: skyrack exec {node} -- ip addr", status=USAGE)
    found = find_any(run)
    if isinstance(found, ComposeRun):
        if redundancy is not None:
            command = redundant("python3", redundancy, command)
        return contained.execute(found, node, command)
    if redundancy is not None:
        command = redundant(sys.executable, redundancy, command)
    status = found.status()
    require_serving(node, status["nodes"])
    socket = Path(status["mesh_dir"], "nodes", f"{node}.sock")
    variables = variables_of(node, status)
    # What comes while the program starts waits until it is settled whose it is.
    unmasked = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    try:
        pid = namespaces.pid_of_socket(socket)
        child = namespaces.fork_into(pid)
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, unmasked)
        hint = f"docker compose exec --user 1000 node-{node} ..." if contained.is_inside() else ""
        raise Problem(f"cannot enter {node}: {error.strerror}", hint=hint, status=FAILED) from error
    if child == 0:
        _become(command, variables, unmasked)
    # The terminal sends Ctrl-C to the program as well: it decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_SETMASK, unmasked)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def variables_of(node: str, status: dict[str, Any]) -> dict[str, str]:
    """The variables that guests of a node get, from a run's status."""
    index, entry = next((i, one) for i, one in enumerate(status["nodes"]) if one["name"] == node)
    told = status["clock"]
    clock = mesh_pb2.RunClock(
        t0_monotonic_ns=status["t0_monotonic_ns"],
        speed=told["speed"],
        since_run_s=told["since_run_s"],
        since_t_s=told["since_t_s"],
    )
    clock.start.FromDatetime(datetime.fromisoformat(status["start"]))
    return guest_environment(
        run=status["run"],
        node=node,
        kind=entry["kind"],
        address=entry["address"],
        index=index,
        clock=clock,
    )


def _become(command: list[str], variables: dict[str, str], unmasked: Collection[int]) -> None:
    for number in PASSED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` left it
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, unmasked)
    environment = {key: value for key, value in os.environ.items() if key.lower() not in PROXIES} | variables
    become(command, environment, speaker="skyrack exec")
