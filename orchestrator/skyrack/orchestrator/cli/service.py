"""`skyrack service`: user software on the nodes of a run."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from skyrack.orchestrator.cli.console import Format, Output, note, print_json, print_table
from skyrack.orchestrator.cli.exits import FAILED, USAGE, Problem
from skyrack.orchestrator.cli.find import LiveRun, RunName, find_run

GROUPS = ("all", "satellites", "ground", "users", "pops")
app = typer.Typer(
    help="User software on the nodes: what runs, how it is going, add, remove, restart.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
PATIENCE_S = 60.0
POLL_S = 0.05
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is ready, or is not going to be.")]
Name = Annotated[str, typer.Argument(help="The service's name.")]


@app.command()
def status(
    service: Annotated[str | None, typer.Argument(help="Only this one.", show_default=False)] = None,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> None:
    """Show every service at every node: whether it is ready, since when, and why not."""
    rows = find_run(run).ask("GET", "/v1/services")["services"]
    if service is not None:
        known = list(dict.fromkeys(row["service"] for row in rows))
        if service not in known:
            hint = f"there are {', '.join(known)}" if known else "there is none"
            raise Problem(f"no service is called {service!r}", hint=hint, status=USAGE)
        rows = [row for row in rows if row["service"] == service]
    _show(rows, output)


@app.command()
def add(
    name: Name,
    command: Annotated[
        list[str] | None, typer.Argument(help="After --: the program and its arguments.", show_default=False)
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option(help="A node it runs on, or all, satellites, ground, users, pops. Repeat for more."),
    ] = None,
    python: Annotated[
        str | None, typer.Option(help="module:Class, in place of a command.", show_default=False)
    ] = None,
    env: Annotated[list[str] | None, typer.Option(help="NAME=VALUE. Repeat for more.")] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH: a file of its data directory, from a text here. Repeat for more."),
    ] = None,
    peer: Annotated[
        str | None, typer.Option(help="How a member is written in {peers}.", show_default=False)
    ] = None,
    ready: Annotated[
        str | None,
        typer.Option(help="port:2379, grpc:50061 or http:2379/health.", show_default=False),
    ] = None,
    restart_policy: Annotated[
        str, typer.Option("--restart", help="always, on-failure or never.")
    ] = "on-failure",
    user: Annotated[str | None, typer.Option(help="User it runs as.", show_default=False)] = None,
    cpu: Annotated[float | None, typer.Option(help="Most cores it gets.", show_default=False)] = None,
    memory: Annotated[float | None, typer.Option(help="Most memory, MB.", show_default=False)] = None,
    disk: Annotated[
        float | None, typer.Option(help="Size of its data directory, MB.", show_default=False)
    ] = None,
    wait: Wait = True,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> None:
    """Start a service on nodes of a run that is up: skyrack service add web --node p0s03 -- python3 -m http.server 80.

    Takes what a scenario's `services` takes, placeholders too: {node}, {address}, {index}, {peers}, {data}.
    """
    if not node:
        raise Problem("say where: --node NAME", hint=f"or --node {', '.join(GROUPS)}", status=USAGE)
    body: dict[str, Any] = {
        "name": name,
        "nodes": node[0] if len(node) == 1 and node[0] in GROUPS else node,
        "restart": restart_policy,
        "env": dict(_pair("--env", text) for text in env or []),
        "files": {name: _text(Path(path)) for name, path in (_pair("--file", text) for text in file or [])},
    }
    limits = {"cpu_cores": cpu, "memory_mb": memory, "disk_mb": disk}
    given = {
        "command": command or None,
        "python": python,
        "path": [str(Path.cwd())] if python else None,
        "peer": peer,
        "user": user,
        "ready": _probe(ready) if ready else None,
        "limits": {key: value for key, value in limits.items() if value is not None} or None,
    }
    body |= {key: value for key, value in given.items() if value is not None}
    live = find_run(run)
    rows = live.ask("POST", "/v1/services", body)["services"]
    if wait:
        rows = _settled(live, name, [row["node"] for row in rows])
    _show(rows, output)
    note(f"next: skyrack service status {name}  |  skyrack logs {rows[0]['node']} {name}")


@app.command()
def rm(
    service: Name,
    data: Annotated[bool, typer.Option("--data", help="Remove its data directories too.")] = False,
    run: RunName = None,
) -> None:
    """Stop a service everywhere. What it has written stays until the run's directory goes, unless --data."""
    path = f"/v1/services/{quote(service, safe='')}" + ("?data=true" if data else "")
    nodes = find_run(run).ask("DELETE", path)["nodes"]
    print(f"{service} stops at {', '.join(nodes)}")


