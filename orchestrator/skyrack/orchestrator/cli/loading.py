"""What every `skyrack load` does: its faults, its progress, its verdict on the terminal, its exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyrack.orchestrator.cli.console import Format, complain, note, print_json, shortened
from skyrack.orchestrator.cli.contained import RESULTS
from skyrack.orchestrator.cli.exits import BAD, FAILED, FINE, INCONCLUSIVE, INTERRUPTED, USAGE, Problem
from skyrack.orchestrator.cli.fault_words import parse_fault
from skyrack.orchestrator.cli.find import LiveRun, find_run

if TYPE_CHECKING:
    from skyrack.orchestrator.measure.load import Fault, LoadResult, Progress
    from skyrack.orchestrator.measure.workload import Load
    from skyrack.orchestrator.scenario import Thresholds

_STATUS = {"ok": FINE, "bad": BAD, "inconclusive": INCONCLUSIVE}


class Spacing(StrEnum):
    """How operations follow each other."""

    FIXED = "fixed"
    POISSON = "poisson"


SpacingOption = Annotated[Spacing, typer.Option(help="Evenly spaced or Poisson arrivals.")]
FaultWords = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        help="What to break and when, from the start of the load: kill:NODE@20s, latency:A-B:200ms@20s+30s. Several times.",
        show_default=False,
    ),
]
P99 = Annotated[
    float | None,
    typer.Option("--p99-ms", help="Threshold: most the 99th percentile may be.", min=0, show_default=False),
]
Availability = Annotated[
    float | None,
    typer.Option(
        "--availability",
        help="Threshold: least share of operations that succeed.",
        min=0,
        max=1,
        show_default=False,
    ),
]
ProbeRate = Annotated[
    float, typer.Option("--probe-rate", help="Fidelity probes per second in total.", min=1, max=1000)
]


def find_up(run: str | None) -> tuple[LiveRun, dict[str, Any]]:
    """The run that is meant, with its status. Raises Problem unless it is up."""
    live = find_run(run)
    status = live.status()
    if status["state"] != "up":
        raise Problem(f"{status['run']} is still starting", hint="skyrack up waits until everything serves")
    return live, status


def limits(planned: Thresholds, p99_ms: float | None, availability_ratio: float | None) -> dict[str, Any]:
    """The thresholds that hold: what the command says goes before what the scenario has planned."""
    said = {"p99_ms": p99_ms, "availability_ratio": availability_ratio}
    return planned.model_dump() | {name: value for name, value in said.items() if value is not None}


def carry_out(
    live: LiveRun,
    status: dict[str, Any],
    load: Load,
    faults: Sequence[str],
    output: Format,
) -> int:
    """Run it, show what came of it; the exit status. Raises Problem."""
    from skyrack.orchestrator.measure.load import FaultRefused, LoadError, run_load
    from skyrack.orchestrator.report.files import ReportError

    timed = [_fault(text, status["nodes"], load.duration_s) for text in faults]
    meter = _Meter()
    try:
        outcome = run_load(live.api, status, load, timed, Path(status["run_dir"]), meter.show)
    except FaultRefused as error:
        raise Problem(str(error), status=USAGE) from error
    except (LoadError, ReportError) as error:
        raise Problem(str(error)) from error
    finally:
        meter.clear()
    if output is Format.JSON:
        print_json(outcome.result)
    else:
        _print(outcome)
    for problem in outcome.problems:
        complain(problem)
    if outcome.interrupted:
        return INTERRUPTED
    return FAILED if outcome.problems and outcome.verdict != "bad" else _STATUS[outcome.verdict]


def _print(outcome: LoadResult) -> None:
    from skyrack.check.models import MODELS

    print(outcome.text(colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")))
    place = _shown(outcome.run_dir)
    print(f"     Report   {place / 'report.html'}")
    print(f"     History  {place / 'history.jsonl'}")
    judged = outcome.result["history"]
    if judged and judged["model"] in MODELS:
        print(f"     Again    skyrack check {place / 'history.jsonl'}")


def _fault(text: str, nodes: list[dict[str, Any]], duration_s: float) -> Fault:
    from skyrack.orchestrator.measure.load import Fault

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
