"""Which run an orchestrator process that starts belongs to: the one its predecessor left, or a new one.

The answer lies in `<directory>/<run>.state.json`. It has to be a directory that outlives the process but not the mesh:
in containers that of the fabric's control socket, in memory for as long as orchestrator or fabric are up.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from skyrack.orchestrator.runtime.files import write_whole

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class RunState:
    """What makes two processes the same run. `run_dir` is a name below the directory of all runs."""

    boot_id: str
    scenario_digest: str
    t0_monotonic_ns: int
    run_dir: str


def state_file(directory: Path, run: str) -> Path:
    """Where the state of a run is kept."""
    return directory / f"{run}.state.json"


def read_state(path: Path, scenario_digest: str, runs: Path) -> RunState | None:
    """The state of the run to go on with; None where there is none: of this boot, this scenario, with its directory there."""
    try:
        state = RunState(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    same = state.boot_id == boot_id() and state.scenario_digest == scenario_digest
    name = Path(str(state.run_dir)).name
    if not same or name != state.run_dir or not (runs / name / "scenario.yaml").is_file():
        return None
    return state if type(state.t0_monotonic_ns) is int else None


def write_state(path: Path, state: RunState) -> None:
    """Keep the state. Raises OSError."""
    write_whole(path, json.dumps(asdict(state)))


def boot_id() -> str:
    """This boot of the host: CLOCK_MONOTONIC means nothing beyond it."""
    return BOOT_ID.read_text().strip()
