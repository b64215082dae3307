"""`skyrack exec`: any program in a node's network, process and mount namespaces."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from skyrack.orchestrator.cli import contained
from skyrack.orchestrator.cli.exits import FAILED, USAGE, Problem
from skyrack.orchestrator.cli.find import RunName, find_any
from skyrack.orchestrator.runtime.compose import ComposeRun
from skyrack.v1 import namespaces

COMMAND_NOT_FOUND = 127
NOT_EXECUTABLE = 126
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def execute(
    node: Annotated[str, typer.Argument(help="An inhabited node.")],
    command: Annotated[list[str], typer.Argument(help="After --: the program and its arguments.")],
    run: RunName = None,
) -> int:
    """Run a program inside a node: `skyrack exec p3s07 -- ping -c 3 tokyo`. Its exit status becomes ours."""
    if command[0] == "--":
        command = command[1:]
    if not command:
        raise Problem("nothing to run", hint=f"for instance: skyrack exec {node} -- ip addr", status=USAGE)
    found = find_any(run)
    if isinstance(found, ComposeRun):
        return contained.execute(found, node, command)
    socket = found.node_socket(node)
    try:
        pid = namespaces.pid_of_socket(socket)
        child = namespaces.fork_into(pid)
    except OSError as error:
        hint = f"docker compose exec --user 1000 node-{node} ..." if contained.is_inside() else ""
        raise Problem(f"cannot enter {node}: {error.strerror}", hint=hint, status=FAILED) from error
    if child == 0:
        _become(command)
    # The terminal sends Ctrl-C to the program as well: it decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(command: list[str]) -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a program would inherit that
    environment = {key: value for key, value in os.environ.items() if key.lower() not in PROXIES}
    try:
        os.execvpe(command[0], command, environment)
    except FileNotFoundError:
        sys.stderr.write(f"skyrack exec: {command[0]}: not found\n")
        os._exit(COMMAND_NOT_FOUND)
    except OSError as error:
        sys.stderr.write(f"skyrack exec: {command[0]}: {error.strerror}\n")
        os._exit(NOT_EXECUTABLE)
