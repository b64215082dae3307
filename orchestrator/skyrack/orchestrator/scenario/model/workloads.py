"""What runs on the nodes, and what must hold for the run to pass."""

from typing import Annotated, Any, Literal

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

    kind: Literal["echo"] = key("Kind of the workload: echo.", source="D: the usual kind", default="echo")
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


STORE_KINDS = ("kv", "append", "queue", "set", "bank")


class StoreWorkload(Section):
    """Clients of a service, whose history is checked: what was promised is to be kept."""

    kind: Literal["kv", "append", "queue", "set", "bank"] = key(
        "Kind of the workload: kv, append, queue, set or bank."
    )
    service: str = key("The service that is asked, one of `services`.")
    adapter: str = key("How it is asked: etcd, redis, grpc or FILE.py:CLASS; with options: redis,wait=1.")
    port: Whole | None = key(
        "The service's port.", source="D: the adapter's usual one", default=None, ge=1, le=65535
    )
    at: tuple[str, ...] = key("Nodes that clients are in.", source="D: all ground stations", default=())
    clients: Whole | None = key(
        "Clients in all, one operation at a time each.",
        unit="count",
        source="C: rate x 0.5 s, at least one per node",
        default=None,
        ge=1,
        le=5000,
    )
    rate_hz: Number = key(
        "Operations per second in total.", unit="1/s", source="D", default=50.0, gt=0, le=1e6
    )
    duration_s: Number = key("How long operations begin.", unit="s", source="D", default=30.0, gt=0, le=1e7)
    timeout_s: Number = key(
        "An operation without an answer by then is unknown.", unit="s", source="D", default=2.0, gt=0, le=3600
    )
    options: dict[str, Any] = key(
        "Options of the workload, as `skyrack load KIND --help` lists them: {keys: 20}.",
        source="D: the workload's own",
        default={},
    )
    thresholds: Thresholds = key(
        "What must hold for the run to pass, beside the checks of the history.",
        source="D: nothing",
        default=Thresholds(),
    )


def _kind(value: object) -> str | None:
    kind = value.get("kind", "echo") if isinstance(value, dict) else getattr(value, "kind", "echo")
    return "<store>" if kind in STORE_KINDS else "<echo>" if kind == "echo" else None


Workload = Annotated[
    Annotated[EchoWorkload, Tag("<echo>")] | Annotated[StoreWorkload, Tag("<store>")],
    Discriminator(
        _kind,
        custom_error_type="choice",
        custom_error_message="unknown kind",
        custom_error_context={
            "key": "kind",
            "expected": f"echo, {', '.join(STORE_KINDS[:-1])} or {STORE_KINDS[-1]}",
        },
    ),
]
