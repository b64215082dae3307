"""A satellite in a container waits until its launch brings it into service, also across an orchestrator's end."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from skyrack.node.healthcheck import UnhealthyError, check

from .contained_run import SCENARIO, Parts, eventually, open_parts
from .records import read_records

pytestmark = [pytest.mark.mesh, pytest.mark.together]

LAUNCH = """\
links: {epoch_s: 2, epoch_offset_s: 0}
lifecycle:
  launches:
    - {name: one, satellites: [p0s00], commissioning_s: 1}
"""


def healthy(parts: Parts) -> bool:
    """As the engine finds the satellite's container, once that is there."""
    try:
        check(f"unix:{parts.mesh}/nodes/p0s00.sock")
    except UnhealthyError:
        return False
    return True


def test_a_container_of_one_that_is_not_launched_waits_healthy_and_joins_when_it_is() -> None:
    with open_parts() as parts:
        parts.scenario.write_text(SCENARIO + LAUNCH)
        for name in ("orchestrator", "fabric", "london", "tokyo", "p0s00"):
            parts.start(name)
        eventually(lambda: parts.status()["state"] == "up", "up without it", parts.logs)
        assert parts.node("p0s00")["state"] == "not launched"
        eventually(lambda: healthy(parts), "who waits is healthy", parts.logs)

        parts.end("orchestrator", signal.SIGTERM)
        parts.start("orchestrator")
        eventually(lambda: parts.status()["state"] == "up", "up again", parts.logs)
        assert parts.node("p0s00")["state"] == "not launched"

        parts.api.post("/v1/launches/one", {})
        eventually(lambda: parts.node("p0s00")["state"] == "serving", "it joins", parts.logs)
        records = read_records(Path(parts.status()["run_dir"], "events.jsonl"))
        phases = [record["phase"] for record in records if record["event"] == "launch_phase"]
        assert "commissioning" in phases
        assert parts.node("p0s00")["restarts"] == 0
