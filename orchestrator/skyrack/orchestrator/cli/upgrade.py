"""`skyrack upgrade`: new software for a service, node by node, over contacts with gateways."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from skyrack.orchestrator.cli.console import Format, Output, note, print_json, print_table
from skyrack.orchestrator.cli.exits import BAD, FAILED, FINE, INTERRUPTED, USAGE, Problem
from skyrack.orchestrator.cli.find import LiveRun, RunName, find_run, require_serving
from skyrack.orchestrator.cli.sizes import parse_size_bytes, size_text
from skyrack.orchestrator.cli.times import parse_span_s

_STATUS = {
    "done": FINE,
    "rolled back": BAD,
    "rollback failed": BAD,
    "no contact": FAILED,
    "interrupted": INTERRUPTED,
}


def upgrade(
    service: Annotated[str, typer.Argument(help="The service's name.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(help="After --: the new program and its arguments.", show_default=False),
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, beside those it has. Repeat for more.")
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option(help="A scenario file whose service of that name is the new one.", show_default=False),
    ] = None,
    nodes: Annotated[
        list[str] | None,
        typer.Option(
            help="Only these of its nodes, or a selector such as plane:p3. Repeat for more.",
            show_default=False,
        ),
    ] = None,
    at_once: Annotated[int, typer.Option(help="Nodes at a time.", min=1, max=64)] = 1,
    size: Annotated[str, typer.Option(help="Size of the software, e.g. 200MB.")] = "200MB",
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--from", help="Gateway that sends it. Repeat for more. Default: all.", show_default=False
        ),
    ] = None,
    relay: Annotated[
        bool,
        typer.Option(
            "--relay", help="Send it over lasers too, with no wait for a contact of the node's own."
        ),
    ] = False,
    timeout: Annotated[str, typer.Option(help="Longest wait for a contact of one node.")] = "30m",
    ready_within: Annotated[str, typer.Option(help="How soon a changed service has to be ready.")] = "60s",
    watch: Annotated[str, typer.Option(help="How long it has to stay ready before the next node.")] = "2s",
    run: RunName = None,
    output: Output = Format.TABLE,
) -> int:
    """Bring other software to a service, node by node: skyrack upgrade web --size 50MB -- python3 server2.py.

    For each node: wait for a contact with a gateway that is long enough, send SIZE as a declared transfer, stop the service and
    start the new version, and see it ready. Where it is not, every node that has the new version goes back to the one before.
    Ctrl-C stops between these; the same command again goes on where it was. Exit status 3: rolled back.
    """
    from skyrack.orchestrator.api.client import ApiError
    from skyrack.orchestrator.servicing.upgrade import Plan, Upgrade

    size_bytes = parse_size_bytes(size)
    spans_s = [parse_span_s(text) for text in (timeout, ready_within, watch)]
    body = _body(service, command, env, scenario)
    live = find_run(run)
    status = live.status()
    gateways = _gateways(source or [], status["nodes"])
    version, chosen = _version(live, service, body, nodes or [])
    links = status["scenario"]["links"]
    work = Upgrade(
        Plan(
            service=service,
            version=version,
            nodes=tuple(chosen),
            satellites=frozenset(node["name"] for node in status["nodes"] if node["kind"] == "satellite"),
            gateways=gateways,
            size_bytes=size_bytes,
            rate_bps=links["uplink_rate_bps"] or links["ground_rate_bps"],
            at_once=at_once,
            relay=relay,
            timeout_s=spans_s[0],
            ready_within_s=spans_s[1],
            watch_s=spans_s[2],
        ),
        live.api,
        Path(status["mesh_dir"]),
        note,
    )
    before = signal.signal(signal.SIGINT, lambda *_: work.stop())
    try:
        found = work.run()
    except ApiError as error:
        raise Problem(str(error), hint="skyrack service status shows how far it came") from error
    finally:
        signal.signal(signal.SIGINT, before)
    if output is Format.JSON:
        print_json(found)
    else:
        _show(found)
    return _STATUS[found["verdict"]]


def _body(
    service: str, command: list[str] | None, env: list[str] | None, scenario: Path | None
) -> dict[str, Any]:
    """What is to be new, as the API has it. Raises Problem."""
    if scenario is not None:
        if command or env:
            raise Problem(
                "--scenario says all of the new service: give no command and no --env", status=USAGE
            )
        from skyrack.orchestrator.scenario import load_scenario

        services = load_scenario(scenario).services
        found = next((one for one in services if one.name == service), None)
        if found is None:
            known = ", ".join(one.name for one in services) or "none"
            raise Problem(f"{scenario} has no service called {service!r}: it has {known}", status=USAGE)
        return {"spec": found.model_dump(mode="json", exclude_none=True)}
    changes: dict[str, Any] = {}
    if command:
        changes["command"] = command
    if env:
        changes["env"] = dict(_pair(text) for text in env)
    if not changes:
        raise Problem(
            f"what is to be new of {service}?",
            hint=f"skyrack upgrade {service} -- PROGRAM ARGUMENTS, --env NAME=VALUE or --scenario FILE",
            status=USAGE,
        )
    return {"changes": changes}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Problem(f"--env {text}: expected NAME=VALUE", status=USAGE)
    return name, value


def _version(live: LiveRun, service: str, body: dict[str, Any], words: list[str]) -> tuple[int, list[str]]:
    answer = live.ask("POST", f"/v1/services/{service}/versions", body | {"nodes": words})
    return answer["version"], answer["nodes"]


def _gateways(names: list[str], nodes: list[dict[str, Any]]) -> tuple[str, ...]:
    """Ground stations that serve: those named, else all. Raises Problem."""
    there = [node["name"] for node in nodes if node["kind"] == "ground" and node["state"] == "serving"]
    for name in names:
        require_serving(name, nodes)
        if name not in there:
            raise Problem(f"{name} is no gateway", hint=f"gateways are {', '.join(there)}", status=USAGE)
    if not there:
        raise Problem("no gateway serves: nobody could send the software")
    return tuple(names or there)


def _show(found: dict[str, Any]) -> None:
    rows = [
        [
            one["node"],
            one["state"],
            str(one["version"]),
            one["gateway"] or "-",
            _seconds(one["waited_s"]),
            _seconds(one["transfer_s"], 3),
            _seconds(one["restart_s"]),
            one["reason"] or "-",
        ]
        for one in found["nodes"]
    ]
    print_table(["NODE", "STATE", "VERSION", "FROM", "WAITED S", "TRANSFER S", "RESTART S", "WHY"], rows)
    words = {
        "done": f"{found['service']} is version {found['version']} everywhere it was to be",
        "rolled back": f"version {found['version']} of {found['service']} failed: rolled back",
        "rollback failed": f"version {found['version']} of {found['service']} failed, and so did the rollback",
        "no contact": "stopped: no contact in time; the same command again goes on",
        "interrupted": "interrupted; the same command again goes on",
    }
    print(f"{words[found['verdict']]} ({size_text(found['size_bytes'])} each)")


def _seconds(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
