"""`skyrack verify`: is the mesh what the orbits and the scenario say?"""

from __future__ import annotations

import contextlib
import os
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Annotated, Any

import typer

from skyrack.orchestrator.cli import contained
from skyrack.orchestrator.cli.brought_up import brought_up, host_floor
from skyrack.orchestrator.cli.console import complain, note, print_table, shortened
from skyrack.orchestrator.cli.exits import FAILED, INTERRUPTED, USAGE, Problem
from skyrack.orchestrator.cli.find import LiveRun, find_run
from skyrack.orchestrator.cli.path import PathFormat
from skyrack.orchestrator.cli.scenario import ScenarioArgument, chosen
from skyrack.orchestrator.cli.times import parse_span_s
from skyrack.orchestrator.scenario import load_scenario

SHORTEST_S = 5.0  # the host is judged by whole seconds, and five have to be quiet
LONGEST_S = 600.0  # what was in force is kept for a quarter of an hour
MOST_PAIRS = 5_000


def verify(
    source: ScenarioArgument = None,
    span: Annotated[str, typer.Option("--for", help="How long to probe, 5s to 10m.")] = "60s",
    rate: Annotated[float, typer.Option(help="Probes per second in total.", min=10, max=1000)] = 200.0,
    run: Annotated[
        str | None,
        typer.Option("--run", help="Verify this run, which is up, and leave it so.", show_default=False),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Directory for what runs record.")] = Path("runs"),
    everything: Annotated[
        bool, typer.Option("--all", help="Show every row, not only the worst and those that fail.")
    ] = False,
    output: Annotated[
        PathFormat,
        typer.Option("--output", "-o", help="How to print the result; csv and json have every row."),
    ] = PathFormat.TABLE,
) -> int:
    """Bring a scenario up, measure every pair of inhabited nodes and every link between them, compare with the plan.

    Round trips, losses and outages by probes; rates by declared transfers, and by packet trains where they are low. The host's
    own part is measured at the same time, over links of no length. Exit status 3 when something is wrong, 4 when the host
    was too slow or too busy for the emulation to be faithful.
    """
    from skyrack.orchestrator.measure.verification import VerifyError
    from skyrack.orchestrator.report.files import ReportError

    span_s = parse_span_s(span)
    if not SHORTEST_S <= span_s <= LONGEST_S:
        raise Problem(f"--for {span}: expected {SHORTEST_S:g} s to {LONGEST_S:g} s", status=USAGE)
    if run is not None and source is not None:
        raise Problem(
            "a scenario and --run exclude each other", hint="--run verifies a run that is up", status=USAGE
        )
    try:
        with contextlib.ExitStack() as stack:
            live = stack.enter_context(_brought_up(chosen(source), runs)) if run is None else find_run(run)
            return _verify(live, span_s, rate, output, everything=everything)
    except (VerifyError, ReportError) as error:
        raise Problem(str(error)) from error


def _brought_up(source: str, runs: Path) -> contextlib.AbstractContextManager[LiveRun]:
    return brought_up(source, f"verify-{load_scenario(source).name}", runs, sys.stderr)


def _verify(live: LiveRun, span_s: float, rate: float, output: PathFormat, *, everything: bool) -> int:
    from skyrack.orchestrator.measure.verification import verify as measure

    status = live.status()
    if status["state"] != "up":
        raise Problem(f"{status['run']} is still starting", hint="skyrack up waits until everything serves")
    pairs = _pairs([n["name"] for n in status["nodes"] if n["inhabited"]], status["scenario"]["seed"])
    each = span_s * rate * 0.8 / len(pairs)
    note(
        f"{len(pairs):,} pairs, {each:.0f} probes each in {span_s:g} s, every fifth probe over the host's floor"
    )
    if each < 10:
        note(
            "that is few: quiet seconds may hold less than the 5 probes a pair needs; longer with --for, more with --rate"
        )
    meter = _Meter()
    with _floor(status["run"]) as floor:
        try:
            found = measure(live.api, status, pairs, floor, rate, span_s, meter.show)
        finally:
            meter.clear()
    _show(found.document, output, everything=everything)
    note(f"written: {shortened(Path(status['run_dir'])) / 'verify.json'}")
    for problem in found.problems:
        complain(problem)
    if found.interrupted:
        return INTERRUPTED
    return FAILED if found.problems and not found.verdict.exit_status else found.verdict.exit_status


def _pairs(nodes: Sequence[str], seed: int) -> list[tuple[str, str]]:
    """Every two nodes once, in turn the one and the other asking; a sample where they are too many. Raises Problem."""
    if len(nodes) < 2:
        raise Problem(
            f"a pair needs two nodes with a process, there is {len(nodes)}",
            hint="inhabited: {count: 12}",
            status=USAGE,
        )
    count = comb(len(nodes), 2)
    pairs = list(combinations(nodes, 2)) if count <= MOST_PAIRS else []
    if not pairs:
        note(f"{count:,} pairs are too many: {MOST_PAIRS:,} of them, drawn from the scenario's seed")
        draw = random.Random(f"{seed}/verify")
        while len(pairs) < MOST_PAIRS:
            a, b = draw.sample(list(nodes), 2)
            pairs.append((a, b))
        pairs = list(dict.fromkeys((min(pair), max(pair)) for pair in pairs))
    return [(a, b) if number % 2 == 0 else (b, a) for number, (a, b) in enumerate(pairs)]


@contextlib.contextmanager
def _floor(run: str) -> Iterator[Any]:
    """The floor, or None where no other run can be started."""
    if contained.is_inside():
        note("no floor: in the container of a run no other can be started")
        yield None
        return
    with host_floor(run) as floor:
        yield floor


def _show(document: Any, output: PathFormat, *, everything: bool) -> None:
    from skyrack.orchestrator.report import verify_text
    from skyrack.orchestrator.report.result import dump

    if output is PathFormat.JSON:
        print(dump(document), end="")
        return
    if output is PathFormat.CSV:
        print(verify_text.as_csv(document["rows"]), end="")
        for line in verify_text.summary(document):
            print(line, file=sys.stderr)
        return
    rows, left_out = verify_text.table(document["rows"], everything=everything)
    print_table(list(verify_text.HEADERS), rows)
    if left_out:
        note(f"and {left_out:,} rows that pass or could not be judged: --all, or -o csv")
    for line in verify_text.summary(document, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")):
        print(line)


class _Meter:
    """One line that says how far it is, on a terminal; elsewhere a line for each part."""

    def __init__(self) -> None:
        self._part = ""
        self._shown = False

    def show(self, part: str, done: float, total: float) -> None:
        """Draw it anew."""
        if sys.stderr.isatty():
            self._shown = True
            print(f"\r\x1b[2K .. {part:<10} {done:,.0f} of {total:,.0f}", end="", file=sys.stderr, flush=True)
        elif part != self._part:
            note(f"{part} ...")
        self._part = part

    def clear(self) -> None:
        """Make room for the result."""
        if self._shown:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
