"""A recipe of docs/recipes, up in a place of its own: its scenario, programs run in its nodes, what these print."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.e2e.place import ROOT, Ended, Foreground, Place, eventually, open_place

SCENARIOS = ROOT / "deploy" / "scenarios"
CLIENTS = ROOT / "docs" / "recipes"


@dataclass(frozen=True)
class Recipe:
    """A run of a recipe's scenario."""

    place: Place
    name: str

    def at(self, node: str, *command: object) -> Ended:
        """Run a program in a node to its end."""
        return self.place.skyrack("exec", node, "--", *command)

    def begin(self, node: str, *command: object) -> Foreground:
        """Start a program in a node."""
        return self.place.foreground("exec", node, "--", *command)

    def client(self, script: str, *arguments: object) -> tuple[object, ...]:
        """The command of a client in docs/recipes."""
        return (sys.executable, CLIENTS / script, *arguments)

    def check(self, node: str, script: str, *arguments: object) -> dict[str, Any]:
        """What a client's `check` says."""
        found: dict[str, Any] = json.loads(
            self.at(node, *self.client(script, "check", *arguments)).expect().out
        )
        return found

    def file(self, name: str) -> Path:
        """A file for what a client notes."""
        return self.place.directory / name

    def fault(self, *arguments: object) -> float:
        """Begin a fault, and when it began: as time.time()."""
        answer = json.loads(
            self.place.skyrack("fault", "add", *arguments, "--run", self.name, "-o", "json").expect().out
        )
        return float(answer["at_s"]) + self.zero_s()

    def mend(self) -> None:
        """End all faults."""
        self.place.skyrack("fault", "rm", "--all", "--run", self.name).expect()

    def zero_s(self) -> float:
        """Zero of run time, as time.time()."""
        t0_monotonic_s = self.place.status("--run", self.name)["t0_monotonic_ns"] * 1e-9
        return float(t0_monotonic_s - time.monotonic() + time.time())

    def printed(self, node: str, service: str) -> list[dict[str, Any]]:
        """What a service has printed so far: records with `time` and `msg`."""
        text = (self.place.runs / "latest" / "logs" / f"{node}.{service}.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def prints(self, node: str, service: str, text: str) -> dict[str, Any]:
        """Wait until a service has printed this; the first record with it."""

        def found() -> list[dict[str, Any]]:
            return [record for record in self.printed(node, service) if text in record["msg"]]

        return eventually(found, f"{text!r} printed by {service} at {node}")[0]


def acknowledged(file: Path) -> list[dict[str, Any]]:
    """What a client has noted so far: records with `key`, `t`, `took_ms`, `at`."""
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def lost_from_s(noted: list[dict[str, Any]], check: dict[str, Any]) -> float:
    """When the first write was noted that a client's `check` does not find: all behind it have to be lost, too."""
    lost = noted[-check["lost"] :]
    assert check["within_s"] == round(lost[-1]["t"] - lost[0]["t"], 2), "one that came later was kept"
    return float(lost[0]["t"])


def writes(file: Path, more: int, at: str | None = None) -> None:
    """Wait for so many more acknowledged writes, by this server."""

    def count() -> int:
        return sum(at in (None, one["at"]) for one in acknowledged(file))

    first = count()
    eventually(lambda: count() >= first + more, f"{more} more writes acknowledged in {file.name}")


@contextlib.contextmanager
def open_recipe(
    name: str, programs: Mapping[str, str], changes: Mapping[str, Any] | None = None
) -> Iterator[Recipe]:
    """Bring the scenario of a recipe up, with `changes` of its top level. `programs`: the Debian package that has each.

    Raises FileNotFoundError where one is not installed.
    """
    missing = sorted({package for program, package in programs.items() if shutil.which(program) is None})
    if missing:
        raise FileNotFoundError(f"not installed here: apt-get install {' '.join(missing)}")
    with open_place() as place:
        text = (SCENARIOS / f"{name}.yaml").read_text()
        place.scenario.write_text(yaml.safe_dump(yaml.safe_load(text) | dict(changes)) if changes else text)
        place.up()
        yield Recipe(place, name)
