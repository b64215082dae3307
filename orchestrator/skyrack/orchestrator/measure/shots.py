"""When to send which probe: an absolute, open-loop schedule over pairs of nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LOST_AFTER_S = 1.0
LOST_AFTER_RTTS = 4.0


@dataclass(frozen=True, slots=True)
class Route:
    """Who probes whom: node names, b's IPv4 address, and after how long a probe counts as lost."""

    a: str
    b: str
    address: str
    timeout_s: float = LOST_AFTER_S


@dataclass(frozen=True, slots=True)
class Shot:
    """One probe to send at run time `due_s`."""

    seq: int
    due_s: float
    route: Route


@dataclass(frozen=True, slots=True)
class Plan:
    """`count` probes at `rate_hz` from run time `start_s`, the routes taking turns."""

    routes: tuple[Route, ...]
    start_s: float
    rate_hz: float
    count: int
    ip_bytes: int = 64

    def shots(self) -> Iterator[Shot]:
        """Shot k is due at start + k / rate: computed, not added up, so that no error grows."""
        for k in range(self.count):
            yield Shot(k, self.start_s + k / self.rate_hz, self.routes[k % len(self.routes)])


def lost_after_s(computed_rtt_s: float | None) -> float:
    """After how long a probe is lost: four round trips, and never less than a second, so that a queue is not a loss."""
    return max(LOST_AFTER_S, LOST_AFTER_RTTS * (computed_rtt_s or 0.0))


def spread(
    routes: Sequence[Route], start_s: float, rate_hz: float, duration_s: float, ip_bytes: int = 64
) -> Plan:
    """The plan that keeps probing `routes` for `duration_s`."""
    return Plan(tuple(routes), start_s, rate_hz, max(1, round(duration_s * rate_hz)), ip_bytes)
