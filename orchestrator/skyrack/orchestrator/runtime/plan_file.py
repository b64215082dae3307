"""`python -m skyrack.orchestrator.runtime.plan_file PARENT SCENARIO SPAN_S FILE`: the plan of a run, beside the run.

A process of its own that takes only CPU time nobody else wants: the run's delays do not wait for it. The same bytes as
`skyrack plan` writes for the scenario and span.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from skyrack.orchestrator.routing.plan import plan_lines
from skyrack.orchestrator.runtime.files import write_whole
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.v1 import namespaces


def main() -> int:
    """Write the file whole or not at all, unless process PARENT, which has started this one, ends before."""
    parent, source, span_s, file = sys.argv[1:]
    namespaces.die_with_parent()  # the orchestrator that comes after it has its own written
    if os.getppid() != int(parent):
        return 1
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    lines = plan_lines(Geometry(load_scenario(source)), float(span_s))
    try:
        write_whole(Path(file), "".join(line + "\n" for line in lines))
    except OSError as error:
        print(f"{file}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
