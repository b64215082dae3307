"""`skyrack fault`: break a run that is up, see what is broken, mend it, and see what will be."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

import typer

from skyrack.orchestrator.cli import fault_add
from skyrack.orchestrator.cli.console import Format, Output, note, print_json
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.fault_show import print_faults, print_kinds, print_planned
from skyrack.orchestrator.cli.find import RunName, find_run
from skyrack.orchestrator.cli.scenario import ScenarioArgument, chosen
from skyrack.orchestrator.cli.times import parse_span_s

app = typer.Typer(
    help="Break links, nodes and parts of the run that is up, list what is broken, mend it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(fault_add.app, name="add")


@app.command("list")
def list_(run: RunName = None, output: Output = Format.TABLE) -> None:
    """List every fault that acts or is to act, with what took effect."""
    answer = find_run(run).ask("GET", "/v1/faults")
    if output is Format.JSON:
        print_json(answer)
    elif answer["faults"]:
        print_faults(answer["faults"])
    else:
        print("no faults; for instance: skyrack fault add down --link A-B --for 30s", file=sys.stderr)


@app.command()
def rm(
    fault: Annotated[str | None, typer.Argument(help="The fault's id.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="End all faults.")] = False,
    run: RunName = None,
) -> None:
    """End a fault, or all of them."""
    if (fault is None) is not everything:
        raise Problem("give the id of a fault, or --all", hint="skyrack fault list shows them", status=USAGE)
    path = "/v1/faults" if fault is None else f"/v1/faults/{quote(fault, safe='')}"
    answer = find_run(run).ask("DELETE", path)
    print(f"ended {', '.join(answer['removed']) or 'nothing: there was no fault'}")


@app.command()
def kinds() -> None:
    """Show every kind of fault: what it acts on, its options, how long it lasts, what happens."""
    print_kinds()
    note("what a runtime cannot do it refuses with the reason; docs/07-faults.md has what each can")


@app.command()
def plan(
    source: ScenarioArgument = None,
    span: Annotated[str, typer.Option("--for", help="How far to look, e.g. 600, 10m, 2h.")] = "10m",
    output: Output = Format.TABLE,
) -> None:
    """Show which faults are decided beforehand: a scenario's timetable, what its campaigns draw, what space does."""
    from skyrack.orchestrator.cli.describe import geometry_of
    from skyrack.orchestrator.environment.passes import Passes
    from skyrack.orchestrator.faults.problem import FaultProblem
    from skyrack.orchestrator.routing.plan import fault_records, occurrence_records
    from skyrack.orchestrator.scenario import load_scenario

    scenario = load_scenario(chosen(source))
    geometry, duration_s = geometry_of(scenario), parse_span_s(span) * scenario.speed
    try:
        records = [
            *fault_records(geometry, duration_s),
            *occurrence_records(geometry, Passes(geometry), duration_s),
        ]
    except FaultProblem as problem:
        raise Problem(str(problem), status=USAGE) from problem
    if output is Format.JSON:
        print_json({"faults": records})
    elif records:
        print_planned(sorted(records, key=lambda record: record["run_s"]))
    else:
        print(f"no faults within {span}; docs/07-faults.md shows how to plan some", file=sys.stderr)
