"""A run for the scripts beside this file: up in a place of its own, commands on it, what it has recorded, what it takes, gone.

with up(SCENARIOS / "launch.yaml") as run:
    run.skyrack("launch", "v3-1")
    run.wait_for("all serve", lambda: all(node["state"] == "serving" for node in run.status()["nodes"]))
    print(run.events("node_serving"))
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from skyrack.orchestrator.api.client import ApiClient

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "deploy" / "scenarios"
SKYRACK = str(Path(sys.executable).with_name("skyrack"))
LOOK_S = 0.5
Event = dict[str, Any]


class CommandFailed(SystemExit):
    """A command did; its words, which are the script's last ones where nobody catches this."""


class Operation(NamedTuple):
    """One of a history. `outcome`: ok, fail or unknown. `answered`: a no of the service's own is an answer, too."""

    at_s: float
    took_s: float
    outcome: str
    answered: bool


@dataclass(frozen=True)
class Run:
    """A run that is up. `directory`: what it records; `environment`: that of commands on it. Times are run seconds."""

    directory: Path
    environment: Mapping[str, str]

    def skyrack(self, *words: str) -> str:
        """What a command prints. Raises CommandFailed."""
        done = subprocess.run([SKYRACK, *words], env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise CommandFailed(f"skyrack {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, scenario: Path | str, name: str = "scenario") -> None:
        """Bring it up: a file, or a text that is called so. Raises CommandFailed."""
        if isinstance(scenario, str):
            text, scenario = scenario, self.directory.parents[1] / f"{name}.yaml"
            scenario.write_text(text, "utf-8")
        self.skyrack("up", "-d", str(scenario))

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """A command that goes on meanwhile; what it prints is in its pipe."""
        return subprocess.Popen([SKYRACK, *words], env=self.environment, stdout=subprocess.PIPE, text=True)

    def status(self) -> dict[str, Any]:
        """The run's state, with process ids as they are here."""
        return dict(json.loads(self.skyrack("status", "--all", "-o", "json")))

    def api(self, patience_s: float = 30.0) -> ApiClient:
        """Its API."""
        return ApiClient(Path(self.status()["socket_dir"]), patience_s)

    def wait_for(self, what: str, holds: Callable[[], bool], patience_s: float = 120.0) -> None:
        """Until it holds."""
        until_s = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > until_s:
                raise SystemExit(f"not within {patience_s:g} s: {what}")
            time.sleep(LOOK_S)

    def events(self, name: str = "") -> list[Event]:
        """What has happened, or what of it is called so."""
        found = lines(self.directory / "events.jsonl")
        return [event for event in found if not name or event["event"] == name]

    def operations(self) -> list[Operation]:
        """Of the last load's history, by when they were invoked; without those that have not ended."""
        begun: dict[Any, float] = {}
        found = []
        for line in lines(self.directory / "history.jsonl")[1:]:
            if line.get("type") == "invoke":
                begun[line["op"]] = line["time_s"]
            elif line.get("op") in begun:
                at_s, outcome = begun.pop(line["op"]), line["type"]
                answered = outcome == "ok" or (outcome == "fail" and not line["error"])
                found.append(Operation(at_s, line["time_s"] - at_s, outcome, answered))
        return sorted(found)

    def processes(self) -> list[int]:
        """Those with its environment: its own, and commands on it."""
        mark = f"SKYRACK_SOCKET_DIR={self.environment['SKYRACK_SOCKET_DIR']}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    def keep(self, where: Path, *files: str) -> None:
        """Copies of files that it has recorded, in place of what is there."""
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir(parents=True)
        for file in files:
            shutil.copy(self.directory / file, where)


@contextmanager
def place() -> Iterator[Run]:
    """Where a run can be, apart from all others and without ports; it is down and everything is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="design-", dir="/tmp"))
    environment = {
        **os.environ,
        "SKYRACK_SOCKET_DIR": str(directory / "s"),
        "SKYRACK_UP_RUNS": str(directory / "runs"),
        **{f"SKYRACK_UP_{port}": "0" for port in ("PORT", "BROKER_PORT", "ENTRY_PORT")},
    }
    run = Run(directory / "runs" / "latest", environment)
    try:
        yield run
    finally:
        with suppress(CommandFailed):
            run.skyrack("down", "--all")
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def up(scenario: Path | str, name: str = "scenario") -> Iterator[Run]:
    """A run that is up, of a file or of a text that is called so. Raises CommandFailed."""
    with place() as run:
        run.start(scenario, name)
        yield run


def the_run() -> Run:
    """The one that is up, as `skyrack status` finds it. Raises CommandFailed."""
    found = Run(Path(), os.environ).status()
    return Run(Path(found["run_dir"]), os.environ)


def lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines of a file, as far as they have been written; none where it is not there."""
    text = path.read_text("utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


# What processes take


def descendants(pid: int) -> Iterator[int]:
    """Children, and theirs."""
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            yield child
            yield from descendants(child)


def what(pid: int) -> str:
    """The module or the program that a process runs; a node is what its zygote has made of itself."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return words[words.index("-m") + 1] if "-m" in words else Path(words[0]).name


def descriptors(pid: int) -> int:
    """How many are open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def pss_kib(pid: int, part: str = "Pss") -> int:
    """Memory, by shares of what is shared. `part`: `Pss_Anon` is without files, which others on the host may share or not."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith(f"{part}:"))
