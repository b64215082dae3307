"""What is to be measured: pairs, rates, faults. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


class Api(Protocol):
    """The run's API, as `skyrack.orchestrator.api.client.ApiClient` gives it. Raises ApiError."""

    def get(self, path: str) -> Any:
        """GET, decoded."""

    def post(self, path: str, body: Any) -> Any:
        """POST JSON; the reply, decoded."""

    def delete(self, path: str) -> Any:
        """DELETE; the reply, decoded."""


@dataclass(frozen=True, slots=True)
class Workload:
    """An echo workload over `pairs` of node names, probed along the same pairs.

    thresholds: `p50_ms p90_ms p99_ms max_ms availability_ratio fidelity_within_500us_ratio`, None where not given.
    """

    pairs: tuple[tuple[str, str], ...]
    rate_hz: float = 50.0
    payload_bytes: int = 64
    duration_s: float = 30.0
    timeout_s: float = 5.0
    spacing: Literal["fixed", "poisson"] = "fixed"
    seed: int = 1
    probe_rate_hz: float = 50.0
    probe_bytes: int = 64
    thresholds: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens `at_s` seconds after the start of the workload, in the user's `words`.

    `entry` is a fault as POST /v1/faults takes it.
    """

    at_s: float
    words: str
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a measurement is, for the terminal."""

    elapsed_s: float
    duration_s: float
    ok: int
    fail: int
    unknown: int
    probes: int
    note: str = ""
