"""`skyrack load bulk`: declared transfers between nodes, against what an idle way would take."""

from __future__ import annotations

import signal
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyrack.orchestrator.cli.console import (
    Format,
    Output,
    complain,
    note,
    print_json,
    print_table,
    shortened,
)
from skyrack.orchestrator.cli.exits import BAD, FAILED, FINE, INTERRUPTED, USAGE, Problem
from skyrack.orchestrator.cli.find import RunName, find_run, require_serving
from skyrack.orchestrator.cli.sizes import parse_size_bytes, size_text
from skyrack.orchestrator.cli.times import parse_span_s
from skyrack.orchestrator.clock import RealClock

if TYPE_CHECKING:
    from skyrack.v1.transfer_pb2 import TransferProgress

MOST_LANES = 256


class TrafficClass(StrEnum):
    """In which queue of each link a transfer waits."""

    BEST_EFFORT = "best-effort"
    COMPUTE = "compute"


def bulk(
    size: Annotated[str, typer.Option(help="How much each transfer moves, e.g. 40GB or 512MiB.")],
    source: Annotated[
        str | None, typer.Option("--from", help="The node that sends.", show_default=False)
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", help="The node it goes to.", show_default=False)
    ] = None,
    pair: Annotated[
        list[str] | None, typer.Option(help="A pair as a>b, several times.", show_default=False)
    ] = None,
    parallel: Annotated[int, typer.Option(help="Transfers at once for each pair.", min=1, max=64)] = 1,
    repeat: Annotated[
        int | None,
        typer.Option(
            help="Transfers one after the other. Default: 1.", min=1, max=100_000, show_default=False
        ),
    ] = None,
    span: Annotated[
        str | None,
        typer.Option("--for", help="Begin new ones for this long, e.g. 30s.", show_default=False),
    ] = None,
    traffic_class: Annotated[
        TrafficClass,
        typer.Option("--class", help="Which queue of each link, where the scenario has links.classes."),
    ] = TrafficClass.BEST_EFFORT,
    min_ratio: Annotated[
        float | None,
        typer.Option(help="Threshold: least idle time over time taken.", min=0, max=1, show_default=False),
    ] = None,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> int:
    """Declared transfers, asked of the sending nodes over gRPC: accounted in the links' queues, not carried.

    IDLE_S is size x 8 / slowest rate + delay along the path: what the transfer takes with nothing else under way. Where there
    is no way now and the strategy is contact-graph it is what was computed at the start, waiting for contacts included. A
    transfer that fails, or a threshold that does not hold, exits with 3.
    """
    from skyrack.orchestrator.measure.bulk import Bulk, BulkRun, judge
    from skyrack.orchestrator.report import files, result

    if repeat is not None and span is not None:
        raise Problem("--repeat and --for exclude each other", status=USAGE)
    size_bytes = parse_size_bytes(size)
    span_s = parse_span_s(span) if span else None
    wanted = _pairs(source, target, pair or [])
    if len(wanted) * parallel > MOST_LANES:
        raise Problem(f"{len(wanted) * parallel} transfers at once, {MOST_LANES} at most", status=USAGE)
    status = find_run(run).status()
    if traffic_class is TrafficClass.COMPUTE and not status["scenario"]["links"]["classes"]:
        raise Problem(
            "--class compute: links of this run have no classes",
            hint="the scenario says so: links: {classes: {}}",
            status=USAGE,
        )
    for a, b in wanted:
        require_serving(a, status["nodes"])
        require_serving(b, status["nodes"])
    plan = Bulk(
        tuple(wanted), size_bytes, parallel, repeat or 1, span_s, traffic_class is TrafficClass.COMPUTE
    )
    work = BulkRun(plan, Path(status["mesh_dir"]), _tell)
    run_dir = Path(status["run_dir"])
    try:
        files.set_aside(run_dir)
        before = signal.signal(signal.SIGINT, lambda *_: work.stop())
        try:
            sent = work.run()
        finally:
            signal.signal(signal.SIGINT, before)
    except files.ReportError as error:
        raise Problem(str(error)) from error
    found = judge(plan, sent, min_ratio)
    problem = ""
    try:
        files.write_whole(run_dir / "result.json", result.dump(found))
    except files.ReportError as error:
        problem = str(error)
    if output is Format.JSON:
        print_json(found)
    else:
        _show(found)
        print(f"Result   {shortened(run_dir) / 'result.json'}")
    if problem:
        complain(problem)
    if work.stopped:
        return INTERRUPTED
    if found["verdict"] != "ok":
        return BAD
    return FAILED if problem else FINE


def _pairs(source: str | None, target: str | None, texts: list[str]) -> list[tuple[str, str]]:
    """Pairs as they were asked for. Raises Problem."""
    if (source is None) != (target is None):
        raise Problem("--from and --to go together", hint="or --pair A>B, several times", status=USAGE)
    found = [] if source is None or target is None else [(source, target)]
    for text in texts:
        a, _, b = (part.strip() for part in text.partition(">"))
        if not (a and b):
            raise Problem(f"--pair {text!r}: expected a>b", hint="quote it: '>' redirects", status=USAGE)
        found.append((a, b))
    if not found:
        raise Problem("between which nodes?", hint="--from A --to B, or --pair 'A>B'", status=USAGE)
    for a, b in found:
        if a == b:
            raise Problem(f"{a}>{b}: expected two different nodes", status=USAGE)
    return found


def _show(found: dict[str, Any]) -> None:
    rows = [
        [
            t["pair"],
            size_text(t["size_bytes"]),
            _figure(t["took_s"], "{:.6f}"),
            _figure(t["idle_s"], "{:.6f}"),
            _figure(t["ratio"], "{:.5f}"),
            size_text(t["resent_bytes"]),
            t["error"] or _done(t),
        ]
        for t in found["transfers"]
    ]
    print_table(["PAIR", "SIZE", "TOOK_S", "IDLE_S", "RATIO", "RESENT", "STATE"], rows)
    for check in found["checks"]:
        mark = {True: " ok ", False: "BAD ", None: " ?? "}[check["ok"]]
        print(f"{mark} {check['name']}")


def _done(transfer: dict[str, Any]) -> str:
    between = transfer["path"][1:-1]
    if not transfer["bundle"]:
        return "done"
    return f"done, stored at {', '.join(between)}" if between else "done, after a wait"


def _tell(pair: str, progress: TransferProgress) -> None:
    """Where a bundle is, on stderr."""
    custody = progress.custody
    if not custody.next:
        note(f"{pair}: stored at {custody.node}, waiting: no contacts are known that lead on")
        return
    left_s = custody.departs_at_run_s - progress.at_run_s
    words = f"{pair}: stored at {custody.node}, "
    if left_s > 0.0:
        at = RealClock().utc() + timedelta(seconds=left_s)
        words += f"waiting for contact with {custody.next} until {at:%H:%M:%S}Z (in {left_s:.1f} s), "
    else:
        words += f"in contact with {custody.next}, "
    note(words + f"arrives in {custody.arrives_at_run_s - progress.at_run_s:.1f} s")


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
