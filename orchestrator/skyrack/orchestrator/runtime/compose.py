"""Runs whose processes are containers: their records on this machine, and the `docker compose` that serves them.

<base>/<run>.compose.json    which project a run is; the project's files lie in its run directory, below compose/
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from skyrack.orchestrator.runtime import paths
from skyrack.orchestrator.runtime.files import write_whole

ASK_TIMEOUT_S = 20.0
_SUFFIX = ".compose.json"


class NoEngine(Exception):
    """Docker, or its compose plug-in, is missing or does not answer; the text says which."""


@dataclass(frozen=True)
class ComposeRun:
    """One run in containers. `files`: the project's compose files, the rendered one first."""

    run: str
    project: str
    files: tuple[str, ...]
    run_dir: str
    scenario_digest: str

    def command(self, *arguments: str) -> list[str]:
        """`docker compose` for this project."""
        given = [word for file in self.files for word in ("-f", file)]
        return ["docker", "compose", "-p", self.project, *given, *arguments]

    def environment(self) -> dict[str, str]:
        """That of `command`: this process's, but what was settled when the run began stays so, whatever is set now."""
        settled = Path(self.files[0]).with_name(".env")
        lines = settled.read_text(encoding="utf-8").splitlines() if settled.is_file() else []
        return os.environ | dict(line.split("=", 1) for line in lines)

    def containers(self, *filters: str, form: str = "{{.ID}}") -> list[str]:
        """A line per container of the project, running or not. Raises NoEngine."""
        command = ["docker", "ps", "-a", "--no-trunc", "--format", form]
        for text in (f"label=com.docker.compose.project={self.project}", *filters):
            command += ["--filter", text]
        return ask(command).splitlines()


def ask(command: Sequence[str]) -> str:
    """What a short docker command prints. Raises NoEngine with its words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise NoEngine("there is no `docker` on PATH") from None
    except subprocess.TimeoutExpired:
        raise NoEngine(f"`{' '.join(command[:3])}` does not answer") from None
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise NoEngine(words[-1] if words else f"`{' '.join(command[:3])}` failed")
    return done.stdout


def require_engine() -> None:
    """Raise NoEngine unless an engine answers and compose is there."""
    if shutil.which("docker") is None:
        raise NoEngine("there is no `docker` on PATH")
    try:
        ask(["docker", "compose", "version", "--short"])
    except NoEngine as error:
        raise NoEngine("`docker compose` is missing: this `docker` has no compose plug-in") from error
    ask(["docker", "version", "--format", "{{.Server.Version}}"])


def records() -> dict[str, ComposeRun]:
    """This user's recorded runs in containers, by name, up or not."""
    found = {}
    for path in sorted(paths.base_dir().glob(f"*{_SUFFIX}")):
        try:
            data = json.loads(path.read_text())
            record = ComposeRun(**{**data, "files": tuple(data["files"])})
        except (OSError, ValueError, TypeError, KeyError):
            continue
        found[record.run] = record
    return found


def live() -> dict[str, ComposeRun]:
    """The runs that have containers. Asks the engine only if there are records. Raises NoEngine."""
    return {name: record for name, record in records().items() if record.containers()}


def remember(record: ComposeRun) -> None:
    """Publish the record (whole or not at all)."""
    base = paths.base_dir()
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(base / f"{record.run}{_SUFFIX}", json.dumps(asdict(record)))


def forget(run: str) -> None:
    """Remove the record."""
    (paths.base_dir() / f"{run}{_SUFFIX}").unlink(missing_ok=True)
    try:
        paths.base_dir().rmdir()
    except OSError:
        return  # other runs are there


def checkout() -> Path | None:
    """The source tree this program runs from, if it does: an image can be built there."""
    root = Path(__file__).resolve().parents[4]
    return root if (root / "deploy" / "Dockerfile").is_file() else None


def passed_environment(environment: Mapping[str, str]) -> list[str]:
    """`-e` options for the settings of this program and of the terminal that a command in a container should know."""
    kept = ("NO_COLOR", "TERM", "COLUMNS", "LINES")
    names = [
        name
        for name in environment
        if name in kept
        or (name.startswith("SKYRACK_") and name != "SKYRACK_SOCKET_DIR" and not name.endswith("_RUN"))
    ]
    return [word for name in sorted(names) for word in ("-e", name)]


def terminal_option() -> list[str]:
    """`-T` unless this command has a terminal to offer."""
    return [] if os.isatty(0) and os.isatty(1) else ["-T"]


def engine_socket(environment: Mapping[str, str]) -> str | None:
    """The socket of the engine that this machine's commands speak to, where it is another one than usual and named."""
    host = environment.get("DOCKER_HOST", "")
    return host.removeprefix("unix://") if host.startswith("unix://") else None
