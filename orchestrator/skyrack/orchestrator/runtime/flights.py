"""What the flight software of every satellite has decided: kept, kept to, and told as an event when the mode is another one."""

from __future__ import annotations

from collections.abc import Mapping

from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.throttles import Throttles
from skyrack.v1 import control_pb2

_PREFIX = "FLIGHT_MODE_"


class Flights:
    """By name of a node; those without flight software are not there."""

    def __init__(self, throttles: Throttles, events: EventLog) -> None:
        self._throttles = throttles
        self._events = events
        self._states: dict[str, control_pb2.FlightState] = {}

    @property
    def states(self) -> Mapping[str, control_pb2.FlightState]:
        """What was said last."""
        return self._states

    async def report(self, node: str, state: control_pb2.FlightState) -> list[str]:
        """A node has decided. Returns what is done about its processes."""
        before = self._states.get(node)
        self._states[node] = state
        if before is None or before.mode != state.mode:
            self._events.add(
                "flight_mode", node=node, mode=mode_name(state.mode), reason=state.reason, t_s=state.t_s
            )
        return await self._throttles.allow(node, state.cpu_cores if state.HasField("cpu_cores") else None)


def mode_name(mode: control_pb2.FlightMode.ValueType) -> str:
    """nominal, throttled, safe."""
    return control_pb2.FlightMode.Name(mode).removeprefix(_PREFIX).lower()
