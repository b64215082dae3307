"""`skyrack drain` and `skyrack undrain`: have services of nodes end for a while, or for good."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from skyrack.orchestrator.cli.console import Format, Output, note, print_json, print_table
from skyrack.orchestrator.cli.exits import FAILED, Problem
from skyrack.orchestrator.cli.find import LiveRun, RunName, find_run

PATIENCE_S = 30.0  # beyond what the slowest service has to stop
POLL_S = 0.05
Nodes = Annotated[list[str], typer.Argument(help="Nodes, or selectors such as plane:p3.", show_default=False)]


def drain(
    nodes: Nodes,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until every service has ended.")] = True,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> None:
    """End the services of nodes, each within its stop time-out, and start none there until undrain.

    The nodes themselves go on: they answer, forward packets, and keep their services' data.
    """
    live = find_run(run)
    answer = live.ask("POST", "/v1/drain", {"nodes": nodes})
    if wait:
        answer["services"] = _ended(live, answer["nodes"])
    _show(answer, output, "drained already" if not answer["changed"] else "")
    if output is Format.TABLE:
        note(
            f"next: skyrack undrain {' '.join(nodes)}  |  skyrack fault add retire --node {answer['nodes'][0]}"
        )


def undrain(nodes: Nodes, run: RunName = None, output: Output = Format.TABLE) -> None:
    """Let the services of drained nodes start again."""
    answer = find_run(run).ask("POST", "/v1/undrain", {"nodes": nodes})
    kept = [f"{node} is being retired" for node, by in answer["kept"].items() if by]
    _show(answer, output, "nothing was drained" if not answer["changed"] and not kept else "")
    for text in kept:
        note(f"{text}: its services stay ended")


def _ended(live: LiveRun, nodes: list[str]) -> list[dict[str, Any]]:
    """The entries of these nodes once each has ended. Raises Problem."""
    began_s = time.monotonic()
    while True:
        rows = [row for row in live.ask("GET", "/v1/services")["services"] if row["node"] in nodes]
        left = [row for row in rows if row["phase"] != "drained"]
        if not left:
            return rows
        patience_s = PATIENCE_S + max(row["stop_timeout_s"] for row in left)
        if time.monotonic() > began_s + patience_s:
            raise Problem(
                f"{left[0]['service']} at {left[0]['node']} has not ended after {patience_s:g} s: {left[0]['phase']}",
                hint="it goes on: skyrack service status",
                status=FAILED,
            )
        time.sleep(POLL_S)


def _show(answer: dict[str, Any], output: Format, remark: str) -> None:
    if output is Format.JSON:
        print_json(answer)
        return
    rows = [[row["node"], row["service"], row["phase"]] for row in answer["services"]]
    bare = set(answer["nodes"]) - {row["node"] for row in answer["services"]}
    rows += [[node, "-", "no service"] for node in answer["nodes"] if node in bare]
    print_table(["NODE", "SERVICE", "PHASE"], rows)
    if remark:
        note(remark)
