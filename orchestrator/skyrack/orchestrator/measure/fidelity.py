"""How far the emulated round trips are from the computed ones, judged in quiet windows only. Pure.

    error = measured - computed        (computed: propagation + serialisation along the path in force, no queueing)

Noise of the host is one-sided and comes and goes: it makes some packets late, never all, and none early. So the
tails say how noisy the host was, while the *fast* probes say whether the emulation is right: when even the fastest
tenth of the probes over one link or between one pair is late by more than the host explains, the emulation is wrong
and no noise excuses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from skyrack.orchestrator.measure.host import QuietTimes
from skyrack.orchestrator.measure.shots import lost_after_s
from skyrack.orchestrator.measure.stats import quantile

MAX_MEDIAN_S = 0.2e-3
MAX_P99_S = 1e-3
WITHIN_S = 0.5e-3
MIN_PACKETS = 100
SHIFT_S = 0.5e-3
SHIFT_QUANTILE = 0.1
SHIFT_MIN_PACKETS = 20
GUARD = "guard"
HELD_UP = f"{GUARD}: the host held the fabric up while it flew"


@dataclass(frozen=True, slots=True)
class Sample:
    """One probe that was sent, beside what was computed for its instant.

    measured_s: None when lost or refused. computed_s: None when no reply was to be expected, `reason` says why; a
    reason that starts with "guard" means that either outcome is right (a node went dark or came back meanwhile).
    path: nodes from a to b. kept_ratio: the share of such probes that links which lose some at random leave.
    """

    pair: str
    t_s: float
    measured_s: float | None
    computed_s: float | None
    path: tuple[str, ...] = ()
    reason: str | None = None
    kept_ratio: float = 1.0

    @property
    def settled(self) -> bool:
        """Whether one outcome only is right."""
        return self.reason is None or not self.reason.startswith(GUARD)

    @property
    def flight_s(self) -> float:
        """From sending to the reply, or to when it counted as lost."""
        return self.measured_s if self.measured_s is not None else lost_after_s(self.computed_s)


def is_against(measured_s: float | None, computed: Mapping[str, Any]) -> bool:
    """Whether a probe was lost though it was computed to come back for certain, or answered without a way."""
    if measured_s is None:
        return computed["rtt_s"] is not None and computed["kept_ratio"] == 1.0
    return computed["rtt_s"] is None


def reason_of(measured_s: float | None, computed: Mapping[str, Any]) -> str | None:
    """Why no reply was to be expected, or why either outcome is right, by the fields of POST /v1/computed.

    Where the host held the fabric up meanwhile, a probe that was lost or answered against what is computed proves nothing.
    """
    reason: str | None = computed["reason"]
    judged = reason is None or not reason.startswith(GUARD)
    if judged and computed["held_up_s"] > 0.0 and is_against(measured_s, computed):
        return HELD_UP
    return reason


@dataclass(frozen=True, slots=True)
class Shift:
    """A link or pair over which even fast probes are off by `error_s`."""

    what: str
    error_s: float
    packets: int


@dataclass(frozen=True, slots=True)
class Fidelity:
    """The published figures over `packets` judged replies, None where there were none, and what they were taken from.

    median_s, p99_s: of |error|; bias_s: median of the signed error. false_outages: lost though deliverable.
    worst_s: the systematic part of the error over the worst link or pair.
    unexpected_replies: answered though dark or unreachable. noisy: probes left out because the host was not quiet.
    expected_losses: rightly lost.
    """

    median_s: float | None
    p99_s: float | None
    within_500us_ratio: float | None
    false_outages: int
    packets: int
    bias_s: float | None = None
    unexpected_replies: int = 0
    noisy: int = 0
    expected_losses: int = 0
    worst_s: float | None = None
    shifts: tuple[Shift, ...] = field(default=())


def evaluate(
    samples: Iterable[Sample], quiet: QuietTimes, *, ordered_drops: int = 0, admitted_s: float = 0.0
) -> Fidelity:
    """Judge the probes whose whole flight lies in quiet windows.

    Args:
        ordered_drops: packets the fabric dropped because the scenario says so (loss, full queues): that many losses
        are not false.
        admitted_s: lateness the fabric itself reports for its median delivery. A host that is slow throughout shows
            up there, a wrong delay does not, so a shift must exceed it on both deliveries of a round trip.
    """
    errors: list[float] = []
    groups: dict[str, list[float]] = {}
    lost = unexpected = noisy = expected = 0
    for sample in samples:
        if not quiet.covers(sample.t_s, sample.t_s + sample.flight_s):
            noisy += 1
        elif sample.measured_s is not None and sample.computed_s is not None:
            error = sample.measured_s - sample.computed_s
            errors.append(error)
            for key in (sample.pair, *links_of(sample)):
                groups.setdefault(key, []).append(error)
        elif not sample.settled:
            expected += sample.measured_s is None
        elif sample.measured_s is not None:
            unexpected += 1
        elif sample.computed_s is not None:
            lost += 1
        else:
            expected += 1
    judged = {what: group for what, group in groups.items() if len(group) >= SHIFT_MIN_PACKETS}
    distances = [abs(error) for error in errors]
    return Fidelity(
        median_s=quantile(distances, 0.5),
        p99_s=quantile(distances, 0.99),
        within_500us_ratio=sum(d <= WITHIN_S for d in distances) / len(distances) if distances else None,
        false_outages=max(0, lost - ordered_drops),
        packets=len(errors),
        bias_s=quantile(errors, 0.5),
        unexpected_replies=unexpected,
        noisy=noisy,
        expected_losses=expected + min(lost, ordered_drops),
        worst_s=max((systematic(errors)[1] for errors in judged.values()), default=None),
        shifts=_shifts(judged, SHIFT_S + 2 * admitted_s),
    )


def links_of(sample: Sample) -> Iterator[str]:
    """The links of its way out, each by one name whichever way it was crossed."""
    for a, b in pairwise(sample.path):
        yield link_name(a, b)


def link_name(a: str, b: str) -> str:
    """The same whichever way it is crossed."""
    return f"{min(a, b)} - {max(a, b)}"


def _shifts(groups: Mapping[str, Sequence[float]], bound_s: float) -> tuple[Shift, ...]:
    """The groups that are off by more than the bound: largest first, and of equals (to 0.1 ms) the most packets, which
    is the link rather than one of the pairs that cross it."""
    found = []
    for what, errors in groups.items():
        error_s, size_s = systematic(errors)
        if size_s > bound_s:
            found.append(Shift(what, error_s, len(errors)))
    return tuple(sorted(found, key=lambda shift: (-round(abs(shift.error_s), 4), -shift.packets)))


def systematic(errors: Sequence[float]) -> tuple[float, float]:
    """The part of the errors that noise cannot explain, with its sign and without.

    Late when the fast tenth is late, early when the slow tenth is early, else nothing.
    """
    low, high = quantile(errors, SHIFT_QUANTILE), quantile(errors, 1 - SHIFT_QUANTILE)
    assert low is not None
    assert high is not None
    error_s = low if low > 0 else min(high, 0.0)
    return error_s, abs(error_s)
