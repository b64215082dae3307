"""`python -m skyrack.groundstation.load echo|store ...`: a history on file, JSON lines on stdout, `start RUN_S` on stdin."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skyrack.groundstation.load.client import Plan
    from skyrack.history import Header
    from skyrack.workloads.coordinator import Coordinator, Record

    Load = tuple[Plan, list[str], Header, Callable[[Record], Coordinator]]


def _clean_environment() -> None:
    """gRPC obeys these, and a proxy of the host's network does not exist in the mesh. Before grpc is imported."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"):
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    os.environ["GRPC_VERBOSITY"] = "ERROR"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m skyrack.groundstation.load",
        description="Open-loop load from inside the nodes of a run. Says ready, then waits for `start RUN_S` on stdin.",
        fromfile_prefix_chars="@",
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    echo = kinds.add_parser("echo", help="gRPC echo between pairs of nodes", fromfile_prefix_chars="@")
    echo.add_argument(
        "--pair", action="append", required=True, metavar="A>B=ADDRESS", help="repeat for every pair"
    )
    echo.add_argument("--payload-bytes", type=int, default=64)
    store = kinds.add_parser("store", help="a workload's clients of a service", fromfile_prefix_chars="@")
    store.add_argument("--workload", required=True, help="its name, or FILE.py:CLASS")
    store.add_argument("--options", type=json.loads, default={}, metavar="JSON", help="of the workload")
    store.add_argument("--adapter", required=True, help="its name, or FILE.py:CLASS")
    store.add_argument("--endpoint", action="append", required=True, metavar="HOST:PORT")
    store.add_argument("--node", action="append", required=True, help="that clients are in; repeat")
    store.add_argument("--clients", type=int, default=1, help="processes in all, spread over the nodes")
    store.add_argument("--scope", default="skyrack", help="before every key")
    store.add_argument("--final-s", type=float, default=30.0, help="most that final tasks may take")
    for kind in (echo, store):
        kind.add_argument("--mesh-dir", type=Path, required=True, help="directory that the run's nodes share")
        kind.add_argument("--history", type=Path, required=True, help="file to write")
        kind.add_argument(
            "--t0-monotonic-ns", type=int, required=True, help="the run's zero on CLOCK_MONOTONIC"
        )
        kind.add_argument("--run", default="", help="for the history's header")
        kind.add_argument("--start", default="", help="for the history's header: UTC of run time 0")
        kind.add_argument("--rate-hz", type=float, default=50.0, help="operations per second in total")
        kind.add_argument("--duration-s", type=float, default=30.0)
        kind.add_argument("--timeout-s", type=float, default=5.0, help="from the start of an operation")
        kind.add_argument("--spacing", choices=("fixed", "poisson"), default="fixed")
        kind.add_argument("--seed", type=int, default=1)
    return parser


def main() -> None:
    """Run one load."""
    _clean_environment()
    arguments = _parser().parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from skyrack.groundstation.load.supervisor import Supervisor
    from skyrack.history import HistoryError, HistoryWriter

    plan, sources, header, coordinate = (_echo if arguments.kind == "echo" else _store)(arguments)
    try:
        history = HistoryWriter(arguments.history, header)
    except HistoryError as error:
        sys.exit(str(error))
    Supervisor(plan, sources, coordinate, history, arguments.mesh_dir, _say, sys.stdin.fileno()).run()


def _say(line: str) -> None:
    with suppress(BrokenPipeError):  # the caller is gone, which the end of stdin says too
        print(line, flush=True)


def _echo(arguments: argparse.Namespace) -> Load:
    from skyrack.groundstation.load.arrivals import Arrivals, Pair
    from skyrack.groundstation.load.client import Plan
    from skyrack.groundstation.load.echo import EchoClients
    from skyrack.history import Header
    from skyrack.workloads.coordinator import Coordinator

    pairs = []
    for text in arguments.pair:
        names, _, address = text.partition("=")
        a, _, b = names.partition(">")
        if not (a and b and address):
            sys.exit(f"--pair {text}: expected A>B=ADDRESS")
        pairs.append(Pair(a, b, address))
    targets: dict[str, dict[str, str]] = {}
    for pair in pairs:
        targets.setdefault(pair.a, {})[pair.b] = pair.address
    arrivals = Arrivals(
        tuple(pairs), arguments.rate_hz, arguments.duration_s, spacing=arguments.spacing, seed=arguments.seed
    )
    options = {"pairs": [pair.name for pair in pairs], "payload_bytes": arguments.payload_bytes}
    header = Header("echo", "echo", arguments.run, arguments.seed, arguments.start, options)
    plan = Plan(arguments.t0_monotonic_ns, arguments.timeout_s, EchoClients(targets, arguments.timeout_s))
    return plan, list(targets), header, lambda record: Coordinator(
        arrivals.planned(arguments.payload_bytes),
        dict.fromkeys(targets),
        duration_s=arguments.duration_s,
        patience_s=arguments.timeout_s,
        record=record,
    )  # fmt: skip


def _store(arguments: argparse.Namespace) -> Load:
    from skyrack.groundstation.load.client import Plan
    from skyrack.groundstation.load.store_client import StoreClients
    from skyrack.history import Header
    from skyrack.workloads import OptionError, UnknownName, find_workload
    from skyrack.workloads.coordinator import Coordinator
    from skyrack.workloads.schedule import planned

    clients = StoreClients(
        arguments.workload,
        arguments.options,
        arguments.adapter,
        arguments.endpoint,
        arguments.timeout_s,
        arguments.scope,
        arguments.seed,
    )
    try:
        # Before anybody forks, so that every worker has it.
        clients.load()
        workload = find_workload(arguments.workload).of(arguments.options)
    except (UnknownName, OptionError) as error:
        sys.exit(str(error))
    nodes = arguments.node
    processes: dict[str, int | None] = {
        node: len(range(place, arguments.clients, len(nodes))) for place, node in enumerate(nodes)
    }
    header = Header(
        workload.name, workload.model, arguments.run, arguments.seed, arguments.start, workload.facts()
    )
    most = max(count or 0 for count in processes.values())
    plan = Plan(arguments.t0_monotonic_ns, arguments.timeout_s, clients, most)
    return plan, nodes, header, lambda record: Coordinator(
        planned(
            workload,
            nodes,
            rate_hz=arguments.rate_hz,
            duration_s=arguments.duration_s,
            spacing=arguments.spacing,
            seed=arguments.seed,
        ),
        processes,
        duration_s=arguments.duration_s,
        patience_s=arguments.timeout_s,
        final=lambda keys: workload.final(keys, arguments.clients),
        final_s=arguments.final_s,
        record=record,
    )  # fmt: skip


if __name__ == "__main__":
    main()
