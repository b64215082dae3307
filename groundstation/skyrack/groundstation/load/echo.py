"""Echo clients: NodeService.Echo calls from one node to others, whatever became of earlier ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import grpc

from skyrack.groundstation.load.grpc_errors import definitely_failed
from skyrack.v1 import node_pb2, node_pb2_grpc
from skyrack.workloads import Failed, Request

PORT = 50051

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
class EchoClients:
    """`targets`: for each source node the addresses of those that it talks to, by their names."""

    kind: ClassVar[str] = "echo"
    shared: ClassVar[bool] = True

    targets: Mapping[str, Mapping[str, str]]
    timeout_s: float

    def connect(self, source: str, place: int) -> EchoClient:
        return EchoClient(self.targets[source], self.timeout_s)

    def load(self) -> None:
        return


class EchoClient:
    """One channel for each target; a request's key is SOURCE>TARGET, its value how many bytes to send."""

    def __init__(self, targets: Mapping[str, str], timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._channels = {
            name: grpc.aio.insecure_channel(f"ipv4:{address}:{PORT}", options=CHANNEL_OPTIONS)
            for name, address in targets.items()
        }
        self._stubs = {
            name: node_pb2_grpc.NodeServiceStub(channel) for name, channel in self._channels.items()
        }

    async def open(self) -> None:
        return

    async def prepare(self) -> None:
        await asyncio.gather(*(channel.channel_ready() for channel in self._channels.values()))

    async def invoke(self, request: Request) -> Any:
        payload = bytes(request.value)
        target = request.key.partition(">")[2]
        try:
            answer = await self._stubs[target].Echo(
                node_pb2.EchoRequest(payload=payload), timeout=self._timeout_s
            )
        except grpc.aio.AioRpcError as error:
            details = error.details() or ""
            text = f"{error.code().name}: {details}"
            if definitely_failed(error.code(), details):
                raise Failed(text) from error
            raise ConnectionError(text) from error
        if answer.payload != payload:
            raise ValueError("the answer is not the payload")
        return request.value

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()
