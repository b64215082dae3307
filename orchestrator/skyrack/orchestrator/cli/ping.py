"""`skyrack ping`: real ICMP probes, each beside the round trip computed for the same instant."""

from __future__ import annotations

import contextlib
import itertools
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.cli.console import Format, Output, note, print_json
from skyrack.orchestrator.cli.exits import FAILED, USAGE, Problem
from skyrack.orchestrator.cli.find import LiveRun, RunName, find_run, require_name, require_serving
from skyrack.orchestrator.cli.times import parse_span_s

if TYPE_CHECKING:
    from skyrack.orchestrator.measure.host_watch import HostWatch
    from skyrack.orchestrator.measure.prober import Probe

PROBE_BYTES = 64
LEAD_S = 0.02
SHORTEST_WATCH_S = 2.0  # the host is watched in whole seconds: JSON output has them as `windows`
BATCH = 500


def ping(
    a: Annotated[str, typer.Argument(help="From this inhabited node.")],
    b: Annotated[str, typer.Argument(help="To this node, inhabited or bare.")],
    count: Annotated[int, typer.Option("--count", "-c", help="How many probes.", min=1, max=1_000_000)] = 4,
    interval: Annotated[
        str, typer.Option("--interval", "-i", help="Time between probes, e.g. 1s or 10ms.")
    ] = "1s",
    size: Annotated[
        int, typer.Option("--size", "-s", help="Bytes of the whole IP packet.", min=44, max=65535)
    ] = PROBE_BYTES,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> int:
    """Probe b from a; measured and computed round trips side by side. Exit status 1 when nothing came back."""
    from skyrack.orchestrator.measure.host_watch import HostWatch
    from skyrack.orchestrator.measure.prober import Prober
    from skyrack.orchestrator.measure.shots import Route, Shot, lost_after_s
    from skyrack.orchestrator.measure.source import NotThereError, take_source

    live = find_run(run)
    interval_s = parse_span_s(interval)
    if interval_s < 0.0005:
        raise Problem("--interval: 0.5 ms is the shortest", status=USAGE)
    status = live.status()
    nodes = {node["name"]: node for node in status["nodes"]}
    require_name(b, list(nodes))
    require_serving(a, status["nodes"])
    mesh_dir = Path(status["mesh_dir"])
    try:
        life, source = take_source(mesh_dir, a)
    except NotThereError as error:
        raise Problem(str(error)) from error
    expected = _computed(live, [[status["run_s"], a, b, size]])[0]["rtt_s"]
    prober = Prober({a: source}, t0_monotonic_ns=status["t0_monotonic_ns"], ip_bytes=size)
    prober.watch(life.fileno(), lambda: _ended(a))
    route = Route(a, b, nodes[b]["address"], lost_after_s(expected))
    results: list[dict[str, Any]] = []
    waiting: deque[Probe] = deque()

    def judge() -> None:
        """Runs in a thread of its own: the prober never waits for the computed values. Asks for all that wait at once."""
        probes = [waiting.popleft() for _ in range(len(waiting))]
        for probe, computed in zip(
            probes, _computed(live, [[p.t_s, a, b, size] for p in probes]), strict=True
        ):
            results.append(_result(probe, computed))
            if output is Format.TABLE:
                print(_line(len(results), results[-1]), flush=True)

    numbers = itertools.count()

    def shots(wanted: int) -> Iterator[Shot]:
        start_s = live.status()["run_s"] + LEAD_S
        for place in range(wanted):
            yield Shot(next(numbers), start_s + place * interval_s, route)

    watch: HostWatch | None = None
    with ThreadPoolExecutor(1) as judges, ExitStack() as stack:
        stack.enter_context(life)
        if output is Format.JSON and count * interval_s >= SHORTEST_WATCH_S:
            watch = stack.enter_context(HostWatch(status["t0_monotonic_ns"]))
            _watch_fabric(mesh_dir, watch)
        jobs: list[Future[None]] = []
        try:
            for sent in until_sent(lambda wanted: prober.run(shots(wanted)), count):
                waiting += sent
                jobs.append(judges.submit(judge))
        except KeyboardInterrupt:
            note("stopped")
        except _SourceEndedError as error:
            note(str(error))
        finally:
            prober.close()
        for job in jobs:
            job.result()
        if watch is not None:
            watch.windows()
    results.sort(key=lambda result: result["t_s"])
    if output is Format.JSON:
        print_json({"a": a, "b": b, "probes": results, "windows": watch.raw if watch else []})
    else:
        print(_summary(results))
    return 0 if any(result["measured_ms"] is not None for result in results) else FAILED


def until_sent(run: Callable[[int], Iterable[list[Probe]]], count: int) -> Iterator[list[Probe]]:
    """Probes as they are decided, until `count` have left: those the host was too late to send are sent later.

    `run` is asked to send so many, and gives probes of which some may be unsent.
    """
    left = count
    while left:
        for probes in run(left):
            sent = [probe for probe in probes if probe.outcome != "unsent"]
            left -= len(sent)
            yield sent


class _SourceEndedError(Exception):
    """The node probed from is gone; the message says so."""


def _ended(name: str) -> None:
    raise _SourceEndedError(f"{name} has ended")


def _watch_fabric(mesh_dir: Path, watch: HostWatch) -> None:
    """Where the fabric cannot be watched, the windows say so."""
    from skyrack.orchestrator.measure.hold import connect_fabric
    from skyrack.v1.hand_out import HandOutError, receive_fabric

    with contextlib.suppress(OSError, HandOutError), connect_fabric(mesh_dir) as connection:
        watch.watch("fabric", receive_fabric(connection))


def _computed(live: LiveRun, probes: Iterable[list[Any]]) -> list[dict[str, Any]]:
    remaining = iter(probes)
    answers: list[dict[str, Any]] = []
    try:
        while batch := list(islice(remaining, BATCH)):
            answers += live.api.post("/v1/computed", {"probes": batch})["results"]
    except ApiError as error:
        raise Problem(str(error)) from error
    return answers


def _result(probe: Probe, computed: dict[str, Any]) -> dict[str, Any]:
    from skyrack.orchestrator.measure.fidelity import reason_of

    return {
        "t_s": probe.t_s,
        "measured_ms": probe.measured_s * 1e3 if probe.measured_s is not None else None,
        "computed_ms": computed["rtt_s"] * 1e3 if computed["rtt_s"] is not None else None,
        "path": computed["path"],
        "outcome": probe.outcome,
        "reason": reason_of(probe.measured_s, computed),
    }


def _line(number: int, result: dict[str, Any]) -> str:
    path = " > ".join(result["path"])
    measured, computed = result["measured_ms"], result["computed_ms"]
    hops = len(result["path"]) - 1
    head = f"{number:4}  {path}   {hops} hop{'' if hops == 1 else 's'}   "
    if computed is None:
        return head + f"nothing to expect: {result['reason'].removeprefix('guard: ')}   {_outcome(result)}"
    if measured is None:
        why = f": {result['reason'].removeprefix('guard: ')}" if result["reason"] is not None else ""
        return head + f"computed {computed:.3f} ms   {_outcome(result)}{why}"
    return head + f"computed {computed:.3f} ms   measured {measured:.3f} ms ({measured - computed:+.3f})"


def _outcome(result: dict[str, Any]) -> str:
    return (
        f"measured {result['measured_ms']:.3f} ms"
        if result["measured_ms"] is not None
        else str(result["outcome"])
    )


def _summary(results: list[dict[str, Any]]) -> str:
    received = [result for result in results if result["measured_ms"] is not None]
    text = f"{len(results)} sent, {len(received)} received"
    errors = [r["measured_ms"] - r["computed_ms"] for r in received if r["computed_ms"] is not None]
    if errors:
        text += (
            f", measured - computed: median {statistics.median(errors):+.3f} ms, "
            f"min {min(errors):+.3f}, max {max(errors):+.3f}"
        )
    return text
