"""`skyrack down`."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from skyrack.orchestrator.api.client import ApiClient, ApiError
from skyrack.orchestrator.cli import contained
from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import RunName
from skyrack.orchestrator.runtime import compose, paths
from skyrack.v1 import namespaces

STOP_TIMEOUT_S = 60.0  # what takes milliseconds takes long on a host that gives it no time
ANSWER_TIMEOUT_S = 3.0  # SIGTERM, which comes then, ends a run as gently
POLL_S = 0.02


def down(
    run: RunName = None,
    everything: Annotated[bool, typer.Option("--all", help="Stop all of this user's runs.")] = False,
) -> None:
    """Stop a run and leave nothing of it behind but its run directory. Touches nothing it did not start."""
    if run is not None and everything:
        raise Problem("--run and --all exclude each other", status=USAGE)
    in_containers = compose.records()
    live = [*paths.live_runs(), *in_containers]
    if run is not None:
        names = [run] if run in live else []
    elif everything or len(live) < 2:
        names = live
    else:
        raise Problem(f"{len(live)} runs are up: {', '.join(live)}", hint="--run NAME or --all", status=USAGE)
    removed = [name for name in paths.leftovers() if run in (None, name)]
    for name in removed:
        paths.release(name)
        note(f"removed what {name}, which had ended by itself, had left")
    if not names and not removed:
        note(f"nothing to stop: no run{'' if run is None else f' called {run!r}'} is up")
    for name in names:
        if name in in_containers:
            contained.down(in_containers[name])
        else:
            stop(name)
        print(f"{name} is down")
        if contained.is_inside():
            note("its other containers stay, dark: `docker compose down` outside ends them")


def stop(name: str) -> None:
    """Ask, by the API or else with SIGTERM; kill what has not followed after STOP_TIMEOUT_S, or is suspended and cannot."""
    for tell in (_kill,) if _is_suspended(name) else (_ask, _kill):
        deadline = time.monotonic() + STOP_TIMEOUT_S
        told = tell(name)
        while paths.is_held(name):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
            told = told or tell(name)  # one that is just being started has no record yet
        else:
            paths.release(name)
            return
    record = paths.read_record(name)
    raise Problem(f"{name} does not stop", hint=f"its outermost process is {record.pid}" if record else "")


def _ask(name: str) -> bool:
    """Whether somebody could be asked to end the run."""
    try:
        ApiClient(paths.base_dir() / name, ANSWER_TIMEOUT_S).post("/v1/down", {})
    except ApiError:
        if not _signal(name, signal.SIGTERM):
            return False
        if paths.is_held(name):
            note(f"{name} does not answer: it has {STOP_TIMEOUT_S:g} s to end, and is killed then")
    return True


def _kill(name: str) -> bool:
    return _signal(name, signal.SIGKILL)


def _signal(name: str, number: signal.Signals) -> bool:
    """Whether there is a process to signal, or was a moment ago."""
    record = paths.read_record(name)
    if record is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(record.pid, number)
    return True


def _is_suspended(name: str) -> bool:
    """Whether the orchestrator is stopped (SIGSTOP, a debugger): it neither answers nor ends then."""
    try:
        pid = namespaces.pid_of_socket(paths.base_dir() / name / "api.sock")
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "Tt"
    except OSError:
        return False
