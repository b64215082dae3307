"""What flight software allows is kept to by the processes of a real run, whatever faults do to them at the same time."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from skyrack.orchestrator.api.client import ApiClient
from skyrack.v1 import control_pb2, control_pb2_grpc

from .place import PATIENCE_S, Place, eventually, open_place, port, whole_lines

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
LOOK_S = 0.8  # at least
SILENT_LINES = 12  # of one who runs, while another is silent
PORT = port(18187)


class Flight:
    """The flight software of a satellite, and what its service gets."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.api = ApiClient(place.sockets / "small", PATIENCE_S)

    def allow(self, cpu_cores: float | None) -> str:
        """Decide so and wait until that is done; the first sentence of what took effect."""
        mark = self.place.mark()
        state = control_pb2.FlightState(mode=control_pb2.FLIGHT_MODE_THROTTLED, cpu_cores=cpu_cores)
        (socket,) = self.place.sockets.rglob("control.sock")
        with grpc.insecure_channel(f"unix:{socket}") as channel:
            stub = control_pb2_grpc.ControlServiceStub(channel)
            request = control_pb2.ReportFlightRequest(name=THROTTLED, run="small", flight=state)
            stub.ReportFlight(request, timeout=PATIENCE_S)
        done = self.place.event("flight_throttle", node=THROTTLED, cpu_cores=cpu_cores, after=mark)
        return str(done["effect"][0])

    def used(self, node: str) -> list[tuple[float, float, int]]:
        """When it wrote, the CPU time it had had by then, and its pid."""
        file = Path(self.place.runs, "latest", "data", node, "burn", "used")
        lines = [line.split() for line in whole_lines(file)] if file.exists() else []
        return [(float(at_s), float(used_s), int(pid)) for at_s, used_s, pid in lines]

    def gets(self, judge: Callable[[float, float], bool], what: str) -> None:
        """Wait until that is so of what the throttled and the free one have got of a core since now, as they say themselves.

        A host that is busy hands its time out in pieces: what one gets in the long run is right, whatever it got in a moment.
        """
        began = {node: len(self.used(node)) for node in (THROTTLED, FREE)}
        end_s = time.monotonic() + LOOK_S

        def is_so() -> bool:
            return self._spoke(began, end_s) and judge(
                self._share(THROTTLED, began), self._share(FREE, began)
            )

        eventually(is_so, what)

    def gets_at_most(self, ratio: float, what: str) -> None:
        """Wait until the throttled one has got less of a core than that since now."""
        self.gets(lambda throttled, _: throttled < ratio, what)

    def _spoke(self, began: dict[str, int], end_s: float) -> bool:
        return all(
            len(rows := self.used(node)) > since + 2
            and rows[-1][0] > end_s
            and rows[-1][2] == rows[max(since, len(rows) - 3)][2]
            for node, since in began.items()
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
        """Whether the throttled one writes nothing while the free one does."""
        before, others = len(self.used(THROTTLED)), len(self.used(FREE))
        eventually(lambda: len(self.used(FREE)) > others + SILENT_LINES, "the free one runs")
        return len(self.used(THROTTLED)) <= before + 1  # a line that was under way

    def metric(self) -> str:
        """The values that the run exposes of what is in force."""
        with urllib.request.urlopen(
            self.place.status()["http"] + "/metrics/run", timeout=PATIENCE_S
        ) as answer:
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
    flight.gets(lambda throttled, free: 0.4 * min(free, 0.2) < throttled < 0.23, f"a fifth of a core: {said}")
    assert flight.metric() == f'skyrack_throttle_cpu_cores{{node="{THROTTLED}"}} 0.2'
    assert flight.allow(0.1).startswith("0.1 of a core")
    flight.gets_at_most(0.13, "a tenth of a core")
    assert flight.allow(None) == "no share of a core is kept to any more"
    flight.gets(lambda throttled, free: throttled > 0.4 * free, "as much as the free one")
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
    flight.gets_at_most(0.23, "the end of the pause has not ended the throttle")
    slowed = flight.add("cpu", f"{THROTTLED}/burn", cpu_ratio=0.1)
    flight.gets_at_most(0.13, "the stricter one holds")
    flight.remove(slowed)
    flight.gets_at_most(0.23, "the throttle holds without it")

    pid = flight.used(THROTTLED)[-1][2]
    flight.add("kill", f"{THROTTLED}/burn")
    eventually(lambda: flight.used(THROTTLED)[-1][2] != pid, "it has been started again")
    flight.gets_at_most(0.25, "who comes later is throttled")
    rebooted = flight.add("reboot", THROTTLED)
    count = len(flight.used(THROTTLED))
    flight.remove(rebooted)
    eventually(lambda: len(flight.used(THROTTLED)) > count, "it runs after the reboot")
    flight.gets_at_most(0.25, "what runs after a reboot is throttled")
    flight.allow(None)
    flight.gets(lambda throttled, free: throttled > 0.4 * free, "as much as the free one")
