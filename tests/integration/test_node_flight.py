"""A real node with flight software and a stand-in orchestrator: what is reported, and what safe mode does to services."""

from __future__ import annotations

import os

import pytest

from skyrack.orchestrator.runtime.node_config import flight
from skyrack.orchestrator.scenario.model.scenario import Scenario
from skyrack.v1 import control_pb2
from skyrack.v1.control_pb2 import FLIGHT_MODE_SAFE, FLIGHT_MODE_THROTTLED
from skyrack.v1.service_pb2 import SERVICE_PHASE_READY, SERVICE_PHASE_STOPPED

from .node_stand_ins import eventually, first_update, open_world
from .test_node_process import LAUNCHERS
from .test_node_services import comes_to, sh, sleepers, status_of

pytestmark = pytest.mark.mesh

# So small that a second in the Sun fills a tenth of it; what is full is throttled still, however late somebody looks.
POWER = {
    "battery_wh": 1, "initial_charge_ratio": 0.29, "array_w": 560, "bus_w": 0, "compute_idle_w": 0, "compute_peak_w": 0,
    "throttle_below_ratio": 1.0,
}  # fmt: skip


def update(*, lit: bool) -> control_pb2.NodeUpdate:
    said = first_update()
    said.surroundings.until_t_s = 7200.0
    if not lit:
        said.surroundings.eclipses.add(start_t_s=-10.0, end_t_s=7200.0)
    return said


async def test_what_is_decided_is_reported_at_every_join_and_safe_mode_lets_no_service_start() -> None:
    if os.getuid() or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs root and a writable /dev/net/tun")
    config = flight(Scenario(version=1, name="x", power=POWER))  # type: ignore[arg-type]
    async with open_world(LAUNCHERS["root"]) as world:
        said = world.orchestrator
        said.update = update(lit=False)
        first, second = sh("first", "exec sleep 9321"), sh("second", "exec sleep 9322")
        said.set_services("n0", first)
        await world.spawn("n0", flight=config)
        stopped = await comes_to(said, "first", SERVICE_PHASE_STOPPED)
        assert (stopped.reason, stopped.restarts) == ("safe mode: battery 29 %", 0)
        await eventually(lambda: bool(said.flights), "the first decision is reported")
        told = said.flights[0].flight
        assert (told.mode, told.cpu_cores, round(told.battery_ratio, 2)) == (FLIGHT_MODE_SAFE, 0.25, 0.29)
        first.generation = 2
        said.set_services("n0", first, second)
        await comes_to(said, "second", SERVICE_PHASE_STOPPED)
        await eventually(lambda: status_of(said, "first").generation == 2, "it is another one")
        assert status_of(said, "first").phase == SERVICE_PHASE_STOPPED
        assert sleepers(9321) == sleepers(9322) == [], "nobody started it"
        await said.stop()
        await said.start()
        await eventually(lambda: len(said.joined) >= 2, "it joins again")
        before = len(said.flights)
        await eventually(lambda: len(said.flights) > before, "and says again what it has decided")
        said.update = update(lit=True)
        said.say("n0", control_pb2.JoinResponse(update=said.update))
        for name in ("first", "second"):
            ready = await comes_to(said, name, SERVICE_PHASE_READY)
            assert ready.pid > 1
        modes = [report.flight.mode for report in said.flights]
        assert next(mode for mode in modes if mode != FLIGHT_MODE_SAFE) == FLIGHT_MODE_THROTTLED
