"""Which run a command means."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from skyrack.orchestrator.api.client import ApiClient, ApiError
from skyrack.orchestrator.cli import contained
from skyrack.orchestrator.cli.exits import FAILED, USAGE, Problem
from skyrack.orchestrator.runtime import paths
from skyrack.orchestrator.runtime.compose import ComposeRun

RunName = Annotated[
    str | None,
    typer.Option("--run", help="Which run, when several are up. Default: the only one.", show_default=False),
]


@dataclass(frozen=True)
class LiveRun:
    """A run that is up, and how to talk to it."""

    record: paths.RunRecord
    socket_dir: Path
    api: ApiClient

    def status(self) -> dict[str, Any]:
        """The run's status. Raises Problem."""
        try:
            answer: dict[str, Any] = self.api.get("/v1/status")
        except ApiError as error:
            if not paths.is_held(self.record.run):
                raise _no_run(f"{self.record.run} has just ended") from error
            if not (self.socket_dir / "api.sock").exists():
                raise Problem(
                    f"{self.record.run} is starting and does not answer yet",
                    hint="skyrack up waits until it serves",
                ) from error
            raise Problem(
                str(error), hint=f"skyrack logs orchestrator  |  skyrack down --run {self.record.run}"
            ) from error
        return answer

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What the API answers, decoded. Raises Problem: a usage error where the run refuses what was asked for."""
        try:
            if method == "GET":
                return self.api.get(path)
            return self.api.delete(path) if method == "DELETE" else self.api.post(path, body)
        except ApiError as error:
            raise Problem(str(error), status=USAGE if error.status in (400, 404) else FAILED) from error

    def node_socket(self, name: str) -> Path:
        """The management socket of an inhabited node that serves. Raises Problem."""
        status = self.status()
        require_serving(name, status["nodes"])
        return Path(status["mesh_dir"], "nodes", f"{name}.sock")


def require_name(name: str, names: list[str]) -> None:
    """Raise Problem unless `name` is one of `names`."""
    if name in names:
        return
    close = difflib.get_close_matches(name, names, 3)
    hint = f"did you mean {' or '.join(close)}?" if close else "skyrack status lists the nodes"
    raise Problem(f"no node is called {name!r}", hint=hint, status=USAGE)


def require_inhabited(name: str, nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """The entry of `name` among a status's nodes. Raises Problem where there is none, or it has no process."""
    require_name(name, [node["name"] for node in nodes])
    node = next(node for node in nodes if node["name"] == name)
    if not node["inhabited"]:
        few = ", ".join([node["name"] for node in nodes if node["inhabited"]][:6])
        raise Problem(
            f"{name} is a bare satellite: it has no process", hint=f"inhabited nodes are {few}, ..."
        )
    return node


def require_serving(name: str, nodes: list[dict[str, Any]]) -> None:
    """Raise Problem unless `name` among a status's nodes is inhabited and serves."""
    node = require_inhabited(name, nodes)
    if node["state"] != "serving":
        raise Problem(f"{name} is {node['state']}, not serving", hint="skyrack status shows all nodes")


def find_run(name: str | None) -> LiveRun:
    """The run a command means. Raises Problem when there is none, or more than one and no name.

    For a run in containers it does not return: the command is carried out in there (raises Finished).
    """
    found = find_any(name)
    if isinstance(found, ComposeRun):
        raise contained.hand_over(found)
    return found


def find_any(name: str | None) -> LiveRun | ComposeRun:
    """The run a command means, here or in containers. Raises Problem when there is none, or more than one and no name."""
    in_containers = contained.live()
    live = sorted({*paths.live_runs(), *in_containers})
    if name is None:
        if not live:
            raise _no_run("no run is up")
        if len(live) > 1:
            raise Problem(
                f"{len(live)} runs are up: {', '.join(live)}", hint="say which: --run NAME", status=USAGE
            )
        name = live[0]
    if name not in live:
        if not live:
            raise _no_run(f"no run called {name!r} is up")
        raise Problem(f"no run called {name!r} is up", hint=f"up now: {', '.join(live)}")
    if name in in_containers:
        return in_containers[name]
    record = paths.read_record(name)
    if record is None:
        raise Problem(f"{name} is starting and does not answer yet", hint="skyrack up waits until it serves")
    directory = paths.base_dir() / name
    return LiveRun(record, directory, ApiClient(directory))


def _no_run(message: str) -> Problem:
    """That nothing is up, and what became of runs that ended by themselves."""
    for name in paths.leftovers():
        if (record := paths.read_record(name)) is not None:
            message += f"; {name} was killed or failed"
            return Problem(message, hint=f"see {record.run_dir}, start again with skyrack up")
    return Problem(message, hint="start one: skyrack up")
