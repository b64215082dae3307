"""What runs on the nodes, and what must hold for the run to pass."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Tag

from .base import Number, Section, Whole, choice, key

PAIR_PATTERN = r"^[^>\s]+\s*>\s*[^>\s]+$"
WORDS = ("random", "all")


class Thresholds(Section):
    """Limits; a run that breaks one ends as bad. What is not given is not judged."""

    p50_ms: Number | None = key("Most the median latency may be.", unit="ms", default=None, gt=0)
    p90_ms: Number | None = key("Most the 90th percentile may be.", unit="ms", default=None, gt=0)
    p99_ms: Number | None = key("Most the 99th percentile may be.", unit="ms", default=None, gt=0)
    max_ms: Number | None = key("Most any latency may be.", unit="ms", default=None, gt=0)
    availability_ratio: Number | None = key(
        "Least share of operations that succeed.", unit="ratio", default=None, ge=0, le=1
    )
    fidelity_within_500us_ratio: Number | None = key(
        "Least share of probes within 0.5 ms of the computed delay.", unit="ratio", default=None, ge=0, le=1
    )


def _word(value: object) -> object:
    if value not in WORDS:
        raise choice(value, WORDS)
    return value


def _pairs_form(value: object) -> str:
    return "<list>" if isinstance(value, list | tuple) else "<word>"


Pair = Annotated[str, key("Two node names as a>b: a sends, b answers.", pattern=PAIR_PATTERN)]
Pairs = Annotated[
    Annotated[Literal["random", "all"], BeforeValidator(_word), Tag("<word>")]
    | Annotated[tuple[Pair, ...], Tag("<list>")],
    Discriminator(_pairs_form),
]


class EchoWorkload(Section):
    """Open-loop gRPC echo: requests leave on schedule, whether or not earlier ones came back."""

    kind: Literal["echo"] = key("Kind of the workload.", source="D: the only kind so far", default="echo")
    pairs: Pairs = key(
        "Who talks to whom: random pairs of inhabited nodes, all pairs, or a list such as [london>tokyo].",
        source="D",
        default="random",
    )
    rate_hz: Number = key("Requests per second in total.", unit="1/s", source="D", default=50.0, gt=0, le=1e6)
    payload_bytes: Whole = key(
        "Payload of a request and of its answer.",
        unit="bytes",
        source="D: as small as a ping",
        default=64,
        ge=0,
        le=1 << 20,
    )
    duration_s: Number = key("How long requests are sent.", unit="s", source="D", default=30.0, gt=0, le=1e7)
    timeout_s: Number = key(
        "A request without an answer by then has failed.",
        unit="s",
        source="D: far above any path's delay",
        default=5.0,
        gt=0,
        le=3600,
    )
    thresholds: Thresholds = key(
        "What must hold for the run to pass.", source="D: nothing", default=Thresholds()
    )


Workload = EchoWorkload
