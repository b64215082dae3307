"""A satellite in a container waits until its launch brings it into service, also across an orchestrator's end."""

from __future__ import annotations

import signal

import pytest

from skyrack.node.healthcheck import check

from .contained_run import SCENARIO, eventually, open_parts

pytestmark = [pytest.mark.mesh, pytest.mark.together]

LAUNCH = """\
links: {epoch_s: 2, epoch_offset_s: 0}
lifecycle:
  launches:
    - {name: one, satellites: [p0s00], commissioning_s: 1}
"""


def test_a_container_of_one_that_is_not_launched_waits_healthy_and_joins_when_it_is() -> None:
    with open_parts() as parts:
        parts.scenario.write_text(SCENARIO + LAUNCH)
        for name in ("orchestrator", "fabric", "london", "tokyo", "p0s00"):
            parts.start(name)
        eventually(lambda: parts.status()["state"] == "up", "up without it", parts.logs)
        assert parts.node("p0s00")["state"] == "not launched"
        check(f"unix:{parts.mesh}/nodes/p0s00.sock")

        parts.end("orchestrator", signal.SIGTERM)
        parts.start("orchestrator")
        eventually(lambda: parts.status()["state"] == "up", "up again", parts.logs)
        assert parts.node("p0s00")["state"] == "not launched"

        parts.api.post("/v1/launches/one", {})
        eventually(lambda: parts.node("p0s00")["state"] == "commissioning", "it is on its way", parts.logs)
        eventually(lambda: parts.node("p0s00")["state"] == "serving", "it joins", parts.logs)
        assert parts.node("p0s00")["restarts"] == 0