@app.command()
def restart(
    service: Name,
    node: Annotated[
        list[str] | None, typer.Option(help="Only at this node. Repeat for more.", show_default=False)
    ] = None,
    wait: Wait = True,
    run: RunName = None,
) -> None:
    """Stop a service and start it again, with fresh code where it is Python."""
    path = f"/v1/services/{quote(service, safe='')}/restart"
    live = find_run(run)
    nodes = live.ask("POST", path, {"nodes": node or []})["nodes"]
    if wait:
        _show(_settled(live, service, nodes), Format.TABLE)
    else:
        print(f"{service} starts anew at {', '.join(nodes)}")


def _settled(live: LiveRun, service: str, nodes: list[str]) -> list[dict[str, Any]]:
    """The service's entries at these nodes once each is ready, finished or failed. Raises Problem for what is not."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        every = live.ask("GET", "/v1/services")["services"]
        rows = [row for row in every if row["service"] == service and row["node"] in nodes]
        if not rows:
            raise Problem(f"{service} was removed meanwhile", status=FAILED)
        for row in rows:
            if row["phase"] in ("failed", "waiting", "stopped"):
                raise Problem(
                    f"{service} at {row['node']}: {row['reason']}",
                    hint=f"skyrack logs {row['node']} {service}  |  skyrack service rm {service}",
                    status=FAILED,
                )
        done = ("ready", "finished", "drained")
        waiting = [row for row in rows if row["phase"] not in done and row["in_service"]]
        if not waiting:
            return rows
        if time.monotonic() > deadline:
            first = waiting[0]
            raise Problem(
                f"{service} at {first['node']} is not ready after {PATIENCE_S:g} s: "
                f"{first['reason'] or first['phase']}",
                hint=f"it goes on: skyrack service status {service}",
                status=FAILED,
            )
        time.sleep(POLL_S)


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Problem(f"{option} {text}: expected NAME=VALUE", status=USAGE)
    return name, value


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text"
        raise Problem(f"--file: {path}: {why}", status=USAGE) from error


def _probe(text: str) -> dict[str, Any]:
    kind, _, rest = text.partition(":")
    if kind == "http" and rest:
        return {"http": rest}
    if kind in ("port", "grpc") and rest.isdecimal():
        return {kind: int(rest)}
    raise Problem(
        f"--ready {text}: expected port:PORT, grpc:PORT or http:PORT/path",
        hint="a probe by command goes into the scenario",
        status=USAGE,
    )


def _show(rows: list[dict[str, Any]], output: Format) -> None:
    if output is Format.JSON:
        print_json({"services": rows})
        return
    if not rows:
        print("no services; for instance: skyrack service add web --node p0s03 -- python3 -m http.server 80",
              file=sys.stderr)  # fmt: skip
        return
    table = [
        [
            row["service"],
            row["node"],
            row["phase"],
            f"{row['since_s']:.1f}",
            str(row["restarts"]),
            row["reason"] or "-",
        ]
        for row in rows
    ]
    headers = ["SERVICE", "NODE", "PHASE", "SINCE (RUN S)", "RESTARTS", "WHY"]
    if any(row["version"] > 1 or row["previous_version"] for row in rows):
        headers.insert(2, "VERSION")
        for line, row in zip(table, rows, strict=True):
            line.insert(2, str(row["version"]))
    print_table(headers, table)
    for text in dict.fromkeys(f"{row['service']}: {text}" for row in rows for text in row["notes"]):
        note(text)
