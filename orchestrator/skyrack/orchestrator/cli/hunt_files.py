"""The directory of a hunt: what it was asked for, every trial as one line, what interesting trials recorded, the report.

hunt.json       options and the scenario's text: what `--resume` goes on with
trials.jsonl    {"trial", "purpose", "schedule", "outcome"}, flushed one by one; a torn last line is a trial that was cut off
trials/0023/    the run's directory of a trial that broke or was the slowest: history, result, events, logs
report.json     what was found
test_*.py       the find as a pytest file
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.hunt.outcome import Outcome
from skyrack.orchestrator.hunt.schedule import Schedule
from skyrack.orchestrator.hunt.search import Request
from skyrack.orchestrator.runtime.files import write_whole

OPTIONS = "hunt.json"
TRIALS = "trials.jsonl"
REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial that has been run."""

    request: Request
    outcome: Outcome

    def as_json(self, number: int) -> dict[str, Any]:
        """As a line of trials.jsonl."""
        return {
            "trial": number,
            "purpose": self.request.purpose,
            "schedule": self.request.schedule.as_json(),
            "outcome": self.outcome.as_json(),
        }

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Self:
        """The trial that `as_json` wrote. Raises ValueError, KeyError, TypeError."""
        request = Request(data["purpose"], Schedule.of_json(data["schedule"]))
        return cls(request, Outcome.of_json(data["outcome"]))


class HuntFiles:
    """A hunt's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def begin(self, options: Mapping[str, Any]) -> None:
        """Make the directory. Raises Problem where it is there already."""
        try:
            self.directory.mkdir(parents=True)
            write_whole(self.directory / OPTIONS, json.dumps(options, indent=2) + "\n")
        except FileExistsError:
            raise Problem(
                f"{self.directory} exists", hint=f"--resume {self.directory} goes on with it", status=USAGE
            ) from None
        except OSError as error:
            raise Problem(f"cannot write {self.directory}: {error.strerror}") from error

    def options(self) -> dict[str, Any]:
        """What `begin` was given. Raises Problem."""
        path = self.directory / OPTIONS
        try:
            options: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Problem(f"{self.directory} is no directory of a hunt: {error}", status=USAGE) from error
        return options

    def trials(self) -> list[Trial]:
        """Those that were run to their end; a torn last line is removed from the file. Raises Problem."""
        path = self.directory / TRIALS
        if not path.exists():
            return []
        text = path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if len(whole) < len(text):
            os.truncate(path, len(whole))
        found = []
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                found.append(Trial.of_json(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                raise Problem(f"{path}:{number}: this is no trial: {error}", status=USAGE) from error
        return found

    def add(self, number: int, trial: Trial) -> None:
        """Append one trial. Raises OSError."""
        with (self.directory / TRIALS).open("a", encoding="utf-8") as out:
            out.write(json.dumps(trial.as_json(number)) + "\n")

    def kept(self, number: int) -> Path:
        """Where what a trial recorded is kept."""
        return self.directory / "trials" / f"{number:04d}"

    def keep(self, number: int, run_dir: Path) -> None:
        """Take over a run's directory; one of a trial that was cut off under this number goes. Raises OSError."""
        kept = self.kept(number)
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(exist_ok=True)
        shutil.move(run_dir, kept)

    def report(self, report: Mapping[str, Any]) -> None:
        """Write the report. Raises OSError."""
        write_whole(self.directory / REPORT, json.dumps(report, indent=2) + "\n")
