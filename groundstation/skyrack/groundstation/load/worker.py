"""A load worker's process: what it does before and around its work as a host of clients."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from typing import Any

from skyrack.groundstation.load.client import Plan
from skyrack.groundstation.load.host import run_host


def serve(plan: Plan, source: str, *, warm_up: bool, lines: int, requests: int) -> None:
    """Be the worker of `source`, in a process that was just forked into that node, until its requests end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nothing, descriptor)
    with open(lines, "w", buffering=1) as out:
        run_host(
            plan,
            source,
            warm_up=warm_up,
            requests=requests,
            emit=lambda line: print(line, file=out, flush=True),
        )


def work(arguments: Mapping[str, Any], descriptors: list[int]) -> None:
    """As the init of a node's container starts it; container.py has what it is given."""
    plan, lines, requests = descriptors
    # At 0, whatever others who have this file read of it.
    text = os.pread(plan, os.fstat(plan).st_size, 0)
    os.close(plan)
    serve(
        Plan.from_mapping(json.loads(text)),
        arguments["source"],
        warm_up=arguments["warm_up"],
        lines=lines,
        requests=requests,
    )
