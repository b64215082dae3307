"""`skyrack down`."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Annotated

import typer

from skyrack.orchestrator.api.client import ApiClient, ApiError
from skyrack.orchestrator.cli import contained
from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import RunName
from skyrack.orchestrator.runtime import compose, paths

STOP_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 3.0
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
    """Ask; where nobody answers, or nothing follows, insist: first with SIGTERM, then with SIGKILL."""
    try:
        ApiClient(paths.base_dir() / name, ANSWER_TIMEOUT_S).post("/v1/down", {})
        asked = True
    except ApiError:
        asked = False
    for number in (None if asked else signal.SIGTERM, signal.SIGKILL):
        _signal(name, number)
        deadline = time.monotonic() + (STOP_TIMEOUT_S if asked else STOP_TIMEOUT_S / 4)
        while paths.is_held(name):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
        else:
            paths.release(name)
            return
    record = paths.read_record(name)
    raise Problem(f"{name} does not stop", hint=f"its outermost process is {record.pid}" if record else "")


def _signal(name: str, number: signal.Signals | None) -> None:
    record = paths.read_record(name)
    if number is not None and record is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)
