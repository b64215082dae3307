"""`skyrack load`: workload generators, and the verdict on what they saw."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyrack.orchestrator.cli.background import background
from skyrack.orchestrator.cli.bulk import bulk
from skyrack.orchestrator.cli.console import Format, Output, complain, note, print_json, shortened
from skyrack.orchestrator.cli.contained import RESULTS
from skyrack.orchestrator.cli.exits import BAD, FAILED, FINE, INCONCLUSIVE, INTERRUPTED, USAGE, Problem
from skyrack.orchestrator.cli.fault_words import parse_fault
from skyrack.orchestrator.cli.find import RunName, find_run
from skyrack.orchestrator.cli.times import parse_span_s

if TYPE_CHECKING:
    from skyrack.orchestrator.measure.echo_load import Fault, Progress

_STATUS = {"ok": FINE, "bad": BAD, "inconclusive": INCONCLUSIVE}

app = typer.Typer(
    help="Run a workload generator on the run that is up; the verdict sets the exit status.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


app.command()(bulk)
app.command()(background)


class Spacing(StrEnum):
    """How operations follow each other."""

    FIXED = "fixed"
    POISSON = "poisson"


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
    spacing: Annotated[Spacing, typer.Option(help="Evenly spaced or Poisson arrivals.")] = Spacing.FIXED,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="What to break and when, from the start of the load: kill:NODE@20s, latency:A-B:200ms@20s+30s. Several times.",
            show_default=False,
        ),
    ] = None,
    p99: Annotated[
        float | None,
        typer.Option(
            "--p99-ms", help="Threshold: most the 99th percentile may be.", min=0, show_default=False
        ),
    ] = None,
    availability: Annotated[
        float | None,
        typer.Option(
            help="Threshold: least share of operations that succeed.", min=0, max=1, show_default=False
        ),
    ] = None,
    probe_rate: Annotated[
        float, typer.Option(help="Fidelity probes per second in total.", min=1, max=1000)
    ] = 50.0,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> int:
    """Open-loop gRPC echo between pairs of nodes, latency counted from the intended start.

    Beside it, ICMP probes with kernel stamps measure every pair against the delay computed for the same instant: that is the
    run's fidelity, and a run that cannot be trusted is inconclusive (exit status 4). A failed threshold exits with 3.
    """
    from skyrack.orchestrator.measure import pairs as choice
    from skyrack.orchestrator.measure.echo_load import LoadError, Workload, run_echo_load
    from skyrack.orchestrator.report.files import ReportError
    from skyrack.orchestrator.scenario import EchoWorkload, Thresholds

    live = find_run(run)
    status = live.status()
    if status["state"] != "up":
        raise Problem(f"{status['run']} is still starting", hint="skyrack up waits until everything serves")
    given: dict[str, object] = next((w for w in status["scenario"]["workloads"] if w["kind"] == "echo"), {})
    planned = EchoWorkload.model_validate(given, strict=False)
    thresholds = planned.thresholds.model_dump() if planned.thresholds else Thresholds().model_dump()
    thresholds |= {k: v for k, v in (("p99_ms", p99), ("availability_ratio", availability)) if v is not None}
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
    workload = Workload(
        pairs=tuple(chosen),
        rate_hz=rate or planned.rate_hz,
        payload_bytes=planned.payload_bytes if payload is None else payload,
        duration_s=parse_span_s(span) if span else planned.duration_s,
        timeout_s=parse_span_s(timeout) if timeout else planned.timeout_s,
        spacing=spacing.value,
        seed=status["scenario"]["seed"],
        probe_rate_hz=probe_rate,
        thresholds=thresholds,
    )
    faults = [_fault(text, status["nodes"], workload.duration_s) for text in fault or []]
    meter = _Meter()
    try:
        outcome = run_echo_load(live.api, status, workload, faults, Path(status["run_dir"]), meter.show)
    except (LoadError, ReportError) as error:
        raise Problem(str(error)) from error
    finally:
        meter.clear()
    if output is Format.JSON:
        print_json(outcome.result)
    else:
        print(outcome.text(colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")))
        print(f"     Report   {_shown(outcome.run_dir) / 'report.html'}")
    for problem in outcome.problems:
        complain(problem)
    if outcome.interrupted:
        return INTERRUPTED
    return FAILED if outcome.problems and outcome.verdict == "ok" else _STATUS[outcome.verdict]


def _fault(text: str, nodes: list[dict[str, Any]], duration_s: float) -> Fault:
    from skyrack.orchestrator.measure.echo_load import Fault

    timed = parse_fault(text, [node["name"] for node in nodes])
    if timed.at_s >= duration_s:
        raise Problem(f"--fault {text!r}: the load ends after {duration_s:g} s", status=USAGE)
    return Fault(timed.at_s, text, timed.entry)


def _shown(run_dir: Path) -> Path:
    """The run's directory as the user finds it: relative to here where it is below; outside, for a command in a container."""
    if outside := os.environ.get(RESULTS):
        return Path(outside)
    return shortened(run_dir)


class _Meter:
    """One line that says how far the load is; on a terminal only."""

    def __init__(self) -> None:
        self._shown = False
        self._told = ""

    def show(self, progress: Progress) -> None:
        """Draw it anew."""
        if not sys.stderr.isatty():
            if progress.note and progress.note != self._told:
                note(f"{progress.elapsed_s:.1f} s: {progress.note}")
            self._told = progress.note
            return
        self._shown = True
        counts = f"{progress.ok:,} ok, {progress.fail:,} failed, {progress.unknown:,} unknown, {progress.probes:,} probes"
        text = f" .. {progress.elapsed_s:5.1f} of {progress.duration_s:g} s   {counts}   {progress.note}"
        print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make room for the verdict."""
        if self._shown:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
