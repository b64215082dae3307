"""Commands on a run in containers: most are carried out, as they were typed, by the `skyrack` in its orchestrator."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from skyrack.orchestrator.cli.console import complain, note, shortened
from skyrack.orchestrator.cli.exits import USAGE, Finished, Problem
from skyrack.orchestrator.runtime import compose
from skyrack.orchestrator.runtime.compose import ComposeRun, NoEngine
from skyrack.orchestrator.scenario.placement import sidecar_name

ORCHESTRATOR = "orchestrator"
GUEST = "1000:1000"  # who guest programs are: the image's user, without any capability
# Adds the variables of guests, which are known inside.
AS_GUEST = ("python", "-m", "skyrack.node.guest.program")
STOP_TIMEOUT_S = 120.0
RESULTS = "SKYRACK_RESULTS"  # tells the command inside where its results will be outside


def is_inside() -> bool:
    """Whether this is the `skyrack` in a run's orchestrator container: nodes and logs are in other containers."""
    return "SKYRACK_HEALTH" in os.environ


@contextlib.contextmanager
def engine_problems() -> Iterator[None]:
    """What the engine says becomes a Problem."""
    try:
        yield
    except NoEngine as error:
        raise Problem(
            str(error), hint="runs in containers need Docker Engine with its compose plug-in"
        ) from error


def live() -> dict[str, ComposeRun]:
    """The runs in containers that are up. Where the engine cannot be asked, none of them, and a note says so."""
    try:
        return compose.live()
    except NoEngine as error:
        note(f"{', '.join(compose.records())} in containers: {error}")
        return {}


def hand_over(record: ComposeRun) -> Finished:
    """Carry out this very command inside; what comes of it, to be raised."""
    words = without_run(sys.argv[1:])
    options = [*compose.terminal_option(), *compose.passed_environment(os.environ)]
    options += ["-e", f"{RESULTS}={shortened(Path(record.run_dir))}"]
    status = run_in(record, ["exec", *options, ORCHESTRATOR, "skyrack", *words])
    if status and not is_running(record):
        note(f"to go on with the run: docker start {record.project}-{ORCHESTRATOR}-1")
        return Finished(status)
    if words[:1] == ["load"]:
        fetch_results(record)
    return Finished(status)


def run_in(record: ComposeRun, arguments: Sequence[str]) -> int:
    """`docker compose ARGUMENTS` on this terminal; its exit status."""
    return subprocess.run(record.command(*arguments), env=record.environment(), check=False).returncode


def is_running(record: ComposeRun) -> bool:
    """Whether its orchestrator runs, without which nobody answers. Raises Problem."""
    with engine_problems():
        return bool(record.containers(f"label=com.docker.compose.service={ORCHESTRATOR}", "status=running"))


def execute(record: ComposeRun, node: str, command: Sequence[str]) -> int:
    """Run a program in a node's container; its exit status. Raises Problem."""
    with engine_problems():
        services = record.containers(form='{{.Label "com.docker.compose.service"}}')
    names = sorted(name.removeprefix("node-") for name in services if name.startswith("node-"))
    if node not in names:
        raise Problem(
            f"no node called {node!r} has a container", hint=f"there are {', '.join(names)}", status=USAGE
        )
    options = [*compose.terminal_option(), "--user", GUEST, "-e", "HOME=/tmp"]
    return run_in(record, ["exec", *options, f"node-{node}", *AS_GUEST, *command])


def logs(record: ComposeRun, what: str, service: str | None, *, lines: int, follow: bool) -> Iterator[str]:
    """Lines that a container has written: a node's, or one of the other services'. Raises Problem.

    With `service`: what that has printed at a node, in a container of its own or in the node's.
    """
    with engine_problems():
        told = record.containers(form='{{.ID}} {{.Label "com.docker.compose.service"}}')
    containers = {name: identity for identity, _, name in (line.partition(" ") for line in told)}
    node = containers.get(f"node-{what}")
    beside = containers.get(sidecar_name(what, service)) if service else None
    identity = beside or (node if service else containers.get(what) or node)
    if identity is None:
        names = sorted(name.removeprefix("node-") for name in containers)
        raise Problem(f"no log called {what!r}", hint=f"there are events, {', '.join(names)}", status=USAGE)
    if service is None or beside:
        yield from _lines(identity, lines, follow=follow)
        return
    tail = f',"service":{json.dumps(service)},'
    if follow:
        yield from (line for line in _lines(identity, lines, follow=True) if tail in line)
    else:
        yield from deque((line for line in _lines(identity, 0, follow=False) if tail in line), lines or None)


def _lines(container: str, lines: int, *, follow: bool) -> Iterator[str]:
    options = ["--tail", str(lines or "all"), *(["--follow"] if follow else [])]
    with subprocess.Popen(
        ["docker", "logs", *options, container],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        yield from process.stdout


def fetch_results(record: ComposeRun) -> None:
    """Copy what the run has recorded to its directory here; a failure is told, not raised."""
    source = f"{ORCHESTRATOR}:/runs/{Path(record.run_dir).name}/."
    done = subprocess.run(
        record.command("cp", source, record.run_dir),
        env=record.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = done.stderr.strip().splitlines()
        complain(
            f"results were not copied to {record.run_dir}: {words[-1] if words else 'docker compose cp failed'}"
        )


def down(record: ComposeRun, *, results: bool = True) -> None:
    """Keep the results, where there can be any, remove everything else. Raises Problem."""
    with engine_problems():
        if results and record.containers(f"label=com.docker.compose.service={ORCHESTRATOR}"):
            fetch_results(record)
    done = subprocess.run(
        record.command("--profile", "tools", "down", "--volumes", "--remove-orphans", "--timeout", "5"),
        env=record.environment(), capture_output=True, text=True, check=False, timeout=STOP_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode:
        raise Problem(
            f"{record.run} does not stop: {done.stderr.strip().rpartition(chr(10))[2]}",
            hint=" ".join(record.command("down", "--volumes")),
        )
    compose.forget(record.run)


def without_run(words: Sequence[str]) -> list[str]:
    """The command's words without `--run NAME`: inside there is one run. Words after -- stay."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*kept, word, *rest]
        if word == "--run":
            next(rest, None)
        elif not word.startswith("--run="):
            kept.append(word)
    return kept
