"""The environment variables of guests say what the messages say."""

from __future__ import annotations

from datetime import UTC, datetime

from skyrack.v1 import mesh_pb2
from skyrack.v1.guest_environment import guest_environment


def test_every_fact_has_its_variable() -> None:
    clock = mesh_pb2.RunClock(t0_monotonic_ns=123_456_789_012, speed=1.0)
    clock.start.FromDatetime(datetime(2026, 3, 20, 12, tzinfo=UTC))
    variables = guest_environment(
        run="iridium", node="p0s03", kind="satellite", address="100.64.0.4", index=3, clock=clock
    )
    assert variables == {
        "SKYRACK_RUN": "iridium",
        "SKYRACK_NODE": "p0s03",
        "SKYRACK_KIND": "satellite",
        "SKYRACK_ADDRESS": "100.64.0.4",
        "SKYRACK_INDEX": "3",
        "SKYRACK_API": "http://skyrack.internal:50080",
        "SKYRACK_GRPC": "skyrack.internal:50051",
        "SKYRACK_START": "2026-03-20T12:00:00Z",
        "SKYRACK_SPEED": "1",
        "SKYRACK_T0_MONOTONIC_NS": "123456789012",
        "SKYRACK_SINCE_RUN_S": "0",
        "SKYRACK_SINCE_T_S": "0",
    }
    clock.speed, clock.since_run_s, clock.since_t_s = 0.0, 20.25, 5400.0
    variables = guest_environment(
        run="iridium", node="p0s03", kind="satellite", address="100.64.0.4", index=3, clock=clock
    )
    told = [variables[f"SKYRACK_{name}"] for name in ("SPEED", "SINCE_RUN_S", "SINCE_T_S")]
    assert told == ["0", "20.25", "5400"]


def test_a_clock_that_is_not_known_yet_is_not_made_up() -> None:
    variables = guest_environment(run="r", node="n", kind="ground", address="100.64.0.9", index=8, clock=None)
    assert not {"SKYRACK_START", "SKYRACK_SPEED", "SKYRACK_T0_MONOTONIC_NS"} & set(variables)
