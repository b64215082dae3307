"""`python -m skyrack.groundstation.load echo ...`: JSON lines of operations on stdout, `start RUN_S` on stdin."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path


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
    echo.add_argument("--mesh-dir", type=Path, required=True, help="directory that the run's nodes share")
    echo.add_argument("--t0-monotonic-ns", type=int, required=True, help="the run's zero on CLOCK_MONOTONIC")
    echo.add_argument(
        "--pair", action="append", required=True, metavar="A>B=ADDRESS", help="repeat for every pair"
    )
    echo.add_argument("--rate-hz", type=float, default=50.0, help="operations per second over all pairs")
    echo.add_argument("--duration-s", type=float, default=30.0)
    echo.add_argument("--payload-bytes", type=int, default=64)
    echo.add_argument("--timeout-s", type=float, default=5.0, help="from the intended start")
    echo.add_argument("--spacing", choices=("fixed", "poisson"), default="fixed")
    echo.add_argument("--seed", type=int, default=1)
    return parser


def main() -> None:
    """Run one workload."""
    _clean_environment()
    arguments = _parser().parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from skyrack.groundstation.load.arrivals import Arrivals, Pair
    from skyrack.groundstation.load.echo import EchoPlan
    from skyrack.groundstation.load.supervisor import Supervisor

    pairs = []
    for text in arguments.pair:
        names, _, address = text.partition("=")
        a, _, b = names.partition(">")
        if not (a and b and address):
            sys.exit(f"--pair {text}: expected A>B=ADDRESS")
        pairs.append(Pair(a, b, address))
    arrivals = Arrivals(
        tuple(pairs), arguments.rate_hz, arguments.duration_s, spacing=arguments.spacing, seed=arguments.seed
    )
    plan = EchoPlan(arrivals, arguments.payload_bytes, arguments.timeout_s, arguments.t0_monotonic_ns)
    Supervisor(plan, arguments.mesh_dir, lambda line: print(line, flush=True), sys.stdin.fileno()).run()


if __name__ == "__main__":
    main()
