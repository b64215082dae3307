"""What the node was last told about itself: clock, ephemeris, neighbours, forecast. Time is handed in."""

import math
from collections.abc import Iterable

from skyrack.node.position import Knots, Vector
from skyrack.v1 import control_pb2, mesh_pb2


class UnusableUpdateError(ValueError):
    """An update that a node cannot work with."""


class Knowledge:
    """One NodeUpdate, checked and made ready.

    `before`: the clock that was in force before its own, which may begin a moment from now.
    """

    def __init__(self, update: control_pb2.NodeUpdate, before: mesh_pb2.RunClock | None = None) -> None:
        """Raises UnusableUpdateError."""
        ephemeris, clock = update.ephemeris, update.clock
        numbers = (clock.speed, clock.since_run_s, clock.since_t_s, ephemeris.first_t_s, ephemeris.step_s)
        vectors = (*ephemeris.position_km, *ephemeris.velocity_km_s)
        if not all(map(math.isfinite, (*numbers, *vectors))) or clock.speed < 0:
            raise UnusableUpdateError("a number of the clock or the ephemeris is not usable")
        try:
            position_km, velocity_km_s = _vectors(ephemeris.position_km), _vectors(ephemeris.velocity_km_s)
            self._knots = Knots(ephemeris.first_t_s, ephemeris.step_s, position_km, velocity_km_s)
        except ValueError as error:
            raise UnusableUpdateError(f"ephemeris: {error}") from error
        self._update = update
        self.before = before

    @property
    def epoch(self) -> mesh_pb2.Epoch:
        """The epoch the links belong to."""
        return self._update.epoch

    @property
    def neighbours(self) -> list[mesh_pb2.Neighbour]:
        """Nodes one link away during the epoch."""
        return list(self._update.neighbours)

    @property
    def clock(self) -> mesh_pb2.RunClock:
        """The run's clock, as it was said last."""
        return self._update.clock

    @property
    def speed(self) -> float:
        """Orbit seconds per real second; 0 while the clock is paused."""
        return self._update.clock.speed

    @property
    def contacts_until_t_s(self) -> float:
        """Orbit time up to which contacts are known."""
        return self._update.forecast_until_t_s

    @property
    def weather(self) -> list[mesh_pb2.LinkWeather]:
        """What the air does to its ground links during the epoch."""
        return list(self._update.weather)

    def t_s(self, monotonic_ns: int) -> float:
        """Orbit time at a reading of CLOCK_MONOTONIC."""
        clock = self._update.clock
        run_s = (monotonic_ns - clock.t0_monotonic_ns) / 1e9
        if run_s < clock.since_run_s and self.before is not None:
            clock = self.before
        return clock.since_t_s + clock.speed * (run_s - clock.since_run_s)

    def real_s(self, t_s: float) -> float:
        """How long a span of orbit time takes as things stand; infinite while the clock is paused."""
        return t_s / self.speed if self.speed else math.inf

    def utc_ns(self, t_s: float) -> int:
        """UTC of an orbit time, nanoseconds since 1970."""
        return self._update.clock.start.ToNanoseconds() + round(t_s * 1e9)

    def at(self, t_s: float) -> tuple[Vector, Vector]:
        """Position (km) and velocity (km/s), Earth-fixed. Raises OutsideEphemerisError."""
        return self._knots.at(t_s)

    def nearest_t_s(self, t_s: float) -> float:
        """The orbit time for which `at` has an answer that is nearest to `t_s`."""
        return min(max(t_s, self._knots.first_t_s), self._knots.last_t_s)

    def contacts(self, t_s: float) -> list[mesh_pb2.Contact]:
        """Contacts that have not ended at `t_s`, as forecast."""
        return [contact for contact in self._update.forecast if contact.end_t_s > t_s]

    def shadow(self, t_s: float) -> mesh_pb2.EclipseForecast | None:
        """Stays in the Earth's shadow that are not over at `t_s`, as forecast; None where there are none to know of."""
        if not self._update.HasField("shadow"):
            return None
        shadow = self._update.shadow
        ahead = [eclipse for eclipse in shadow.eclipses if eclipse.end_t_s > t_s]
        return mesh_pb2.EclipseForecast(eclipses=ahead, until_t_s=shadow.until_t_s)

    def anomaly(self, t_s: float) -> mesh_pb2.AnomalyForecast | None:
        """The passes over the anomaly that have not ended at `t_s`; None where there are none to know of."""
        if not self._update.HasField("anomaly"):
            return None
        anomaly = self._update.anomaly
        ahead = [one for one in anomaly.passes if one.end_t_s > t_s]
        return mesh_pb2.AnomalyForecast(passes=ahead, until_t_s=anomaly.until_t_s)

    def gateways(self, t_s: float) -> list[mesh_pb2.Contact]:
        """When ground stations are in sight, as forecast: what is not over at `t_s`."""
        return [one for one in self._update.gateways if one.end_t_s > t_s]

    @property
    def surroundings(self) -> mesh_pb2.Surroundings | None:
        """What the node is exposed to, in truth; None on the ground."""
        return self._update.surroundings if self._update.HasField("surroundings") else None

    def in_shadow(self, t_s: float) -> bool | None:
        """Whether the Earth keeps the Sun away at `t_s`; None on the ground, and where it is not known."""
        if (around := self.surroundings) is None or t_s > around.until_t_s:
            return None
        return any(eclipse.start_t_s <= t_s < eclipse.end_t_s for eclipse in around.eclipses)

    def in_anomaly(self, t_s: float) -> bool | None:
        """Whether the node is over the South Atlantic Anomaly at `t_s`; None where `in_shadow` is."""
        if (around := self.surroundings) is None or t_s > around.until_t_s:
            return None
        return any(one.start_t_s <= t_s < one.end_t_s for one in around.anomaly_passes)


def _vectors(flat: Iterable[float]) -> tuple[Vector, ...]:
    values = list(flat)
    if len(values) % 3:
        raise ValueError(f"{len(values)} numbers do not make vectors")
    return tuple(zip(values[0::3], values[1::3], values[2::3], strict=True))
