"""What a workload's operations say: counts, latencies, and the user's thresholds. Pure.

A latency is counted from the *intended* start, so a generator or a channel that was stuck does not hide the wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from skyrack.orchestrator.measure.host import QuietTimes
from skyrack.orchestrator.measure.stats import quantile

Kind = Literal["ok", "fail", "unknown"]
_LATENCIES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
# Fewer quiet operations than this cannot confirm that a failed threshold is not the host's doing.
MIN_QUIET_OPERATIONS = 20


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the history: `fail` definitely did not happen, `unknown` may have.

    A `fail` without an `error` is the service's own no: a compare that did not match, an account without enough.
    """

    intended_s: float
    complete_s: float
    kind: Kind
    node: str = ""
    error: str = ""

    @property
    def refused(self) -> bool:
        """Whether the service said no."""
        return self.kind == "fail" and not self.error

    @property
    def answered(self) -> bool:
        """Whether the service did its work."""
        return self.kind == "ok" or self.refused

    @property
    def latency_s(self) -> float:
        """From the intended start to the answer."""
        return self.complete_s - self.intended_s


@dataclass(frozen=True, slots=True)
class Threshold:
    """A user's threshold and what was found.

    holds_quietly: the same over operations in quiet windows only, None when too few.
    """

    name: str
    holds: bool
    value: float | None
    limit: float
    unit: str
    holds_quietly: bool | None


def counts(operations: Sequence[Operation]) -> dict[str, int]:
    """How many were ok, failed, unknown."""
    found = {"ok": 0, "fail": 0, "unknown": 0}
    for operation in operations:
        found[operation.kind] += 1
    return found


def latencies(operations: Sequence[Operation]) -> dict[str, float | None]:
    """p50, p90, p99 and max of the answered operations, seconds; None when there were none."""
    values = [operation.latency_s for operation in operations if operation.answered]
    return {name: quantile(values, q) for name, q in _LATENCIES.items()}


def availability(operations: Sequence[Operation]) -> float | None:
    """The share of operations that were answered."""
    return sum(operation.answered for operation in operations) / len(operations) if operations else None


def by_node(operations: Sequence[Operation]) -> dict[str, dict[str, Any]]:
    """For every node that asked: counts, latencies in seconds, availability."""
    asked: dict[str, list[Operation]] = {}
    for operation in operations:
        asked.setdefault(operation.node, []).append(operation)
    return {
        node: {
            "operations": counts(theirs),
            "refused": sum(operation.refused for operation in theirs),
            "latency_s": latencies(theirs),
            "availability_ratio": availability(theirs),
        }
        for node, theirs in sorted(asked.items())
    }


def judge(
    thresholds: Mapping[str, Any], operations: Sequence[Operation], quiet: QuietTimes
) -> list[Threshold]:
    """Thresholds of a workload: `p50_ms p90_ms p99_ms max_ms` from above, `availability_ratio` from below.

    None and keys that are not about operations are left out.
    """
    calm = [operation for operation in operations if quiet.covers(operation.intended_s, operation.complete_s)]
    enough = len(calm) >= MIN_QUIET_OPERATIONS
    found = []
    all_latencies, calm_latencies = latencies(operations), latencies(calm)
    for name in _LATENCIES:
        limit_ms = thresholds.get(f"{name}_ms")
        if limit_ms is not None:
            limit = limit_ms / 1e3
            value, calm_value = all_latencies[name], calm_latencies[name]
            found.append(
                Threshold(
                    name=f"{name} <= {limit_ms:g} ms",
                    holds=value is not None and value <= limit,
                    value=value,
                    limit=limit,
                    unit="s",
                    holds_quietly=calm_value is not None and calm_value <= limit if enough else None,
                )
            )
    share = thresholds.get("availability_ratio")
    if share is not None:
        value, calm_value = availability(operations), availability(calm)
        found.append(
            Threshold(
                name=f"availability >= {share * 100:g} %",
                holds=value is not None and value >= share,
                value=value,
                limit=share,
                unit="ratio",
                holds_quietly=calm_value is not None and calm_value >= share if enough else None,
            )
        )
    return found
