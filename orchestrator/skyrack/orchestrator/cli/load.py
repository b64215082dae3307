"""`skyrack load`: workload generators, and the verdict on what they saw."""

from __future__ import annotations

from typing import Annotated

import typer

from skyrack.orchestrator.cli.background import background
from skyrack.orchestrator.cli.bulk import bulk
from skyrack.orchestrator.cli.console import Format, Output
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import RunName
from skyrack.orchestrator.cli.load_store import add_workloads
from skyrack.orchestrator.cli.loading import (
    P99,
    Availability,
    FaultWords,
    ProbeRate,
    Spacing,
    SpacingOption,
    carry_out,
    find_up,
    limits,
)
from skyrack.orchestrator.cli.times import parse_span_s

app = typer.Typer(
    help="Run a workload generator on the run that is up; the verdict sets the exit status.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


app.command()(bulk)
app.command()(background)


@app.callback()
def _group() -> None:
    """Run a workload generator on the run that is up; the verdict sets the exit status."""


@app.command()
def echo(
    span: Annotated[
        str | None,
        typer.Option(
            "--for", help="How long, e.g. 30s. Default: the scenario's, else 30s.", show_default=False
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Operations per second in total. Default: the scenario's, else 50.",
            min=0.01,
            show_default=False,
        ),
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            help="A pair as a>b, several times; or random, or all. Default: the scenario's, else random.",
            show_default=False,
        ),
    ] = None,
    payload: Annotated[
        int | None,
        typer.Option(
            help="Bytes each way. Default: the scenario's, else 64.", min=0, max=1 << 20, show_default=False
        ),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            help="After this an operation is unknown. Default: the scenario's, else 5s.", show_default=False
        ),
    ] = None,
    spacing: SpacingOption = Spacing.FIXED,
    fault: FaultWords = None,
    p99: P99 = None,
    availability: Availability = None,
    probe_rate: ProbeRate = 50.0,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> int:
    """Open-loop gRPC echo between pairs of nodes, latency counted from the intended start.

    Beside it, ICMP probes with kernel stamps measure every pair against the delay computed for the same instant: that is the
    run's fidelity, and a run that cannot be trusted is inconclusive (exit status 4). A failed threshold exits with 3.
    """
    from skyrack.orchestrator.measure import pairs as choice
    from skyrack.orchestrator.measure.load import EchoLoad
    from skyrack.orchestrator.scenario import EchoWorkload

    live, status = find_up(run)
    given: dict[str, object] = next((w for w in status["scenario"]["workloads"] if w["kind"] == "echo"), {})
    planned = EchoWorkload.model_validate(given, strict=False)
    nodes = [node["name"] for node in status["nodes"] if node["inhabited"]]
    wanted: str | list[str] = pair or (
        planned.pairs if isinstance(planned.pairs, str) else list(planned.pairs)
    )
    if wanted in (["random"], ["all"]):
        wanted = wanted[0]
    try:
        chosen = choice.choose(wanted, nodes, status["scenario"]["seed"])
    except choice.PairError as error:
        raise Problem(str(error), hint="skyrack status lists the nodes", status=USAGE) from error
    load = EchoLoad(
        pairs=tuple(chosen),
        rate_hz=rate or planned.rate_hz,
        payload_bytes=planned.payload_bytes if payload is None else payload,
        duration_s=parse_span_s(span) if span else planned.duration_s,
        timeout_s=parse_span_s(timeout) if timeout else planned.timeout_s,
        spacing=spacing.value,
        seed=status["scenario"]["seed"],
        probe_rate_hz=probe_rate,
        thresholds=limits(planned.thresholds, p99, availability),
    )
    return carry_out(live, status, load, fault or [], output)


add_workloads(app)
