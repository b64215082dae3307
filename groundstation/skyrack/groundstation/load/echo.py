"""The echo worker: NodeService.Echo calls at planned instants from inside one node, whatever became of earlier ones."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import grpc

from skyrack.groundstation.load.arrivals import Arrival, Arrivals, Pair
from skyrack.groundstation.load.clock import RunClock
from skyrack.groundstation.load.operation import Kind, Operation, kind_of_error
from skyrack.v1 import node_pb2, node_pb2_grpc

PORT = 50051
_WARM_UP_S = 3.0

# A dead peer sends nothing, and a node that came back must be used at once. So: a connection attempt may take 1.2 s
# (two round trips over the longest path, and one lost SYN, which is repeated after a second); attempts follow at most
# half a second apart; when nothing came back for a second while a call is out, ask, and give up two seconds later
# (gRPC makes that TCP_USER_TIMEOUT too).
CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_200),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.keepalive_time_ms", 1_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.max_pings_without_data", 0),
    # One operation is one attempt: a retry of gRPC's own would hide a failure and stretch a latency.
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class EchoPlan:
    """What every worker of one workload knows."""

    arrivals: Arrivals
    payload_bytes: int
    timeout_s: float
    t0_monotonic_ns: int

    def as_mapping(self) -> dict[str, Any]:
        """For JSON, to a worker that is no child."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> EchoPlan:
        """The reverse of `as_mapping`. Raises TypeError, KeyError."""
        arrivals = dict(data["arrivals"])
        pairs = tuple(Pair(**pair) for pair in arrivals.pop("pairs"))
        return cls(**{**data, "arrivals": Arrivals(pairs, **arrivals)})


def run_worker(
    plan: EchoPlan, source: str, warm_up: bool, emit: Callable[[str], None], wait_for_go: Callable[[], str]
) -> None:
    """Serve every pair that starts at `source`; returns when all operations are over.

    Args:
        warm_up: wait a while for connections before saying ready.
        emit: writes one line to the supervisor; the first is `ready`, the others are operations.
        wait_for_go: blocks for its answer, two run times: the start of the workload, and the instant before which
            operations are somebody else's.
    """
    # A selector with microseconds: the default one sleeps in whole milliseconds, up to one too long.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_Worker(plan, emit).run(source, warm_up, wait_for_go))


class _Worker:
    def __init__(self, plan: EchoPlan, emit: Callable[[str], None]) -> None:
        self._plan = plan
        self._emit = emit
        self._clock = RunClock(plan.t0_monotonic_ns)
        self._payload = bytes(plan.payload_bytes)

    async def run(self, source: str, warm_up: bool, wait_for_go: Callable[[], str]) -> None:
        pairs = [(i, pair) for i, pair in enumerate(self._plan.arrivals.pairs) if pair.a == source]
        channels = [
            grpc.aio.insecure_channel(f"ipv4:{pair.address}:{PORT}", options=CHANNEL_OPTIONS)
            for _, pair in pairs
        ]
        try:
            await _connect(channels, _WARM_UP_S if warm_up else 0.0)
            self._emit("ready")
            start_s, from_s = map(float, (await asyncio.to_thread(wait_for_go)).split())
            async with asyncio.TaskGroup() as group:
                for (index, pair), channel in zip(pairs, channels, strict=True):
                    group.create_task(self._drive(index, pair, channel, start_s, from_s), name=pair.name)
        finally:
            for channel in channels:
                await channel.close()

    async def _drive(
        self, index: int, pair: Pair, channel: grpc.aio.Channel, start_s: float, from_s: float
    ) -> None:
        stub = node_pb2_grpc.NodeServiceStub(channel)
        async with asyncio.TaskGroup() as group:
            for arrival in self._plan.arrivals.of(index):
                intended_s = start_s + arrival.at_s
                if intended_s < from_s:
                    continue
                if (wait_s := intended_s - self._clock.run_s()) > 0:
                    await asyncio.sleep(wait_s)
                group.create_task(
                    self._call(stub, pair, arrival, intended_s), name=f"{pair.name} {arrival.op}"
                )

    async def _call(
        self, stub: node_pb2_grpc.NodeServiceAsyncStub, pair: Pair, arrival: Arrival, intended_s: float
    ) -> None:
        invoke_s = self._clock.run_s()
        error: str | None = None
        try:
            request = node_pb2.EchoRequest(payload=self._payload)
            answer = await stub.Echo(request, timeout=max(1e-3, intended_s + self._plan.timeout_s - invoke_s))
            kind: Kind = "ok"
            if answer.payload != self._payload:
                kind, error = "unknown", "the answer is not the payload"
        except grpc.aio.AioRpcError as failure:
            details = failure.details() or ""
            kind, error = kind_of_error(failure.code(), details), f"{failure.code().name}: {details}"
        self._emit(
            Operation(arrival.op, pair.name, intended_s, invoke_s, self._clock.run_s(), kind, error).line()
        )


async def _connect(channels: Sequence[grpc.aio.Channel], patience_s: float) -> None:
    """Have connections before the first operation; a peer that is away now is tried again when it is used."""
    waits = [asyncio.ensure_future(channel.channel_ready()) for channel in channels]
    _, pending = await asyncio.wait(waits, timeout=patience_s)
    for wait in pending:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
