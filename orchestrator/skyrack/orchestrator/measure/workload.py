"""What is to be measured: pairs, rates, faults. Values only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol


class Api(Protocol):
    """The run's API, as `skyrack.orchestrator.api.client.ApiClient` gives it. Raises ApiError."""

    def get(self, path: str) -> Any:
        """GET, decoded."""

    def post(self, path: str, body: Any) -> Any:
        """POST JSON; the reply, decoded."""

    def delete(self, path: str) -> Any:
        """DELETE; the reply, decoded."""


Spacing = Literal["fixed", "poisson"]


class Load(Protocol):
    """What a load is to who measures it. thresholds: see `EchoLoad`."""

    @property
    def kind(self) -> str:
        """As commands and metrics call it."""

    @property
    def sources(self) -> frozenset[str]:
        """Nodes that ask."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """What is probed meanwhile: from node, to node."""

    @property
    def duration_s(self) -> float:
        """How long operations begin."""

    @property
    def longest_s(self) -> float:
        """How long it may take until everything is over."""

    @property
    def probe_rate_hz(self) -> float:
        """Probes per second in total."""

    @property
    def probe_bytes(self) -> int:
        """Payload of a probe."""

    @property
    def thresholds(self) -> Mapping[str, float | None]:
        """What must hold."""

    def arguments(self, addresses: Mapping[str, str]) -> list[str]:
        """Of the generator, but for what every load has; `addresses` by node."""

    def as_mapping(self) -> dict[str, Any]:
        """For result.json."""


@dataclass(frozen=True, slots=True)
class EchoLoad:
    """An echo workload over `pairs` of node names, probed along the same pairs.

    thresholds: `p50_ms p90_ms p99_ms max_ms availability_ratio fidelity_within_500us_ratio`, None where not given.
    """

    pairs: tuple[tuple[str, str], ...]
    rate_hz: float = 50.0
    payload_bytes: int = 64
    duration_s: float = 30.0
    timeout_s: float = 5.0
    spacing: Spacing = "fixed"
    seed: int = 1
    probe_rate_hz: float = 50.0
    probe_bytes: int = 64
    thresholds: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return "echo"

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(a for a, _ in self.pairs)

    @property
    def longest_s(self) -> float:
        return self.duration_s + self.timeout_s

    def arguments(self, addresses: Mapping[str, str]) -> list[str]:
        words = ["echo", "--payload-bytes", str(self.payload_bytes)]
        for a, b in self.pairs:
            words += ["--pair", f"{a}>{b}={addresses[b]}"]
        return [*words, *_schedule(self)]

    def as_mapping(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True)
class StoreLoad:
    """A workload (`skyrack.workloads`) of clients in `nodes` against the members of a service.

    `kind` and `adapter`: names, or FILE.py:CLASS. `endpoints`: ADDRESS:PORT of `members`, which are nodes. `scope`: before
    every key, so that loads do not see each other's. `final_s`: most that final tasks may take.
    """

    kind: str
    adapter: str
    service: str
    members: tuple[str, ...]
    endpoints: tuple[str, ...]
    nodes: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    scope: str = "skyrack"
    clients: int = 12
    rate_hz: float = 50.0
    duration_s: float = 30.0
    timeout_s: float = 2.0
    final_s: float = 30.0
    spacing: Spacing = "fixed"
    seed: int = 1
    probe_rate_hz: float = 50.0
    probe_bytes: int = 64
    thresholds: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(self.nodes) | {a for a, _ in self.pairs}

    @property
    def longest_s(self) -> float:
        return self.duration_s + self.timeout_s + self.final_s

    def arguments(self, addresses: Mapping[str, str]) -> list[str]:
        words = ["store", "--workload", self.kind, "--options", json.dumps(dict(self.options))]
        words += ["--adapter", self.adapter, "--scope", self.scope]
        for endpoint in self.endpoints:
            words += ["--endpoint", endpoint]
        for node in self.nodes:
            words += ["--node", node]
        words += ["--clients", str(self.clients), "--final-s", repr(self.final_s)]
        return [*words, *_schedule(self)]

    def as_mapping(self) -> dict[str, Any]:
        return asdict(self)


def _schedule(load: EchoLoad | StoreLoad) -> list[str]:
    words = ["--rate-hz", repr(load.rate_hz), "--duration-s", repr(load.duration_s)]
    words += ["--timeout-s", repr(load.timeout_s), "--spacing", load.spacing]
    return [*words, "--seed", str(load.seed)]


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
