"""Runs that a command brings up for itself, and takes down however it ends."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.cli.down import stop
from skyrack.orchestrator.cli.exits import FINE, Finished, Problem
from skyrack.orchestrator.cli.find import LiveRun, find_run
from skyrack.orchestrator.cli.up import up
from skyrack.orchestrator.measure.verify_run import Floor
from skyrack.orchestrator.runtime import paths

LONGEST_NAME = 63
FLOOR_A, FLOOR_B = "floor-a", "floor-b"
# Two stations below one satellite, on links that take no time.
FLOOR_SCENARIO = f"""\
version: 1
name: floor
shells:
  - {{kind: geostationary, longitudes_deg: [0]}}
ground:
  - {{name: {FLOOR_A}, lat_deg: 0, lon_deg: 0}}
  - {{name: {FLOOR_B}, lat_deg: 0, lon_deg: 5}}
inhabited: {{count: 0}}
links: {{zero_delay: true}}
telemetry: {{enabled: false, fidelity_probes_per_s: 0}}
"""


@contextlib.contextmanager
def brought_up(source: str, name: str, runs: Path, say: TextIO) -> Iterator[LiveRun]:
    """The scenario as a run called `name`, without an HTTP port; `say` hears its steps. Raises Problem, Finished."""
    name = name[:LONGEST_NAME]
    if paths.is_held(name):
        raise Problem(
            f"a run called {name} is up", hint=f"skyrack down --run {name}, or verify it: --run {name}"
        )
    with contextlib.redirect_stdout(say), contextlib.redirect_stderr(say):
        status = up(source, detach=True, run=name, port=0, broker_port=0, entry_port=0, runs=runs)
    if status != FINE:
        raise Finished(status)
    try:
        yield find_run(name)
    finally:
        with contextlib.redirect_stderr(say):
            stop(name)
            note(f"{name} is down")


@contextlib.contextmanager
def host_floor(name: str) -> Iterator[Floor]:
    """A run of two nodes that links of no length join: what a round trip takes there is the host's part. Raises Problem."""
    with tempfile.TemporaryDirectory(prefix="skyrack-floor-") as directory:
        file = Path(directory) / "floor.yaml"
        file.write_text(FLOOR_SCENARIO)
        name = f"{name[: LONGEST_NAME - 6]}-floor"
        with brought_up(str(file), name, Path(directory), io.StringIO()) as live:
            status = live.status()
            address = next(node["address"] for node in status["nodes"] if node["name"] == FLOOR_B)
            yield Floor(Path(status["mesh_dir"]), FLOOR_A, FLOOR_B, address)
