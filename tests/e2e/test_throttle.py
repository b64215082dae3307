"""What flight software allows is kept to by the processes of a real run, whatever faults do to them at the same time."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from skyrack.orchestrator.api.client import ApiClient
from skyrack.v1 import control_pb2, control_pb2_grpc

from .place import Place, eventually, open_place, port

pytestmark = pytest.mark.mesh

# Takes all there is, and writes how much it has had.
BURN = """\
import os, time
with open('used', 'a', buffering=1) as file:
    while True:
        end_s = time.monotonic() + 0.02
        while time.monotonic() < end_s:
            pass
        file.write('%.4f %.4f %d\\n' % (time.monotonic(), time.process_time(), os.getpid()))
"""
SCENARIO = f"""\
version: 1
name: small
extends: iridium
inhabited: [p0s00, p3s07]
ground: [london]
services:
  - name: burn
    nodes: [p0s00, p3s07]
    command: [python3, -c, {json.dumps(BURN)}]
    restart: always
"""
THROTTLED, FREE = "p3s07", "p0s00"
LOOK_S = 0.8
PORT = port(18187)


class Flight:
    """The flight software of a satellite, and what its service gets."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.api = ApiClient(place.sockets / "small", 10.0)

    def allow(self, cpu_cores: float | None) -> str:
        """Decide so; the first sentence of what is done about it."""
        state = control_pb2.FlightState(mode=control_pb2.FLIGHT_MODE_THROTTLED, cpu_cores=cpu_cores)
        (socket,) = self.place.sockets.rglob("control.sock")
        with grpc.insecure_channel(f"unix:{socket}") as channel:
            stub = control_pb2_grpc.ControlServiceStub(channel)
            request = control_pb2.ReportFlightRequest(name=THROTTLED, run="small", flight=state)
            return str(stub.ReportFlight(request, timeout=10.0).effects[0])

    def used(self, node: str) -> list[tuple[float, float, int]]:
        """When it wrote, the CPU time it had had by then, and its pid."""
        file = Path(self.place.runs, "latest", "data", node, "burn", "used")
        text = file.read_text() if file.exists() else ""
        lines = [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [(float(at_s), float(used_s), int(pid)) for at_s, used_s, pid in lines]

    def shares(self) -> tuple[float, float]:
        """What the throttled and the free one get of a core from now on, as they say themselves."""
        began = {node: len(self.used(node)) for node in (THROTTLED, FREE)}
        end_s = time.monotonic() + LOOK_S
        eventually(lambda: time.monotonic() > end_s and self._spoke(began, end_s), "both have written")
        return self._share(THROTTLED, began), self._share(FREE, began)

    def _spoke(self, began: dict[str, int], end_s: float) -> bool:
        return all(
            len(rows := self.used(node)) > since + 2 and rows[-1][0] > end_s for node, since in began.items()
        )

    def _share(self, node: str, began: dict[str, int]) -> float:
        rows = self.used(node)[began[node] :]
        rows = [row for row in rows if row[2] == rows[-1][2]]
        return (rows[-1][1] - rows[0][1]) / (rows[-1][0] - rows[0][0])

    def add(self, kind: str, where: str, **values: object) -> dict[str, Any]:
        """Enter a fault and wait for what took effect."""
        request = {"faults": [{"kind": kind, "nodes": [where], **values}]}
        fault: dict[str, Any] = self.api.post("/v1/faults", request)["faults"][0]
        self.place.event("fault_effect", fault=fault["id"])
        return fault

    def remove(self, fault: dict[str, Any]) -> None:
        """End it and wait until that is done."""
        self.api.delete(f"/v1/faults/{fault['id']}")
        self.place.event("fault_undone", fault=fault["id"])

    def is_silent(self) -> bool:
        """Whether the throttled one writes nothing for a while."""
        before = len(self.used(THROTTLED))
        time.sleep(0.3)
        return len(self.used(THROTTLED)) <= before + 1  # a line that was under way

    def metric(self) -> str:
        """The values that the run exposes of what is in force."""
        with urllib.request.urlopen(self.place.status()["http"] + "/metrics/run", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        return "\n".join(line for line in lines if line.startswith("skyrack_throttle_cpu_cores{"))


@pytest.fixture(scope="module", params=["own", "unprivileged"])
def flight(request: pytest.FixtureRequest) -> Iterator[Flight]:
    """Of the user who runs the tests, who may have control groups, and of one who has none."""
    uid = None if request.param == "own" else request.getfixturevalue("somebody")
    if request.param != "own" and uid == os.getuid():
        pytest.skip("the tests run unprivileged already")
    with open_place(uid) as place:
        place.scenario.write_text(SCENARIO)
        place.up("--port", PORT)
        yield Flight(place)
        place.skyrack("down").expect()
        place.is_clean()


def test_a_busy_service_falls_to_what_is_allowed_and_comes_back(flight: Flight) -> None:
    said = flight.allow(0.2)
    assert said.startswith("0.2 of a core for 1 process together, by "), said
    throttled, free = flight.shares()
    assert throttled < 0.23, said
    assert throttled > 0.4 * min(free, 0.2), said
    assert flight.metric() == f'skyrack_throttle_cpu_cores{{node="{THROTTLED}"}} 0.2'
    assert flight.place.event("flight_throttle", node=THROTTLED, cpu_cores=0.2)["effect"] == [said]
    assert flight.allow(0.1).startswith("0.1 of a core")
    assert flight.shares()[0] < 0.13
    assert flight.allow(None) == "no share of a core is kept to any more"
    throttled, free = flight.shares()
    assert throttled > 0.4 * free
    assert flight.metric() == f'skyrack_throttle_cpu_cores{{node="{THROTTLED}"}} +Inf'


def test_faults_and_a_throttle_on_the_same_service_hold_beside_each_other(flight: Flight) -> None:
    """By signals; two quotas on the same processes are tested with the holder."""
    if flight.place.uid is None and os.getuid() == 0:
        pytest.skip("for who has no control groups")
    flight.allow(0.2)
    paused = flight.add("pause", f"{THROTTLED}/burn")
    flight.allow(None)
    assert flight.is_silent(), "the end of the throttle has let a paused service go on"
    flight.allow(0.2)
    flight.remove(paused)
    assert flight.shares()[0] < 0.23, "the end of the pause has ended the throttle"
    slowed = flight.add("cpu", f"{THROTTLED}/burn", cpu_ratio=0.1)
    assert flight.shares()[0] < 0.13, "the stricter one does not hold"
    flight.remove(slowed)
    assert flight.shares()[0] < 0.23

    pid = flight.used(THROTTLED)[-1][2]
    flight.add("kill", f"{THROTTLED}/burn")
    eventually(lambda: flight.used(THROTTLED)[-1][2] != pid, "it has been started again")
    assert flight.shares()[0] < 0.25, "who comes later is not throttled"
    rebooted = flight.add("reboot", THROTTLED)
    count = len(flight.used(THROTTLED))
    flight.remove(rebooted)
    eventually(lambda: len(flight.used(THROTTLED)) > count, "it runs after the reboot")
    assert flight.shares()[0] < 0.25, "what runs after a reboot is not throttled"
    flight.allow(None)
    throttled, free = flight.shares()
    assert throttled > 0.4 * free
