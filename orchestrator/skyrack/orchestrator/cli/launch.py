"""`skyrack launch`: start a launch that waits to be started, and see how far all of them are."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from skyrack.orchestrator.cli.console import Format, Output, note, print_json, print_table
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import RunName, find_run

_LONG_S = 3600.0


def launch(
    name: Annotated[
        str | None, typer.Argument(help="The launch to start. Without it: list them.", show_default=False)
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Leave out drift, raising and commissioning: straight into service.")
    ] = False,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> None:
    """Launch satellites that the scenario has on demand, or show what every launch is doing."""
    if name == "" or (now and name is None):
        raise Problem("of which launch?", hint="skyrack launch lists them", status=USAGE)
    live = find_run(run)
    if name is None:
        _show(live.ask("GET", "/v1/launches"), output)
        return
    answer = live.ask("POST", f"/v1/launches/{quote(name, safe='')}", {"now": now})
    if output is Format.JSON:
        print_json(answer)
        return
    batch, now_t_s = answer["launch"], answer["now_t_s"]
    wait_s = batch["in_service_t_s"] - now_t_s
    print(f"{batch['name']}: {batch['satellites']} satellites, the last in service in {wait_s:,.0f} s")
    if wait_s > _LONG_S:
        note("seconds of orbit time: skyrack clock jump leaves some out")


def _show(answer: dict[str, Any], output: Format) -> None:
    launches = answer["launches"]
    if output is Format.JSON:
        print_json(answer)
    elif not launches:
        note("the scenario has no launches: docs/16-lifecycle.md shows how to have some")
    else:
        rows = [
            [
                batch["name"],
                str(batch["satellites"]),
                "on demand" if batch["t_s"] is None else f"{batch['t_s']:,.0f}",
                "-" if batch["in_service_t_s"] is None else f"{batch['in_service_t_s']:,.0f}",
                ", ".join(f"{count} {phase}" for phase, count in batch["phases"].items()),
            ]
            for batch in launches
        ]
        print_table(["LAUNCH", "SATELLITES", "AT_S", "LAST_IN_SERVICE_S", "NOW"], rows)
