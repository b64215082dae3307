"""Probes of a run over a span of time that is the same on any host: what it is too late to send is not sent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from skyrack.orchestrator.api.client import ApiClient
from skyrack.orchestrator.measure.fidelity import reason_of
from skyrack.orchestrator.measure.hold import connect_fabric
from skyrack.orchestrator.measure.host import QuietTimes
from skyrack.orchestrator.measure.host_watch import HostWatch
from skyrack.orchestrator.measure.prober import Prober
from skyrack.orchestrator.measure.shots import Plan, Route, lost_after_s
from skyrack.orchestrator.measure.source import take_source
from skyrack.v1.hand_out import receive_fabric

from .place import PATIENCE_S, Place

SOURCE = "london"
BYTES = 64
LEAD_S = 0.2
AT_ONCE = 500


@dataclass(frozen=True)
class Probed:
    """One probe that was sent. `reason`: why no reply was to be expected, or why either outcome is right."""

    t_s: float
    measured_s: float | None
    computed_s: float | None
    reason: str | None

    @property
    def lost(self) -> bool:
        """Whether nothing came back."""
        return self.measured_s is None

    @property
    def error_s(self) -> float:
        """By how much an answered one was later than computed."""
        assert self.measured_s is not None
        assert self.computed_s is not None
        return self.measured_s - self.computed_s


@dataclass(frozen=True)
class Flight:
    """Probes in the order in which they left, and when the host was quiet. `start_s`, `end_s`: of the plan, in run time."""

    probes: list[Probed]
    quiet: QuietTimes
    start_s: float
    end_s: float


def probe(
    place: Place, to: str, count: int, interval_s: float, start: Callable[[], float] | None = None
) -> Flight:
    """`count` probes from london, one each `interval_s`. `start` says when the first is to leave, else it does at once."""
    status = place.status()
    api = ApiClient(place.sockets / status["run"], PATIENCE_S)
    mesh_dir, t0_ns = Path(status["mesh_dir"]), status["t0_monotonic_ns"]
    address = next(node["address"] for node in status["nodes"] if node["name"] == to)

    def computed(sent_s: list[float]) -> list[dict[str, object]]:
        found = []
        for first in range(0, len(sent_s), AT_ONCE):
            asked = [[t_s, SOURCE, to, BYTES] for t_s in sent_s[first : first + AT_ONCE]]
            found += api.post("/v1/computed", {"probes": asked})["results"]
        return found

    def now_s() -> float:
        return float(api.get("/v1/clock")["run_s"])

    (expected,) = computed([now_s()])
    timeout_s = lost_after_s(expected["rtt_s"])  # type: ignore[arg-type]
    life, source = take_source(mesh_dir, SOURCE)
    with life, HostWatch(t0_ns) as watch:
        with connect_fabric(mesh_dir) as connection:
            watch.watch("fabric", receive_fabric(connection))
        with contextlib.closing(Prober({SOURCE: source}, t0_monotonic_ns=t0_ns, ip_bytes=BYTES)) as prober:
            start_s = start() if start is not None else now_s() + LEAD_S
            plan = Plan((Route(SOURCE, to, address, timeout_s),), start_s, 1.0 / interval_s, count, BYTES)
            decided = [one for batch in prober.run(plan.shots()) for one in batch]
        quiet = QuietTimes(watch.windows())
    sent = sorted((one for one in decided if one.outcome != "unsent"), key=lambda one: one.t_s)
    answers = computed([one.t_s for one in sent])
    probes = [
        Probed(one.t_s, one.measured_s, answer["rtt_s"], reason_of(one.measured_s, answer))  # type: ignore[arg-type]
        for one, answer in zip(sent, answers, strict=True)
    ]
    return Flight(probes, quiet, start_s, start_s + count * interval_s)
