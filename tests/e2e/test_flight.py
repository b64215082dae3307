"""Two satellites with a battery that is too small for what runs on them: throttled, in safe mode, and back, within seconds."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

import pytest

from skyrack.orchestrator.testing import Constellation, Skyrack
from skyrack.v1 import node_pb2, node_pb2_grpc

from .place import PATIENCE_S

pytestmark = [pytest.mark.mesh, pytest.mark.together]

PROCESS, PYTHON = "p0s05", "p0s06"  # both in the Sun for the first hour
SCENARIO = {
    "version": 1,
    "name": "flight",
    "extends": "iridium",
    "inhabited": [PROCESS, PYTHON],
    "ground": ["london"],
    "speed": 100,
    "power": {
        "array_w": 400, "bus_w": 100, "compute_idle_w": 1000, "compute_peak_w": 1200,
        "battery_wh": 200, "initial_charge_ratio": 0.5,
    },
    "thermal": {},
    "services": [{"name": "burn", "nodes": [PROCESS], "command": ["sh", "-c", "while :; do :; done"]}],
}  # fmt: skip
BURN = """
import asyncio, time

class Mine:
    async def run(self, node):
        assert node.flight().battery_ratio > 0
        node.declare_load(0.0)
        node.ready()
        while True:
            end_s = time.thread_time() + 0.005
            while time.thread_time() < end_s:
                pass
            await asyncio.sleep(0)
"""


@pytest.fixture(scope="module")
def sky(skyrack_module: Skyrack, tmp_path_factory: pytest.TempPathFactory) -> Constellation:
    directory = tmp_path_factory.mktemp("code")
    (directory / "mine.py").write_text(textwrap.dedent(BURN))
    python = {"name": "python", "nodes": [PYTHON], "python": "mine:Mine", "path": [str(directory)]}
    services = [*SCENARIO["services"], python]  # type: ignore[misc]
    return skyrack_module.up(SCENARIO | {"services": services}, "--broker", "none")


def flight(sky: Constellation, node: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        sky.exec(node, ["curl", "-s", "skyrack.internal:50080/v1/flight"], timeout_s=PATIENCE_S).stdout
    )
    return found


def wait_for(sky: Constellation, event: str, **fields: Any) -> dict[str, Any]:
    return sky.wait_for(event, timeout_s=PATIENCE_S, **fields)


def row(sky: Constellation, service: str) -> dict[str, Any]:
    return next(found for found in sky.services() if found["service"] == service)


def test_a_small_battery_takes_services_down_and_brings_them_back(sky: Constellation) -> None:
    for node in (PYTHON, PROCESS):
        assert "below 70 %" in wait_for(sky, "flight_mode", node=node, mode="throttled")["reason"]
    for node, service in ((PROCESS, "burn"), (PYTHON, "python")):
        safe = wait_for(sky, "flight_mode", node=node, mode="safe")
        stopped = wait_for(sky, "service_stopped", node=node, service=service)
        told = re.match(r"safe mode: battery (\d+) %", stopped["reason"])
        assert told, stopped
        assert int(told[1]) < 30, "it was not low yet"
        assert "services are stopped until the battery has 50 %" in safe["reason"]
        if node == PROCESS:
            alive_in_safe_mode(sky)
        started = wait_for(sky, "service_ready", node=node, service=service, after=stopped["seq"])
        assert started["restarts"] == 1
        wait_for(sky, "flight_mode", node=node, mode="throttled", after=safe["seq"])
        assert flight(sky, node)["battery_wear_ratio"] > 0.0


def alive_in_safe_mode(sky: Constellation) -> None:
    """The bus answers and carries packets, and nothing starts a service; in the next one, where this is over too soon."""
    with sky.channel(PROCESS, via="london") as channel:
        ask = node_pb2_grpc.NodeServiceStub(channel).Echo

        def answers() -> bool:
            burn = row(sky, "burn")
            if burn["phase"] != "stopped":
                return False
            assert burn["inner_pid"] == 0
            assert (
                ask(node_pb2.EchoRequest(payload=b"still here"), timeout=PATIENCE_S).payload == b"still here"
            )
            return bool(row(sky, "burn")["phase"] == "stopped")

        sky.wait_until(answers, "an answer in safe mode", timeout_s=PATIENCE_S)
